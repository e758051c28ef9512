"""Our server-hours held against those of a pool's own accounting. Pure.

Both are cut at the same two moments, so that it does not matter when either was asked. What one
counts and the other does not is told in pieces of time, each with the one reason that fits it;
what fits none is unexplained. No reason is supposed: each follows from what the pool or our own
books say of that very piece.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from cloudmgr.interval import Interval
from cloudmgr.metering.meters import MEMORY, VCPU
from cloudmgr.metering.observation import SETTLE
from cloudmgr.money import exact_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from cloudmgr.metering.usage import Holding
    from cloudmgr.pools.drivers.besides import Account

# What may remain of each server: clocks, and what moves while it is looked at.
TOLERATED = timedelta(seconds=60)
METERS = (VCPU.name, MEMORY.name)


class Kind(StrEnum):
    """Why the two differ: the whole list."""

    ASLEEP = "asleep"
    RELAUNCHED = "relaunched"
    STRANGER = "stranger"
    FORGOTTEN = "forgotten"
    UNOBSERVED = "unobserved"
    TOLERATED = "tolerated"
    SIZE = "size"
    UNEXPLAINED = "unexplained"

    @property
    def explains(self) -> bool:
        return self not in {Kind.SIZE, Kind.UNEXPLAINED}


EXPLANATIONS: Mapping[Kind, str] = {
    Kind.ASLEEP: "the pool goes on counting a server that sleeps; it holds nothing then",
    Kind.RELAUNCHED: (
        "the pool forgets what ran before a server was last woken, resized, moved or rescued"
    ),
    Kind.STRANGER: "somebody else's server in the environment's project: not ours, not charged",
    Kind.FORGOTTEN: "the pool has purged this server from its books; ours keep it",
    Kind.UNOBSERVED: "it changed within the last minute before the pool was last read",
    Kind.TOLERATED: "a minute at most, as clocks differ",
    Kind.SIZE: "the pool has it with another size than the one that is charged: look into it",
    Kind.UNEXPLAINED: "nothing explains this: look into it",
}


@dataclass(frozen=True, slots=True)
class Run:
    """Our books: a server held ``cpu_millis`` and ``memory_mib`` from ``start`` to ``end``.

    ``end`` is None while it does.
    """

    server_id: str
    environment_id: str
    component: str
    cpu_millis: Decimal
    memory_mib: Decimal
    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What the pool counts and we do not (``seconds`` above zero), or the other way round.

    In ``times`` pieces that lie between ``first`` and ``last``.
    """

    kind: Kind
    seconds: Decimal
    first: datetime
    last: datetime
    times: int = 1


@dataclass(frozen=True, slots=True)
class ServerLine:
    """One server in an interval; seconds. ``name`` and ``state`` are empty where the pool has none,
    ``component`` where we have.
    """

    server_id: str
    environment_id: str
    name: str
    component: str
    state: str
    ours: Decimal
    theirs: Decimal
    differences: tuple[Difference, ...]

    @property
    def difference(self) -> Decimal:
        """``theirs`` less ``ours``: what all differences sum to."""
        return self.theirs - self.ours

    @property
    def explained(self) -> bool:
        return all(one.kind.explains for one in self.differences)


@dataclass(frozen=True, slots=True)
class EnvironmentLine:
    """An environment with its servers, in the order of their names."""

    environment_id: str
    servers: tuple[ServerLine, ...]

    @property
    def ours(self) -> Decimal:
        return exact_sum([line.ours for line in self.servers])

    @property
    def theirs(self) -> Decimal:
        return exact_sum([line.theirs for line in self.servers])

    @property
    def difference(self) -> Decimal:
        return self.theirs - self.ours

    @property
    def differences(self) -> tuple[Difference, ...]:
        return _together(one for line in self.servers for one in line.differences)

    @property
    def explained(self) -> bool:
        return all(line.explained for line in self.servers)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """A pool in ``interval``, which ends no later than ``read_at``, when we last read it."""

    interval: Interval
    read_at: datetime
    environments: tuple[EnvironmentLine, ...]

    @property
    def ours(self) -> Decimal:
        return exact_sum([line.ours for line in self.environments])

    @property
    def theirs(self) -> Decimal:
        return exact_sum([line.theirs for line in self.environments])

    @property
    def difference(self) -> Decimal:
        return self.theirs - self.ours

    @property
    def explained(self) -> bool:
        return all(line.explained for line in self.environments)


