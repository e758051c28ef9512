"""The price list as policy states it; what a quantity costs is for billing to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Price:
    """``unit_price`` of ``meter`` from ``valid_from`` until the next of that meter and zone.

    The unit is that of the meter: vCPU-hour, GiB-hour, 1000 requests. ``zone`` None means
    every zone.

    :raises Invalid: ``naive-time``; ``negative-price`` (also for NaN and infinities).
    """

    meter: str
    zone: str | None
    valid_from: datetime
    unit_price: Decimal

    def __post_init__(self) -> None:
        if self.valid_from.tzinfo is None:
            raise Invalid("a price needs a time zone", code="naive-time", path="valid_from")
        if not self.unit_price.is_finite() or self.unit_price < 0:
            raise Invalid(
                f"a price cannot be {self.unit_price}", code="negative-price", path="unit_price"
            )


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices in one currency (ISO 4217).

    ``gaps`` is what is charged where what was used has a price and nobody knows how much it was:
    ``nothing``, or what was ``held``.

    :raises Invalid: ``duplicate-price`` for two with the same meter, zone and instant.
    """

    currency: str
    prices: tuple[Price, ...]
    gaps: str = "nothing"

    def __post_init__(self) -> None:
        seen: set[tuple[str, str | None, datetime]] = set()
        for price in self.prices:
            key = (price.meter, price.zone, price.valid_from)
            if key in seen:
                where = f" in {price.zone}" if price.zone else ""
                raise Invalid(
                    f"{price.meter}{where} has two prices from {price.valid_from.isoformat()}",
                    code="duplicate-price",
                    path="prices",
                )
            seen.add(key)
