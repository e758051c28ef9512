"""The use cases of needs: what an environment cannot do without, said by people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.scaling.needs import check
from cloudmgr.scaling.orders import check_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.hosting.store import EnvironmentStore
    from cloudmgr.scaling.store import NeedStore


@dataclass(frozen=True, slots=True)
class Around:
    """What an environment needs, and what needs it, each by id."""

    needs: tuple[Environment, ...]
    needed_by: tuple[Environment, ...]


class Dependence:
    """Who needs whom.

    :param moved: told, inside the transaction, of an environment that is to be looked at.
    """

    def __init__(
        self,
        environments: EnvironmentStore,
        needs: NeedStore,
        clock: Clock,
        moved: Callable[[Connection, str], None],
    ) -> None:
        self._environments = environments
        self._needs = needs
        self._clock = clock
        self._moved = moved

    def around(self, tx: Connection, environment_id: str) -> Around:
        """Those that are being retired are left out."""
        return Around(
            self._alive(tx, [n.needed_id for n in self._needs.of(tx, environment_id)]),
            self._alive(tx, [n.environment_id for n in self._needs.on(tx, environment_id)]),
        )

    def need(
        self, tx: Connection, environment: Environment, needed: Sequence[Environment], actor: str
    ) -> None:
        """``environment`` needs all of ``needed`` and no other; in a transaction that writes.

        :raises Invalid: ``needs-itself``, ``too-many-needs``, ``another-zone``,
            ``needs-in-a-circle``. :raises Conflict: ``retiring``.
        """
        check_alive(environment)
        # Under a lock: two that are written at once must not close a circle.
        check(environment, needed, self._needs.edges(tx, lock=True))
        before = {n.needed_id for n in self._needs.of(tx, environment.id)}
        after = {other.id for other in needed}
        self._needs.put(tx, environment.id, after, actor, self._clock.now())
        for key in sorted(before ^ after):
            self._moved(tx, key)

    def _alive(self, tx: Connection, keys: Sequence[str]) -> tuple[Environment, ...]:
        found = (self._environments.get(tx, key) for key in keys)
        return tuple(one for one in found if not one.retiring)