def runs(holdings: Iterable[Holding], server_of: Callable[[str], str]) -> tuple[Run, ...]:
    """What ``holdings`` of :data:`METERS` say of servers.

    :param server_of: see :class:`~cloudmgr.pools.drivers.besides.Accounted`.
    """
    by_resource: dict[str, dict[str, Holding]] = {}
    for holding in holdings:
        by_resource.setdefault(holding.resource, {})[holding.meter] = holding
    found = []
    for resource, held in by_resource.items():
        one = next(iter(held.values()))
        cpu, memory = (held[m].rate if m in held else Decimal(0) for m in METERS)
        found.append(
            Run(
                server_of(resource),
                one.owner.environment_id,
                one.component,
                cpu * 1000,
                memory * 1024,
                one.started_at,
                one.ended_at,
            )
        )
    return tuple(sorted(found, key=lambda run: (run.server_id, run.start)))


def reconcile(
    books: Iterable[Run], accounts: Iterable[Account], interval: Interval, read_at: datetime
) -> Reconciliation:
    """Hold ``books`` against ``accounts``.

    :param books: all runs that touch the time from the start of ``interval`` to ``read_at``.
    :param accounts: of all servers that the pool has counted since the start of ``interval``.
    :param interval: ends at ``read_at`` or before: what was not read is not known.
    """
    ours: dict[str, list[Run]] = {}
    for run in books:
        ours.setdefault(run.server_id, []).append(run)
    theirs = {account.server_id: account for account in accounts}
    fresh = read_at - SETTLE
    by_environment: dict[str, list[ServerLine]] = {}
    for server_id in sorted({*ours, *theirs}):
        known = ours.get(server_id, [])
        line = _Server(server_id, known, theirs.get(server_id), interval, fresh).line()
        if line is not None:
            by_environment.setdefault(line.environment_id, []).append(line)
    return Reconciliation(
        interval,
        read_at,
        tuple(
            EnvironmentLine(
                name, tuple(sorted(found, key=lambda x: (x.name or x.component, x.server_id)))
            )
            for name, found in sorted(by_environment.items())
        ),
    )


