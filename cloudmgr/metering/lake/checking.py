"""Whether the ledger at rest is what was written, and has all that was held. Pure but for reading.

The first is found by checksums: the database knows of each file what it was when it was written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.errors import Permanent
from cloudmgr.metering.lake.lapses import lapses
from cloudmgr.metering.lake.reading import kept, totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloudmgr.interval import Interval
    from cloudmgr.metering.lake.lapses import Lapse
    from cloudmgr.metering.lake.table import LedgerTable
    from cloudmgr.metering.store.batches import Batch, KnownFile
    from cloudmgr.metering.usage import Holding

# Of each kind so many are told one by one.
MOST_TOLD = 1_000


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that is not what it was, or is not there, or a batch of which lines lack.

    :param path: of a file within the ledger; empty for a batch.
    """

    path: str
    month: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """:param batch: the last that was looked at.
    :param files: how many were looked at, ``records`` how many lines they hold.
    :param lapses: None where damage kept it from being looked for.
    """

    batch: int
    files: int
    records: int
    damages: tuple[Damage, ...]
    lapses: tuple[Lapse, ...] | None

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that is wrong."""
        damaged = [one.sentence for one in self.damages]
        return (*damaged, *(one.sentence for one in self.lapses or ()))

    @property
    def sound(self) -> bool:
        return not self.damages and self.lapses == ()


def damages(
    table: LedgerTable,
    known: Mapping[str, KnownFile],
    batches: Sequence[Batch],
    month: str | None = None,
) -> tuple[Damage, ...]:
    """All files by their checksums; and if all is well and no month is asked for, every batch.

    :raises Temporary: ``ledger-unreadable``.
    """
    there = {file.path: file for file in table.files()}
    found = []
    for path in sorted(there.keys() | known.keys()):
        file = there[path] if path in there else known[path].file
        if month is not None and file.month != month:
            continue
        said = _said(table, path, known, listed=path in there)
        if said:
            found.append(Damage(path, file.month, f"{path}: {said}"))
    if found or month is not None:
        return tuple(found)
    try:
        at_rest = totals(table.paths())
    except Permanent as error:
        return (Damage("", "", error.message),)
    for batch in batches:
        if batch.written_at is not None and at_rest.get(batch.number) != batch.total:
            have = at_rest[batch.number].records if batch.number in at_rest else 0
            said = f"batch {batch.number} was written with {batch.total.records} lines"
            found.append(Damage("", "", f"{said}; {have} are there, or quantities differ"))
    return tuple(found)


def _said(table: LedgerTable, path: str, known: Mapping[str, KnownFile], *, listed: bool) -> str:
    if path not in known:
        return "nobody of ours wrote this file"
    if not listed:
        return "the ledger does not list this file any more"
    digest = table.fingerprint(known[path].file)
    if digest is None:
        return "this file is not there"
    return "" if digest == known[path].sha256 else "this file is not as it was written"


def completeness(
    table: LedgerTable, held: Iterable[Holding], month: str, interval: Interval, last: int
) -> tuple[Lapse, ...]:
    """What lacks in a month, what is twice, at most :data:`MOST_TOLD` of it.

    :param held: as of the moment in which batch ``last`` was the last and nothing waited, ordered
        by source, resource and meter.
    :raises Permanent: ``ledger-damaged``.
    """
    found = []
    for lapse in lapses(held, kept(table.paths(month), interval, last), interval):
        found.append(lapse)
        if len(found) == MOST_TOLD:
            break
    return tuple(found)
