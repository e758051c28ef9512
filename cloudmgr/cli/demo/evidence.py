"""What a day left behind, gathered from the API and from the applications, once it is over."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cloudmgr.cli.demo import city
from cloudmgr.cli.demo.figures import Change
from cloudmgr.cli.demo.money import rows_of
from cloudmgr.errors import CloudmgrError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from cloudmgr.cli.demo.founding import City
    from cloudmgr.cli.demo.promises import Killed
    from cloudmgr.cli.demo.timeline import Timeline
    from cloudmgr.cli.remote import Json, Remote

_CLOSED_WITHIN = 60.0


@dataclass(slots=True)
class Books:
    """The month, as finance sees it; ``closed`` says whether it is final."""

    closed: bool
    invoices: list[Json]
    charges: list[dict[str, str]]
    usage: list[Json]
    csv: dict[str, bytes] = field(default_factory=dict)
    """Each invoice's CSV file, by its number."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a replica, in seconds since the Unix epoch; no end while it runs or if killed."""

    pid: int
    started_at: float
    ended_at: float | None


def close_month(finance: Remote, now: Callable[[], float], sleep: Callable[[float], None]) -> Json:
    """Close :data:`city.MONTH`; tried again while its usage is still being collected.

    :raises CloudmgrError: why it cannot be closed.
    """
    end = now() + _CLOSED_WITHIN
    while True:
        try:
            closed: Json = finance.post(f"/billing/periods/{city.MONTH}/close", {})
        except CloudmgrError as error:
            if error.code != "usage-not-collected" or now() > end:
                raise
            sleep(0.5)
        else:
            return closed


def await_ledger(
    finance: Remote, until: datetime, now: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    """Wait until usage up to ``until``, a full hour, is in the ledger of an open month."""
    end = now() + _CLOSED_WITHIN
    hour = {"starts_at": (until - timedelta(hours=1)).isoformat(), "ends_at": until.isoformat()}
    while now() < end:
        rows = finance.all("/usage", meter="storage", **hour)
        if any(datetime.fromisoformat(row["ends_at"]) >= until for row in rows):
            return
        sleep(0.5)


def books(finance: Remote, *, closed: bool) -> Books:
    """Usage, charges and invoices of the month; of an open one as a preview."""
    begins = city.DAY.replace(day=1)
    usage = list(
        finance.all(
            "/usage",
            starts_at=begins.isoformat(),
            ends_at=begins.replace(month=begins.month + 1).isoformat(),
        )
    )
    charges = rows_of(finance.raw(f"/billing/periods/{city.MONTH}/charges"))
    if not closed:
        preview = finance.get(f"/billing/periods/{city.MONTH}/preview")
        return Books(closed, preview["invoices"], charges, usage)
    invoices = list(finance.all("/billing/invoices", month=city.MONTH))
    files = {i["number"]: finance.raw(f"/billing/invoices/{i['id']}/csv") for i in invoices}
    return Books(closed, invoices, charges, usage, files)


def changes(decisions: Iterable[Json], system: str, timeline: Timeline) -> list[Change]:
    """What scaling decided on ``system``, oldest first."""
    found = [
        Change(
            timeline.machine(datetime.fromisoformat(decision["at"])),
            system,
            decision["before"],
            decision["after"],
        )
        for decision in decisions
    ]
    return sorted(found, key=lambda change: change.at)


def vcpu_seconds(
    records: Path, timeline: Timeline, killed: Iterable[Killed], end: datetime
) -> dict[str, float]:
    """By system: how long its replicas ran by their own account × their size, in business time.

    :param records: where the applications keep their rows.
    :param end: the business time at which counting ends.
    """
    ends = {kill.pid: kill.at for kill in killed}
    last = timeline.machine(end)
    sums: defaultdict[str, float] = defaultdict(float)
    for plan in city.PLANS:
        for run in runs(records, plan.code):
            until = min(ends.get(run.pid, run.ended_at or last), last)
            ran = max(0.0, until - run.started_at) * timeline.speed
            sums[plan.code] += ran * plan.cpu_millis / 1000
    return dict(sums)


def runs(records: Path, code: str) -> list[Run]:
    """Every run of a replica of one system, by the application's own account."""
    file = records / code / "records.db"
    if not file.exists():
        return []
    with closing(sqlite3.connect(file, timeout=5)) as connection:
        found = connection.execute("SELECT pid, started_at, ended_at FROM replica").fetchall()
    return [Run(*row) for row in found]


def span_of(charges: Iterable[Json], environment_id: str) -> tuple[datetime, datetime]:
    """From when until when the environment was charged for storage: as long as it existed."""
    rows = [c for c in charges if c["environment_id"] == environment_id and c["meter"] == "storage"]
    starts = [datetime.fromisoformat(row["start"]) for row in rows]
    ends = [datetime.fromisoformat(row["end"]) for row in rows]
    return min(starts), max(ends)


def metered(
    usage: Iterable[Mapping[str, Any]], found: City, meter: str, end: datetime
) -> dict[str, float]:
    """By system: what the ledger has of ``meter`` until ``end``, which must be a full hour."""
    codes = {one.environment_id: code for code, one in found.hosted.items()}
    sums: defaultdict[str, float] = defaultdict(float)
    for row in usage:
        if row["meter"] == meter and datetime.fromisoformat(row["starts_at"]) < end:
            sums[codes[row["environment_id"]]] += float(row["quantity"])
    return dict(sums)