@dataclass(frozen=True, slots=True)
class _Server:
    """``fresh`` is since when a change may not have been seen yet by our last reading."""

    id: str
    runs: Sequence[Run]
    account: Account | None
    interval: Interval
    fresh: datetime

    def line(self) -> ServerLine | None:
        """None for one that neither has counted in the interval."""
        held = [cut for run in self.runs if (cut := self._cut(run.start, run.end))]
        account = self.account
        counted = self._cut(account.started_at, account.ended_at) if account else None
        if not held and counted is None:
            return None
        ours = exact_sum([piece.seconds for piece in held])
        theirs = counted.seconds if counted else Decimal(0)
        run = self.runs[-1] if self.runs else None
        owner = run or account
        return ServerLine(
            server_id=self.id,
            environment_id=owner.environment_id if owner else "",
            name=account.name if account else "",
            component=run.component if run else "",
            state=account.state if account else "",
            ours=ours,
            theirs=theirs,
            differences=self._differences(held, counted, theirs - ours),
        )

    def _differences(
        self, held: Sequence[Interval], counted: Interval | None, whole: Decimal
    ) -> tuple[Difference, ...]:
        alone = _without(_union(held), counted)
        found = [_piece(self._less(p), p, -1) for p in alone]
        if counted is not None:
            idle = self.account.idle_from if self.account else None
            for gap in _gaps(counted, held):
                cuts = [idle] if idle else []
                found += [_piece(self._more(p), p, 1) for p in gap.split(cuts)]
        # What no piece tells: two runs of ours over the same time would be charged twice.
        rest = whole - exact_sum([one.seconds for one in found])
        if rest:
            found.append(Difference(Kind.UNEXPLAINED, rest, self.interval.start, self.interval.end))
        odd = [one for one in found if one.kind is Kind.UNEXPLAINED]
        if sum(abs(one.seconds) for one in odd) <= TOLERATED.total_seconds():
            found = [
                Difference(Kind.TOLERATED, one.seconds, one.first, one.last) if one in odd else one
                for one in found
            ]
        return (*_together(found), *self._sizes())

    def _less(self, piece: Interval) -> Kind:
        """Why we count what the pool does not."""
        account = self.account
        if account is None:
            over = all(run.end is not None for run in self.runs)
            return Kind.FORGOTTEN if over else Kind.UNEXPLAINED
        if piece.end <= account.started_at:
            seen = any(run.start == account.started_at for run in self.runs)
            anew = seen or account.started_at >= self.fresh
            return Kind.RELAUNCHED if anew else Kind.UNEXPLAINED
        return Kind.UNOBSERVED if piece.start >= self.fresh else Kind.UNEXPLAINED

    def _more(self, piece: Interval) -> Kind:
        """Why the pool counts what we do not."""
        account = self.account
        if account is not None and not account.ours and not self.runs:
            return Kind.STRANGER
        idle = account.idle_from if account else None
        if idle is not None and piece.start >= idle:
            return Kind.ASLEEP
        return Kind.UNOBSERVED if piece.start >= self.fresh else Kind.UNEXPLAINED

    def _sizes(self) -> Iterator[Difference]:
        """The run that the pool counts too must have the size that it has there."""
        account = self.account
        for run in self.runs:
            if account is None or run.start != account.started_at:
                continue
            theirs = (Decimal(account.size.cpu_millis), Decimal(account.size.memory_mib))
            cut = self._cut(run.start, run.end)
            if cut and (run.cpu_millis, run.memory_mib) != theirs:
                yield Difference(Kind.SIZE, Decimal(0), cut.start, cut.end)

    def _cut(self, start: datetime, end: datetime | None) -> Interval | None:
        until = self.interval.end if end is None else end
        return Interval(start, until).intersect(self.interval) if start < until else None


def _piece(kind: Kind, piece: Interval, sign: int) -> Difference:
    return Difference(kind, sign * piece.seconds, piece.start, piece.end)


def _gaps(whole: Interval, taken: Iterable[Interval]) -> Iterator[Interval]:
    """The parts of ``whole`` that nothing in ``taken`` covers, in order."""
    start = whole.start
    for piece in sorted(taken):
        if piece.start > start:
            gap = Interval(start, piece.start).intersect(whole)
            if gap:
                yield gap
        start = max(start, piece.end)
    if start < whole.end:
        yield Interval(start, whole.end)


def _union(pieces: Iterable[Interval]) -> list[Interval]:
    """What at least one of them covers."""
    found: list[Interval] = []
    for piece in sorted(pieces):
        if found and piece.start <= found[-1].end:
            found[-1] = Interval(found[-1].start, max(found[-1].end, piece.end))
        else:
            found.append(piece)
    return found


def _without(pieces: Iterable[Interval], hole: Interval | None) -> Iterator[Interval]:
    """What of ``pieces`` lies outside of ``hole``."""
    for piece in pieces:
        yield from _gaps(piece, [hole] if hole and hole.overlaps(piece) else [])


def _together(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """One of each kind and direction, largest first."""
    found: dict[tuple[Kind, bool], Difference] = {}
    for one in differences:
        key = (one.kind, one.seconds < 0)
        had = found.get(key)
        found[key] = (
            one
            if had is None
            else Difference(
                one.kind,
                had.seconds + one.seconds,
                min(had.first, one.first),
                max(had.last, one.last),
                had.times + one.times,
            )
        )
    return tuple(sorted(found.values(), key=lambda x: (-abs(x.seconds), x.kind)))
