"""What a value of a policy file may be, one by one: texts, amounts, days and times."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, time
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, StringConstraints

from cloudmgr.policy.facts import describe
from cloudmgr.policy.not_counted import said_by_browsers

_PRICE = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,18})?")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def _sentence(text: str) -> str:
    if any(unicodedata.category(letter)[0] == "C" for letter in text):
        raise ValueError("it contains a control character")
    return text


def _chinese(text: str) -> str:
    if not _CHINESE.search(text):
        raise ValueError("it has no Chinese character")
    return _sentence(text)


def _english(text: str) -> str:
    if _CHINESE.search(text):
        raise ValueError("it has Chinese characters: they belong under zh")
    return _sentence(text)


def _price(value: object) -> Decimal:
    if not isinstance(value, str):
        raise ValueError(f"it must be quoted text such as '0.35', not {describe(value)}")  # noqa: TRY004 - pydantic collects these
    if not _PRICE.fullmatch(value):
        raise ValueError(
            f"{value[:40]!r} is not an amount: at most 9 digits before and 18 after the point"
        )
    price = Decimal(value)
    if price < 0:
        raise ValueError(f"{value} is negative")
    return price


def _positive(value: object) -> Decimal:
    price = _price(value)
    if not price:
        raise ValueError("it must be more than 0")
    return price


def _day(value: object) -> date:
    try:
        if isinstance(value, str) and len(value) == 10:
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError(f"{value!r} is not a day such as 2026-01-31")


def _time_of_day(value: object) -> time:
    if isinstance(value, str) and _TIME.fullmatch(value):
        return time.fromisoformat(value)
    raise ValueError(f"{value!r} is not a quoted time of the day such as '08:00'")


def _no_browser(text: str) -> str:
    if said_by_browsers(text):
        raise ValueError(f"{text!r} is what people's browsers say of themselves, too")
    return text


RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=80)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_sentence)]
Chinese = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_chinese)]
English = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_english)]
Condition = Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
Role = Literal["approver", "operator", "finance", "administrator"]
Count = Annotated[int, Field(ge=1, le=5)]
MeterName = Literal["vcpu", "memory", "storage", "requests", "vcpu-used", "memory-used", "address"]
ZoneName = Literal["intranet", "extranet"]
Minutes = Annotated[int, Field(ge=0, le=10_080)]
PriceText = Annotated[Decimal, PlainValidator(_price)]
PositiveText = Annotated[Decimal, PlainValidator(_positive)]
Day = Annotated[date, PlainValidator(_day)]
TimeOfDay = Annotated[time, PlainValidator(_time_of_day)]
Facts = dict[str, Any]
Label = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$", max_length=40)]
HostLabel = Annotated[
    str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$", max_length=63)
]
# What stands in a rule of the gateway, between marks of its own.
UserAgent = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/+:;()-]*$", min_length=3, max_length=60),
    AfterValidator(_no_browser),
]
ExactPath = Annotated[
    str, StringConstraints(pattern=r"^/[A-Za-z0-9._~!$&'()*+,;=:@/-]+$", max_length=200)
]
DepartmentCode = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
