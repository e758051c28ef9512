"""The shape of each policy file. Strict: no unknown key, no value turned into another."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from cloudmgr.policy.facts import describe
from cloudmgr.policy.texts import (
    Chinese,
    Condition,
    Count,
    Day,
    DepartmentCode,
    English,
    ExactPath,
    Facts,
    HostLabel,
    Label,
    MeterName,
    Minutes,
    Name,
    PositiveText,
    PriceText,
    Role,
    RuleId,
    TimeOfDay,
    Title,
    UserAgent,
    ZoneName,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudmgr.policy.documents import Document
    from cloudmgr.policy.problem import Problem


HeldName = Literal["vcpu", "memory", "storage"]
IdleRuleName = Literal["allocation", "reservation", "peak", "uniform", "centre"]


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
    freeze_hours: Annotated[int, Field(ge=0, le=744)] | None = None
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


class LeadText(_Strict):
    """How lead times come of measured start-ups, of whatever class."""

    measured_from: Annotated[int, Field(ge=1, le=100)] = 3
    newest: Annotated[int, Field(ge=1, le=100)] = 20
    percent: Annotated[int, Field(ge=50, le=100)] = 95
    margin_percent: Annotated[int, Field(ge=0, le=300)] = 25
    at_most_minutes: Annotated[int, Field(ge=1, le=1440)] = 240


class RehearsalsText(_Strict):
    """How far a rehearsal may go, whoever orders it."""

    most_minutes: Annotated[int, Field(ge=1, le=240)] = 30
    most_per_second: Annotated[int, Field(ge=1, le=1000)] = 50
    most_failures_percent: Annotated[int, Field(ge=0, le=50)] = 5


class ScalingFile(_Strict):
    """``scaling.yaml``: the classes, and the first rule that fires chooses one."""

    not_counted: NotCountedText = Field(default_factory=NotCountedText)
    waking: WakingText = Field(default_factory=WakingText)
    rehearsals: RehearsalsText = Field(default_factory=RehearsalsText)
    book_ahead_days: Annotated[int, Field(ge=1, le=1100)] = 396
    lead: LeadText = Field(default_factory=LeadText)

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


def _weights() -> dict[HeldName, int]:
    return {"vcpu": 4, "memory": 1}


class IdleText(_Strict):
    """Who bears what pools cost and usage did not pay for; pools are named as they are called."""

    statement: Literal["shown"] = "shown"
    by: IdleRuleName = "allocation"
    pools: dict[Title, IdleRuleName] = Field(default_factory=dict)
    weights: dict[HeldName, Annotated[int, Field(ge=0, le=10_000)]] = Field(
        default_factory=_weights
    )


_Percent = Annotated[int, Field(strict=True, ge=1, le=1000)]
_Lines = Annotated[list[_Percent], Field(max_length=20)]


class BudgetsText(_Strict):
    """At how much of a budget, in percent, somebody is told; an empty list: never."""

    used: _Lines = Field(default_factory=lambda: [80, 100])
    projected: _Lines = Field(default_factory=lambda: [100])


class PricesFile(_Strict):
    """``prices.yaml``: days begin at midnight of ``time_zone``."""

    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    time_zone: str
    gaps: Literal["nothing", "held"] = "nothing"
    idle: IdleText = Field(default_factory=IdleText)
    budgets: BudgetsText = Field(default_factory=BudgetsText)
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
