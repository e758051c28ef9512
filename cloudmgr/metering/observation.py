"""What one reading of a pool means for the ledger. Pure: the collector does the rest.

What an environment holds is recorded from what the driver observed. A reading that was begun at
``moment`` shows that all it lists as held was held until then, and no more than that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid
from cloudmgr.metering.usage import cell_of, holdings, hourly, metered, records

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, tzinfo

    from cloudmgr.metering.usage import Grid, Holding, UsageRecord
    from cloudmgr.pools.drivers.driver import Allocation

# Clocks may differ by this much, and a pool may take this long to see that something ended, before
# usage is metered that then turns out not to have been: an hour is cut only once it is over for
# so long.
SETTLE = timedelta(seconds=60)
# Nothing that is seen for the first time has been held for longer: its clock is wrong.
OLDEST = timedelta(days=3653)


@dataclass(frozen=True, slots=True)
class Note:
    """Why the ledger may know less than there was: read by finance before a month is closed.

    A note without ``until`` is open: it is so now. ``kind`` is one of
    ``unreadable`` (the source could not be read; what it held is recorded once it can),
    ``lost`` (the pool stopped to list something without saying when it ended), ``refused`` (it
    reported what cannot be), ``restarted`` (a gateway forgot what it had counted since the last
    reading), ``over-metered`` (an end was reported before what the ledger has already), or, of the
    ledger at rest, ``unwritten`` (usage waits to be written there) and ``damaged``.
    """

    source: str
    kind: str
    resource: str
    since: datetime
    until: datetime | None
    message: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a holding becomes: ``old`` is what the store must still have, None for no row."""

    old: Holding | None
    new: Holding
    records: tuple[UsageRecord, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write, and which allocations the pool may forget once it is written."""

    changes: tuple[Change, ...]
    notes: tuple[Note, ...]
    settled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PoolReading:
    """What a pool listed. ``known`` are the stored holdings of all that is listed and of all that
    is not settled, by resource; ``read_at`` is when the pool was last read before this.
    ``settle`` is how long an hour must be over before it is cut.
    """

    source: str
    zone: str
    pool_id: str
    moment: datetime
    read_at: datetime | None
    allocations: Sequence[Allocation]
    known: Mapping[str, Sequence[Holding]]
    settle: timedelta = SETTLE


def plan(reading: PoolReading, time_zone: tzinfo) -> Plan:
    """The changes that make the ledger say what ``reading`` shows.

    Open allocations are recorded up to the last full hour that is settled, ended ones to their
    end. What is not listed any more though it never ended is closed where it was last seen.
    """
    grid = hourly(time_zone)
    last_cut = cell_of(reading.moment - reading.settle, time_zone).start
    changes: list[Change] = []
    notes: list[Note] = []
    settled: list[str] = []
    listed: dict[str, Allocation] = {}
    for allocation in reading.allocations:
        first = listed.setdefault(allocation.id, allocation)
        if first is not allocation:
            if first != allocation:
                notes.append(_refused(reading, allocation, "it is listed twice, differently"))
            continue
        try:
            found, faults = _one(reading, allocation, last_cut, grid)
        except Invalid as error:
            notes.append(_refused(reading, allocation, error.message))
            continue
        changes += found
        notes += faults
        refused = any(note.kind == "refused" for note in faults)
        if not refused and _all_settled(reading, allocation, found):
            settled.append(allocation.id)
    gone = [h for name, hs in reading.known.items() if name not in listed for h in hs]
    for holding in gone:
        if holding.ended_at is None:
            change, note = _lost(reading, holding, grid)
            changes.append(change)
            notes.append(note)
    unique = {(n.kind, n.resource, n.since): n for n in notes}
    return Plan(tuple(changes), tuple(unique.values()), tuple(settled))


def _one(
    reading: PoolReading, allocation: Allocation, last_cut: datetime, grid: Grid
) -> tuple[list[Change], list[Note]]:
    known = {h.meter: h for h in reading.known.get(allocation.id, ())}
    held = holdings(allocation, reading.source, reading.zone, reading.pool_id)
    changes: list[Change] = []
    notes: list[Note] = []
    for seen in held:
        old = known.get(seen.meter)
        if old is None:
            if seen.started_at < reading.moment - OLDEST:
                raise Invalid(f"it says that it began on {seen.started_at:%Y-%m-%d}")
            merged = seen
        else:
            fault = _contradiction(old, seen)
            if fault:
                notes.append(_refused(reading, allocation, fault))
                continue
            merged = replace(old, ended_at=seen.ended_at, lost=False)
            if old.ended_at is not None and not old.lost:
                merged = old
        until = last_cut
        # An end that lies ahead of our clock is taken when it has come.
        if merged.ended_at is not None and merged.ended_at <= reading.moment:
            until = merged.ended_at
        if merged.ended_at is not None and merged.metered_until > merged.ended_at:
            notes.append(_over(reading, merged))
        new = metered(merged, until) if until > merged.metered_until else merged
        if new != old:
            changes.append(Change(old, new, records(merged, until, grid)))
    return changes, notes


def _contradiction(old: Holding, seen: Holding) -> str:
    """Why ``seen`` cannot be what ``old`` is, in words; empty when it can."""
    if (old.rate, old.started_at) != (seen.rate, seen.started_at):
        return (
            f"its {old.meter} was {old.rate} from {old.started_at.isoformat()} and is now said to"
            f" be {seen.rate} from {seen.started_at.isoformat()}"
        )
    if old.ended_at is not None and not old.lost and old.ended_at != seen.ended_at:
        return f"it had ended at {old.ended_at.isoformat()} and is now said not to have"
    return ""


def _all_settled(reading: PoolReading, allocation: Allocation, changes: Iterable[Change]) -> bool:
    """Whether the ledger has all of ``allocation`` once ``changes`` are written."""
    if allocation.ended_at is None or allocation.ended_at > reading.moment:
        return False
    after = {h.meter: h for h in reading.known.get(allocation.id, ())}
    after.update({change.new.meter: change.new for change in changes})
    return all(holding.settled for holding in after.values())


def _lost(reading: PoolReading, holding: Holding, grid: Grid) -> tuple[Change, Note]:
    seen = [holding.started_at, holding.metered_until]
    if reading.read_at is not None:
        seen.append(reading.read_at)
    end = max(seen)
    closed = replace(holding, ended_at=end, lost=True, metered_until=end)
    note = Note(
        reading.source,
        "lost",
        holding.resource,
        end,
        reading.moment,
        "the pool no longer lists it and did not say when it ended; it is metered until it was last"
        " seen",
    )
    return Change(holding, closed, records(holding, end, grid)), note


def _refused(reading: PoolReading, allocation: Allocation, why: str) -> Note:
    # Anything may be wrong with it, its times as well, so the note is dated by what is known.
    return Note(
        reading.source,
        "refused",
        allocation.id,
        reading.read_at or reading.moment,
        None,
        f"nothing is metered of what it says now: {why}",
    )


def _over(reading: PoolReading, holding: Holding) -> Note:
    end = holding.ended_at or holding.metered_until
    return Note(
        reading.source,
        "over-metered",
        holding.resource,
        end,
        holding.metered_until,
        f"the ledger has its {holding.meter} until {holding.metered_until.isoformat()}, but it"
        f" ended at {end.isoformat()}: the clocks of the pool and of the control plane differ",
    )
