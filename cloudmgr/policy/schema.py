"""The shape of each policy file. Strict: no unknown key, no value turned into another."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, time
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
)

from cloudmgr.policy.facts import describe
from cloudmgr.policy.not_counted import said_by_browsers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudmgr.policy.documents import Document
    from cloudmgr.policy.problem import Problem

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


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CaseText(_Strict):
    """Facts of which the rule is, or is not, true. What is left out is empty."""

    name: Title
    fires: bool
    facts: Facts


class RuleText(_Strict):
    """A rule. In admission.yaml and placement.yaml it refuses what it is true of."""

    id: RuleId
    zh: Chinese
    en: English
    when: Condition
    cases: list[CaseText] = Field(default_factory=list)


class SignaturesText(_Strict):
    """How many different persons of a role must sign."""

    role: Role
    count: Count = 1


class ApprovalRuleText(RuleText):
    """Who signs what the rule is true of; an empty list: nobody needs to."""

    require: list[SignaturesText]


class OtherwiseText(_Strict):
    """Who signs what no approval rule is true of."""

    id: RuleId
    zh: Chinese
    en: English
    require: list[SignaturesText] = Field(min_length=1)


class ScalingRuleText(RuleText):
    """The class of the environments of which the rule is true."""

    scaling_class: Name = Field(alias="class")


class RequestScenario(_Strict):
    """A whole request, and what all of admission and approvals together make of it."""

    name: Title
    facts: Facts
    outcome: Literal["allow", "deny", "needs-approval"]
    fired: list[RuleId] | None = None
    steps: dict[Role, Count] | None = None


class PlacementScenario(_Strict):
    """A whole placement, and what all of its rules together make of it."""

    name: Title
    facts: Facts
    outcome: Literal["allow", "deny"]
    fired: list[RuleId] | None = None


class ScalingScenario(_Strict):
    """An environment, and the class that it gets."""

    name: Title
    facts: Facts
    scaling_class: Name = Field(alias="class")


class AdmissionFile(_Strict):
    """``admission.yaml``: what is refused, whoever asks."""

    rules: list[RuleText] = Field(min_length=1)
    scenarios: list[RequestScenario] = Field(default_factory=list)


class ApprovalsFile(_Strict):
    """``approvals.yaml``: who must agree, in the order of ``chain``."""

    chain: list[Role] = Field(min_length=1)
    otherwise: OtherwiseText
    rules: list[ApprovalRuleText] = Field(min_length=1)
    scenarios: list[RequestScenario] = Field(default_factory=list)


class PlacementFile(_Strict):
    """``placement.yaml``: which pools an environment may not lie on."""

    rules: list[RuleText] = Field(min_length=1)
    scenarios: list[PlacementScenario] = Field(default_factory=list)


class HoursText(_Strict):
    """Hours of the day in the city's time."""

    latest_wake: TimeOfDay | None = None
    earliest_sleep: TimeOfDay


class ScalingClassText(_Strict):
    """Times in minutes; ``idle_after_minutes: null`` means never hibernated."""

    zh: Chinese
    en: English
    lead_time_minutes: Minutes
    idle_after_minutes: Annotated[int, Field(ge=1, le=10_080)] | None
    target_in_flight: PositiveText
    scale_down_after_minutes: Minutes
    wake_replicas: Annotated[int, Field(ge=1, le=100)]
    reserve_minutes: Annotated[int, Field(ge=0, le=10_080)] = 0
    scaled_by: Literal["cloudmgr", "pool"] = "cloudmgr"
    on_drift: Literal["correct", "leave"] = "correct"
    wake_within_minutes: Annotated[int, Field(ge=1, le=120)] = 3
    requests_per_user_minute: PositiveText = Decimal(6)
    after_needs_minutes: Annotated[int, Field(ge=0, le=120)] = 5
    workdays: HoursText | None = None
    other_days: HoursText | None = None


class NotCountedText(_Strict):
    """Whose requests neither keep awake nor wake."""

    user_agents: Annotated[list[UserAgent], Field(max_length=50)] = Field(default_factory=list)
    paths: Annotated[list[ExactPath], Field(max_length=50)] = Field(default_factory=list)


