"""What is measured, in which unit, and per how much of it a price is quoted."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping


class MeterKind(StrEnum):
    """What happens to a quantity when its interval is split.

    A RATE is held evenly, so its quantity is shared by time. A COUNT is of single events whose
    instants are not known, so a count stays whole.
    """

    RATE = "rate"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Meter:
    """One thing that is measured.

    Quantities are kept in ``unit``, which is seconds-based: hours would not do, since 1/3600 does
    not terminate as a decimal. Prices are quoted for ``priced_per`` of them, and people read
    quantities in that, the display unit. A record of more than ``absurd_rate`` units a second is a
    fault of its source, not usage.

    ``measured``: it is what was really used, as a Prometheus saw it, not what was held.
    ``optional``: it is on record for whoever wants to know, and is charged only where the price
    list has it.
    """

    name: str
    kind: MeterKind
    unit: str
    priced_per: int
    name_zh: str
    name_en: str
    display_unit_zh: str
    display_unit_en: str
    absurd_rate: Decimal
    measured: bool = False
    optional: bool = False

    def displayed(self, quantity: Decimal) -> Fraction:
        """``quantity`` (in ``unit``) in display units, exactly."""
        return Fraction(quantity) / self.priced_per


VCPU = Meter(
    "vcpu",
    MeterKind.RATE,
    "vCPU-second",
    3600,
    "计算",
    "vCPU",
    "vCPU·小时",
    "vCPU-hours",
    Decimal(1_000_000),
)
MEMORY = Meter(
    "memory",
    MeterKind.RATE,
    "GiB-second",
    3600,
    "内存",
    "Memory",
    "GiB·小时",
    "GiB-hours",
    Decimal(10_000_000),
)
STORAGE = Meter(
    "storage",
    MeterKind.RATE,
    "GiB-second",
    3600,
    "存储",
    "Storage",
    "GiB·小时",
    "GiB-hours",
    Decimal(1_000_000_000),
)
REQUESTS = Meter(
    "requests",
    MeterKind.COUNT,
    "request",
    1000,
    "请求",
    "Requests",
    "千次",
    "thousand requests",
    Decimal(10_000_000),
)

ADDRESS = Meter(
    "address",
    MeterKind.RATE,
    "address-second",
    3600,
    "地址",
    "Addresses",
    "个·小时",
    "address-hours",
    Decimal(1_000_000),
    optional=True,
)

VCPU_USED = Meter(
    "vcpu-used",
    MeterKind.RATE,
    "vCPU-second",
    3600,
    "实际使用的计算",
    "vCPU used",
    "vCPU·小时",
    "vCPU-hours",
    Decimal(1_000_000),
    measured=True,
    optional=True,
)
MEMORY_USED = Meter(
    "memory-used",
    MeterKind.RATE,
    "GiB-second",
    3600,
    "实际使用的内存",
    "Memory used",
    "GiB·小时",
    "GiB-hours",
    Decimal(10_000_000),
    measured=True,
    optional=True,
)

METERS: Mapping[str, Meter] = MappingProxyType(
    {
        meter.name: meter
        for meter in (VCPU, MEMORY, STORAGE, REQUESTS, VCPU_USED, MEMORY_USED, ADDRESS)
    }
)


def meter_named(name: str) -> Meter:
    """:raises Invalid: ``no-such-meter``."""
    try:
        return METERS[name]
    except KeyError:
        raise Invalid(
            f"there is no meter {name!r}",
            code="no-such-meter",
            hint="one of " + ", ".join(METERS),
            path="meter",
        ) from None
