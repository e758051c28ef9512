"""``request_counter``: how far each environment's requests at a gateway are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, String, Table, delete, insert, select

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.metering.counting import RequestCounter
from cloudmgr.metering.usage import Owner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

request_counters = Table(
    "request_counter",
    metadata,
    Column("source", String, primary_key=True),
    Column("environment_id", String(40), primary_key=True),
    Column("system_id", String(40), nullable=False),
    Column("department_id", String(40), nullable=False),
    Column("zone", String(20), nullable=False),
    Column("pool_id", String(40), nullable=False),
    Column("epoch", String, nullable=False),
    Column("value", BigInteger, nullable=False),
    Column("cell_start", UtcDateTime, nullable=False),
    Column("pending", BigInteger, nullable=False),
)

_BATCH = 500


class RequestCounters:
    """Written only together with a step of the gateway's own row in ``usage_source``, which is what
    keeps two collectors apart.
    """

    def of_source(self, tx: Connection, source: str) -> dict[str, RequestCounter]:
        """By environment."""
        query = select(request_counters).where(request_counters.c.source == source)
        return {row.environment_id: _counter(row) for row in tx.execute(query)}

    def pending(
        self,
        tx: Connection,
        *,
        environment_id: str | None = None,
        department_id: str | None = None,
    ) -> tuple[RequestCounter, ...]:
        """Those with requests that the ledger does not have yet."""
        c = request_counters.c
        query = select(request_counters).where(c.pending > 0)
        if environment_id is not None:
            query = query.where(c.environment_id == environment_id)
        if department_id is not None:
            query = query.where(c.department_id == department_id)
        return tuple(_counter(row) for row in tx.execute(query))

    def put(self, tx: Connection, counters: Sequence[RequestCounter]) -> None:
        """Make these the rows of their environments."""
        c = request_counters.c
        for start in range(0, len(counters), _BATCH):
            some = counters[start : start + _BATCH]
            for source in {counter.source for counter in some}:
                ids = [x.environment_id for x in some if x.source == source]
                tx.execute(
                    delete(request_counters).where(c.source == source, c.environment_id.in_(ids))
                )
            tx.execute(insert(request_counters), [_values(counter) for counter in some])


def _counter(row: Row[Any]) -> RequestCounter:
    owner = Owner(row.environment_id, row.system_id, row.department_id, row.zone, row.pool_id)
    return RequestCounter(row.source, owner, row.epoch, row.value, row.cell_start, row.pending)


def _values(counter: RequestCounter) -> dict[str, Any]:
    return {
        "source": counter.source,
        "environment_id": counter.environment_id,
        "system_id": counter.owner.system_id,
        "department_id": counter.owner.department_id,
        "zone": counter.owner.zone,
        "pool_id": counter.owner.pool_id,
        "epoch": counter.epoch,
        "value": counter.value,
        "cell_start": counter.cell_start,
        "pending": counter.pending,
    }
