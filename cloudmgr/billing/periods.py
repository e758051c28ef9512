"""Billing periods: months as people in the city live them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval, month

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from cloudmgr.billing.invoices import Label
    from cloudmgr.billing.rating import Charge
    from cloudmgr.policy.prices import PriceList

_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")


@dataclass(frozen=True, slots=True, order=True)
class BillingPeriod:
    """``month`` is ``2026-06``; ``interval`` is that month in ``time_zone`` (an IANA name).

    A month with a change of the clocks is an hour shorter or longer, and is billed so.
    """

    month: str
    interval: Interval
    time_zone: str


def billing_period(text: str, zone: ZoneInfo) -> BillingPeriod:
    """:raises Invalid: ``no-such-month`` for anything but ``YYYY-MM``."""
    match = _MONTH.fullmatch(text)
    if match is None:
        raise Invalid(
            f"{text[:40]!r} is not a month",
            code="no-such-month",
            hint="as in 2026-06",
            path="month",
        )
    return BillingPeriod(text, month(int(match[1]), int(match[2]), zone), zone.key)


def period_at(moment: datetime, zone: ZoneInfo) -> BillingPeriod:
    """The period that ``moment`` lies in."""
    return billing_period(f"{moment.astimezone(zone):%Y-%m}", zone)


def period_before(period: BillingPeriod, zone: ZoneInfo) -> BillingPeriod:
    return period_at(
        period.interval.start - (period.interval.end - period.interval.start) / 2, zone
    )


def period_after(period: BillingPeriod, zone: ZoneInfo) -> BillingPeriod:
    return period_at(period.interval.end, zone)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a period was rated from, so that it can be rated again.

    :param ledger_batch: the usage ledger at rest as of this batch; lines of it and before it never
        change. None where no ledger is kept at rest.
    :param version: of cloudmgr.
    :param prices: the whole list as it was.
    """

    ledger_batch: int | None
    version: str
    prices: PriceList


@dataclass(frozen=True, slots=True)
class ClosedPeriod:
    """A period that was closed, once and for ever: by whom, when, and over what.

    ``digest`` is sha256 over its inputs, all charges and invoices. ``labels`` are the names that
    things had. ``gaps`` are the sentences that whoever closed it accepted: usage that was not
    collected then, and comes as an adjustment in a later period; what the ledger at rest lacked.
    """

    period: BillingPeriod
    closed_at: datetime
    closed_by: str
    currency: str
    price_digest: str
    digest: str
    charges: int
    labels: Mapping[str, Label]
    inputs: Inputs
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FrozenCharge:
    """A charge, and the line of the invoice that it is on."""

    charge: Charge
    invoice_id: str
    line: int