class WakingText(_Strict):
    """How environments wake, of whatever class."""

    at_once: Annotated[int, Field(ge=1, le=1000)] = 20
    ahead_minutes: Annotated[int, Field(ge=0, le=1440)] = 120
    test_every_days: Annotated[int, Field(ge=1, le=366)] | None = 30
    tests_from: TimeOfDay = time(1)
    tests_until: TimeOfDay = time(5)


class ScalingFile(_Strict):
    """``scaling.yaml``: the classes, and the first rule that fires chooses one."""

    not_counted: NotCountedText = Field(default_factory=NotCountedText)
    waking: WakingText = Field(default_factory=WakingText)

    classes: dict[Name, ScalingClassText] = Field(min_length=1)
    default: Name
    rules: list[ScalingRuleText] = Field(default_factory=list)
    scenarios: list[ScalingScenario] = Field(default_factory=list)


class RateText(_Strict):
    """A unit price: of a vCPU-hour, a GiB-hour, 1000 requests."""

    meter: MeterName
    zone: ZoneName | None = None
    unit_price: PriceText


class GenerationText(_Strict):
    """Prices in force from a day (or an instant with its offset) on."""

    valid_from: str
    note: Title | None = None
    rates: list[RateText] = Field(min_length=1)


class PricesFile(_Strict):
    """``prices.yaml``: days begin at midnight of ``time_zone``."""

    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    time_zone: str
    gaps: Literal["nothing", "held"] = "nothing"
    generations: list[GenerationText] = Field(min_length=1)


class HolidayText(_Strict):
    """Days off, both ends included, and the weekend days worked in exchange."""

    zh: Chinese
    en: English
    first: Day
    last: Day
    working: list[Day] = Field(default_factory=list)


class YearText(_Strict):
    """The statutory table of one year and where it was published."""

    year: Annotated[int, Field(ge=2000, le=2200)]
    source: Title
    holidays: list[HolidayText] = Field(min_length=1)


class HolidaysFile(_Strict):
    """``holidays.yaml``: the country, and years whose table stands here."""

    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    years: list[YearText] = Field(default_factory=list)


class ServiceText(_Strict):
    """A shared service: outside of the pools, or a component of an environment hosted here."""

    name: Label
    zh: Chinese
    en: English
    zone: ZoneName
    departments: Annotated[list[DepartmentCode], Field(min_length=1)] | None = None
    host: Annotated[str, StringConstraints(min_length=1, max_length=253)] | None = None
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    addresses: Annotated[list[str], Field(min_length=1, max_length=50)] | None = None
    environment: HostLabel | None = None
    component: Label | None = None


class ServicesFile(_Strict):
    """``services.yaml``: what components may be bound to; there may be none."""

    services: list[ServiceText]


FILES: dict[str, type[_Strict]] = {
    "admission.yaml": AdmissionFile,
    "approvals.yaml": ApprovalsFile,
    "placement.yaml": PlacementFile,
    "scaling.yaml": ScalingFile,
    "prices.yaml": PricesFile,
    "holidays.yaml": HolidaysFile,
    "services.yaml": ServicesFile,
}


def validate(document: Document) -> tuple[_Strict | None, list[Problem]]:
    """The document in the shape of its file, or None and every way in which it differs."""
    try:
        return FILES[document.file].model_validate(document.content), []
    except ValidationError as error:
        return None, list(_problems(document, error))


def _problems(document: Document, error: ValidationError) -> Iterator[Problem]:
    for fault in error.errors(include_url=False):
        # "[key]" is pydantic's mark for a key that is wrong itself.
        path = tuple(part for part in fault["loc"] if part != "[key]")
        kind, given = fault["type"], fault["input"]
        if kind == "missing":
            message = "it is missing"
        elif kind == "extra_forbidden":
            message = "there is no such key here"
        elif kind == "value_error":
            message = str(fault["ctx"]["error"])
        elif kind == "string_pattern_mismatch":
            pattern = fault["ctx"]["pattern"]
            message = f"{str(given)[:60]!r} is not of the form {pattern}"
        elif kind.endswith("_type"):
            wanted = _WANTED.get(kind, fault["msg"])
            message = f"it must be {wanted}, not {describe(given)}"
        elif kind == "literal_error":
            message = f"{str(given)[:60]!r} is none of {fault['ctx']['expected']}"
        else:
            message = fault["msg"][:1].lower() + fault["msg"][1:]
        yield document.problem(path, message)


_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
