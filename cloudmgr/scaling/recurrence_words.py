"""A recurrence in the words of the people who announced it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cloudmgr.scaling.recurrence import About, Every, Hours, Moon, Once, Yearly

if TYPE_CHECKING:
    from datetime import date

    from cloudmgr.scaling.recurrence import Anchor, Recurrence

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_LUNAR_MONTHS = ("正", "二", "三", "四", "五", "六", "七", "八", "九", "十", "冬", "腊")
_DIGITS = ("", "一", "二", "三", "四", "五", "六", "七", "八", "九", "十")
# Fewer are named one by one.
_NAMED = 3


def described(recurrence: Recurrence, language: Literal["zh", "en"]) -> str:
    """``每年6月30日前5个工作日，每天 09:00–17:00``, or the same in English."""
    if language == "zh":
        days = _about_zh(_anchor_zh(recurrence.anchor), recurrence.about)
        return f"{days}，{_hours_zh(recurrence.hours)}"
    days = _about_en(_anchor_en(recurrence.anchor), recurrence.about)
    return f"{days}, {_hours_en(recurrence.hours)}"


def _anchor_zh(anchor: Anchor) -> str:
    match anchor:
        case Yearly(month, day):
            return f"每年{month}月{day}日"
        case Moon(month, day):
            return f"每年农历{_LUNAR_MONTHS[month - 1]}月{_lunar_day(day)}"
        case Every(rule, since):
            return f"自{since}起按 {rule}"
        case Once(days):
            return _some(days, "、", "等{}天")


def _anchor_en(anchor: Anchor) -> str:
    match anchor:
        case Yearly(month, day):
            return f"{day} {_MONTHS[month - 1]} of each year"
        case Moon(month, day):
            return f"day {day} of month {month} of each lunar year"
        case Every(rule, since):
            return f"{rule} from {since} on"
        case Once(days):
            return _some(days, ", ", " and so on, {} days")


def _some(days: tuple[date, ...], comma: str, more: str) -> str:
    shown = comma.join(day.isoformat() for day in sorted(days)[:_NAMED])
    return shown if len(days) <= _NAMED else shown + more.format(len(days))


def _about_zh(anchor: str, about: About) -> str:
    unit = "个工作日" if about.workdays else "天"
    parts = [f"{side}{count}{unit}" for side, count in _sides(about, "前", "后")]
    if not parts:
        return f"{anchor}（如为工作日）" if about.workdays else anchor
    itself = "（含当日）" if about.itself else "（不含当日）"
    return f"{anchor}{'及'.join(parts)}{itself}"


def _about_en(anchor: str, about: About) -> str:
    unit = "working day" if about.workdays else "day"
    parts = [
        f"the {count} {unit}s {side}" if count > 1 else f"the {unit} {side}"
        for side, count in _sides(about, "before", "after")
    ]
    if not parts:
        return f"{anchor}, if it is a working day" if about.workdays else anchor
    itself = ", and that day" if about.itself else ""
    return f"{' and '.join(parts)} {anchor}{itself}"


def _sides(about: About, before: str, after: str) -> list[tuple[str, int]]:
    return [(side, n) for side, n in ((before, about.before), (after, about.after)) if n]


def _hours_zh(hours: Hours) -> str:
    if hours.opens == hours.closes and hours.each_day:
        return "全天" if not hours.opens.hour else f"自 {hours.opens:%H:%M} 起 24 小时"
    close = f"{'' if hours.closes > hours.opens else '次日 '}{hours.closes:%H:%M}"
    if hours.each_day:
        return f"每天 {hours.opens:%H:%M}–{close}"
    return f"自首日 {hours.opens:%H:%M} 至末日 {close}"


def _hours_en(hours: Hours) -> str:
    if hours.opens == hours.closes and hours.each_day:
        return "all day" if not hours.opens.hour else f"24 hours from {hours.opens:%H:%M}"
    close = f"{hours.closes:%H:%M}{'' if hours.closes > hours.opens else ' of the next day'}"
    if hours.each_day:
        return f"{hours.opens:%H:%M} to {close} each day"
    return f"from {hours.opens:%H:%M} of the first to {close} of the last"


def _lunar_day(day: int) -> str:
    match divmod(day, 10):
        case 0, ones:
            return f"初{_DIGITS[ones]}"
        case 1, 0:
            return "初十"
        case 1, ones:
            return f"十{_DIGITS[ones]}"
        case 2, 0:
            return "二十"
        case 2, ones:
            return f"廿{_DIGITS[ones]}"
        case _:
            return "三十"
