"""The hosts of a pool: so many more or fewer than there are, of which some are away. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cloudmgr.pools.capacity import Resources

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudmgr.interval import Interval
    from cloudmgr.pools.capacity import Capacity


@dataclass(frozen=True, slots=True)
class Failure:
    """So many hosts are away during ``interval``."""

    interval: Interval
    hosts: int


@dataclass(frozen=True)
class Hosts:
    """What a pool would have for promises with another number of hosts.

    Those that are kept back so that they may fail are there for those that do: as long as no more
    are away than that, there is as much room as before. Nobody knows which will fail, or which
    would not have been bought: of each resource it is the most that so many hosts have.
    """

    capacity: Capacity

    @cached_property
    def there(self) -> int:
        """How many of them may be used."""
        return sum(host.schedulable for host in self.capacity.hosts)

    @cached_property
    def bought(self) -> Resources:
        """What one more would have: as much as those that there are most of, of these the least."""
        count = Counter(host.allocatable for host in self.capacity.hosts)
        return min(count, key=lambda r: (-count[r], r.cpu_millis, r.memory_mib))

    def room(self, more: int = 0, away: int = 0) -> Resources:
        """Processors and memory for promises with ``more`` hosts, of which ``away`` are away.

        :param more: below 0 for fewer.
        """
        gone = max(self.capacity.spare, away) + max(0, -more)
        shared = self.capacity.shared
        return Resources(
            shared.cpu_millis + _left(self._cpu, self.bought.cpu_millis, max(0, more), gone),
            shared.memory_mib + _left(self._memory, self.bought.memory_mib, max(0, more), gone),
        )

    def least(self, needs: Iterable[tuple[Resources, int]]) -> int | None:
        """The least number of hosts that has room for each of ``needs`` while so many are away.

        None if no number has: a host has nothing of what is asked for.
        """
        asked = list(needs)

        def enough(more: int) -> bool:
            return all(amount.fits(self.room(more, away)) for amount, away in asked)

        low, high = -self.there, self._enough_for_sure(asked)
        if not enough(high):
            return None
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle + 1, high)
        return self.there + low

    def _enough_for_sure(self, asked: Sequence[tuple[Resources, int]]) -> int:
        """So many more that there is room for all even without those that are there now."""
        one = self.bought
        return max(
            (
                max(
                    -(-amount.cpu_millis // max(1, one.cpu_millis)),
                    -(-amount.memory_mib // max(1, one.memory_mib)),
                )
                + max(self.capacity.spare, away)
                for amount, away in asked
            ),
            default=0,
        )

    @cached_property
    def _cpu(self) -> list[int]:
        return sorted(h.allocatable.cpu_millis for h in self.capacity.hosts if h.schedulable)

    @cached_property
    def _memory(self) -> list[int]:
        return sorted(h.allocatable.memory_mib for h in self.capacity.hosts if h.schedulable)


def _left(amounts: Sequence[int], one: int, more: int, gone: int) -> int:
    """The sum of ``amounts``, in order, and of ``more`` of ``one``, but for the ``gone`` largest.

    Without a list of those that are bought, who may be a million.
    """
    smaller = bisect_left(amounts, one)
    larger = amounts[smaller:]
    left = gone - len(larger)
    if left <= 0:
        return sum(amounts[:smaller]) + one * more + sum(larger[: len(larger) - gone])
    if left <= more:
        return sum(amounts[:smaller]) + one * (more - left)
    return sum(amounts[: max(0, smaller - (left - more))])
