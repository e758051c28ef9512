"""Which price is in force. Pure, over the price list that policy states."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from datetime import UTC
from typing import TYPE_CHECKING

from cloudmgr.billing.digits import canonical, plain
from cloudmgr.errors import Unpriced

if TYPE_CHECKING:
    from datetime import datetime

    from cloudmgr.interval import Interval
    from cloudmgr.policy.prices import Price, PriceList


class Tariff:
    """A price list, made ready to be asked.

    A price is in force from its ``valid_from`` until the next of the same meter and zone; the end
    is never stated, so prices cannot overlap or leave a hole. One for a zone beats one for all
    zones from the moment it begins, for ever: to bring a zone back to the general price, state it
    for the zone.
    """

    def __init__(self, prices: PriceList) -> None:
        self.prices = prices
        self.currency = prices.currency
        self.digest = _digest(prices)
        self._lines: dict[tuple[str, str | None], tuple[list[datetime], list[Price]]] = {}
        for price in sorted(prices.prices, key=lambda price: price.valid_from):
            starts, line = self._lines.setdefault((price.meter, price.zone), ([], []))
            starts.append(price.valid_from)
            line.append(price)

    def price_at(self, meter: str, zone: str, moment: datetime) -> Price:
        """The price in force.

        :raises Unpriced: when there is none: never zero.
        """
        price = self._find(meter, zone, moment)
        if price is None:
            raise Unpriced(
                f"{meter} in {zone} has no price at {moment.isoformat()}",
                hint=f"add a price for {meter} that is valid from then or earlier",
            )
        return price

    def cuts(self, meter: str, zone: str, interval: Interval) -> tuple[datetime, ...]:
        """The moments inside ``interval`` from which another price is in force, in order."""
        starts = {
            moment.astimezone(UTC)
            for which in (zone, None)
            for moment in self._lines.get((meter, which), ([], []))[0]
            if interval.start < moment < interval.end
        }
        found = []
        before = self._find(meter, zone, interval.start)
        for moment in sorted(starts):
            price = self._find(meter, zone, moment)
            if price != before:
                found.append(moment)
            before = price
        return tuple(found)

    def _find(self, meter: str, zone: str, moment: datetime) -> Price | None:
        for which in (zone, None):
            if (meter, which) in self._lines:
                starts, line = self._lines[meter, which]
                position = bisect_right(starts, moment)
                if position:
                    return line[position - 1]
        return None


def _digest(prices: PriceList) -> str:
    lines = sorted(
        [
            price.meter,
            price.zone or "",
            price.valid_from.astimezone(UTC).isoformat(timespec="microseconds"),
            plain(price.unit_price),
        ]
        for price in prices.prices
    )
    return hashlib.sha256(canonical([prices.currency, lines]).encode()).hexdigest()
