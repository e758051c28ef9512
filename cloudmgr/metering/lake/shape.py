"""What a line of the ledger looks like at rest. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.errors import Permanent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, tzinfo
    from decimal import Decimal

    from cloudmgr.metering.usage import UsageRecord

# Of decimal(38, 18): the exponent of a quantity, and how many digits stand before the point.
SCALE = 18
_WHOLE = 20

TEXTS = (
    "id",
    "source",
    "resource",
    "environment_id",
    "system_id",
    "department_id",
    "zone",
    "pool_id",
    "component",
    "meter",
)
MOMENTS = ("start", "end", "recorded_at")
QUANTITY, BATCH, MONTH = "quantity", "batch", "month"


@dataclass(frozen=True, slots=True)
class Line:
    """A record, and when it was written: no part of what it says."""

    record: UsageRecord
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of the ledger.

    :param path: within the ledger's directory.
    :param size: in bytes.
    :param records: how many lines it holds.
    """

    path: str
    month: str
    size: int
    records: int


@dataclass(frozen=True, slots=True)
class Total:
    """What is held against each other: how many lines, and the sum of their quantities.

    A sum over meters of different units means nothing. It is a control total: two sets of lines
    that have the same are the same, but for an accident.
    """

    records: int
    quantity: Decimal


def month_of(moment: datetime, zone: tzinfo) -> str:
    """The billing month that ``moment`` lies in, as ``2026-06``: what files are parted by."""
    return f"{moment.astimezone(zone):%Y-%m}"


def checked(lines: Sequence[Line]) -> Sequence[Line]:
    """``lines``, all of which fit.

    :raises Permanent: ``ledger-digits``, naming the first quantity that would lose a digit.
    """
    for line in lines:
        quantity = line.record.quantity
        exponent = quantity.normalize().as_tuple().exponent
        if int(exponent) < -SCALE or quantity.adjusted() >= _WHOLE:
            raise Permanent(
                f"usage {line.record.id} of {quantity:f} does not fit into the ledger at rest",
                code="ledger-digits",
                hint=f"it keeps {_WHOLE} digits before the point and {SCALE} after it; "
                "see what measured this",
            )
    return lines
