"""Numbers, money and times as people of a language read them, in the city's zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_currency, format_decimal, format_percent
from markupsafe import Markup

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal
    from zoneinfo import ZoneInfo

_DASH = Markup('<span class="quiet">–</span>')


@dataclass(frozen=True, slots=True)
class Formats:
    """``locale`` is Babel's name (``zh_CN``); ``now`` is business time."""

    locale: str
    zone: ZoneInfo
    now: datetime

    def number(self, value: Decimal | float | None, digits: int = 0) -> str | Markup:
        """Grouped in thousands, with at most ``digits`` decimals."""
        if value is None:
            return _DASH
        pattern = "#,##0" + ("." + "#" * digits if digits else "")
        return format_decimal(value, format=pattern, locale=self.locale)

    def exact(self, value: Decimal) -> str:
        """Every digit there is, grouped."""
        whole, _, rest = format(value, "f").partition(".")
        grouped = format_decimal(int(whole), format="#,##0", locale=self.locale)
        rest = rest.rstrip("0")
        return f"{grouped}.{rest}" if rest else grouped

    def money(self, value: Decimal | None, currency: str) -> str | Markup:
        """With its currency and two decimals."""
        if value is None:
            return _DASH
        return format_currency(value, currency, locale=self.locale)

    def percent(self, value: float) -> str:
        return format_percent(value, locale=self.locale)

    def cores(self, millis: int) -> str | Markup:
        """Thousandths of a core as cores."""
        return self.number(millis / 1000, 2)

    def gib(self, mib: int) -> str | Markup:
        """MiB as GiB."""
        return self.number(mib / 1024, 2)

    def absolute(self, moment: datetime) -> str:
        """Date and time to the minute, in the city's zone."""
        return format_datetime(moment.astimezone(self.zone), "yyyy-MM-dd HH:mm", locale=self.locale)

    def day(self, moment: datetime) -> str:
        return format_date(moment.astimezone(self.zone), "long", locale=self.locale)

    def relative(self, moment: datetime) -> str:
        """How long ago, or until."""
        distance = moment - self.now
        return format_timedelta(
            distance or timedelta(seconds=-1), add_direction=True, locale=self.locale
        )

    def ago(self, moment: datetime | None) -> Markup:
        """Relative to read; the absolute time on hover and in print."""
        if moment is None:
            return _DASH
        return self._tag(moment, self.relative(moment), self.absolute(moment))

    def at(self, moment: datetime | None) -> Markup:
        """Absolute to read; the relative time on hover."""
        if moment is None:
            return _DASH
        return self._tag(moment, self.absolute(moment), self.relative(moment), "plain")

    def span(self, start: datetime, end: datetime) -> Markup:
        """From when until when; the day is not said twice."""
        first, last = start.astimezone(self.zone), end.astimezone(self.zone)
        until = f"{last:%H:%M}" if first.date() == last.date() else self.absolute(last)
        return Markup('<time datetime="{}">{}</time> – <time datetime="{}">{}</time>').format(
            first.isoformat(timespec="seconds"),
            self.absolute(first),
            last.isoformat(timespec="seconds"),
            until,
        )

    def field(self, moment: datetime) -> str:
        """As a ``datetime-local`` field has it."""
        return f"{moment.astimezone(self.zone):%Y-%m-%dT%H:%M}"

    def _tag(self, moment: datetime, text: str, title: str, kind: str = "") -> Markup:
        return Markup('<time class="{}" datetime="{}" title="{}">{}</time>').format(
            kind, moment.astimezone(self.zone).isoformat(timespec="seconds"), title, text
        )
