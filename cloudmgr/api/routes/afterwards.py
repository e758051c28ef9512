"""What came of an announced peak that is over."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter
from pydantic import Field

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.values import View, example
from cloudmgr.errors import NotFound
from cloudmgr.identity.access import Action
from cloudmgr.interval import Interval
from cloudmgr.metering.meters import VCPU
from cloudmgr.scaling.afterwards import BEFORE, Afterwards, check_over, look_back
from cloudmgr.scaling.afterwards_words import said
from cloudmgr.scaling.demand import begin

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.policy.scaling_class import ScalingClass
    from cloudmgr.scaling.windows import PeakWindow

router = APIRouter(prefix="/api/v1/windows", tags=["windows"])

_HELD: dict[str, Any] = {"at": "2027-06-30T07:50:00Z", "replicas": 6}
_ASKED: dict[str, Any] = {
    "requests": 1240000,
    "highest_replicas": 5.2,
    "highest_at": "2027-06-30T08:05:00Z",
    "mean_replicas": 3.4,
    "unmet_replica_seconds": 0.0,
    "unmet_share": 0.0,
}


class HeldView(View):
    """So many replicas were held from then on."""

    model_config = example(**_HELD)

    at: datetime
    replicas: int


class AskedView(View):
    """What was asked for while it lasted, in replicas by what one is to carry."""

    model_config = example(**_ASKED)

    requests: int
    highest_replicas: float
    highest_at: datetime
    mean_replicas: float
    unmet_replica_seconds: float = Field(description="Asked for beyond what ran.")
    unmet_share: float = Field(description="The same as a share of all that was asked, 0 to 1.")


class AfterwardsView(View):
    """What was promised, what ran, what was asked for, and what would do next time."""

    model_config = example(
        window_id="win_0123456789abcdef",
        promised=6,
        held=[_HELD],
        there_since="2027-06-30T07:50:00Z",
        minutes_early=10.0,
        least=6,
        minutes_short=0.0,
        asked=_ASKED,
        minutes_uncounted=0.0,
        advice=6,
        zh="承诺的 6 个副本提前 10 分钟到齐；共 1,240,000 次请求，最高时需要 5.2 个副本，"
        "平均 3.4 个；下次仍按此数预约即可",
        en="the 6 replicas that were promised were there 10 min early; 1,240,000 requests asked "
        "for 5.2 replicas at the highest, 3.4 on average; the same size would do next time",
    )

    window_id: str
    promised: int
    held: list[HeldView] = Field(description="From a day before it began until its end.")
    there_since: datetime | None
    minutes_early: float | None = Field(description="Negative when late; null: never all there.")
    least: int
    minutes_short: float
    asked: AskedView | None = Field(description="Null where nobody counted.")
    minutes_uncounted: float
    advice: int | None
    zh: str
    en: str

    @classmethod
    def of(cls, found: Afterwards) -> Self:
        zh, en = said(found)
        asked, early = found.asked, found.early
        return cls(
            window_id=found.window.id,
            promised=found.window.replicas,
            held=[HeldView(at=at, replicas=count) for at, count in found.held],
            there_since=found.there_since,
            minutes_early=None if early is None else early.total_seconds() / 60,
            least=found.least,
            minutes_short=found.short.total_seconds() / 60,
            asked=None
            if asked is None
            else AskedView(
                requests=asked.requests,
                highest_replicas=round(asked.highest, 3),
                highest_at=asked.at,
                mean_replicas=round(asked.mean, 3),
                unmet_replica_seconds=round(asked.unmet, 3),
                unmet_share=round(asked.share, 6),
            ),
            minutes_uncounted=found.uncounted.total_seconds() / 60,
            advice=found.advice,
            zh=zh,
            en=en,
        )


def looked_back(caller: Caller, tx: Connection, window: PeakWindow) -> Afterwards:
    """:raises Conflict: ``not-over``, ``window-cancelled``.

    :raises NotFound: its environment is gone, and whose it was.
    """
    services = caller.services
    try:
        environment = services.environments.get(tx, window.environment_id)
    except NotFound:
        # Whose it was is not known any more: it is the city's.
        caller.require(None)
        raise
    caller.require(environment.department_id)
    check_over(window, services.clock.now())
    lasted = window.interval
    runs = services.metering.holdings.of_component(
        tx,
        environment.id,
        window.component,
        VCPU.name,
        Interval(lasted.start - BEFORE, lasted.end),
    )
    web, demand = environment.web, None
    if web is not None and web.name == window.component:
        over = Interval(begin(lasted.start), lasted.end)
        demand = (
            services.demand.of(tx, environment.id, over),
            services.demand.gaps(tx, environment.zone.value, over),
        )
    return look_back(
        window,
        [(run.started_at, run.ended_at) for run in runs],
        demand,
        float(scaling_class_of(caller, environment).target_in_flight),
    )


def scaling_class_of(caller: Caller, environment: Environment) -> ScalingClass:
    """Its class as policy has it now; the usual one where policy has it no more."""
    policy = caller.services.policies.current
    usual = policy.scaling_classes[policy.scaling_default]
    return policy.scaling_classes.get(environment.scaling_class, usual)


@router.get(
    "/{window_id}/afterwards",
    response_model=AfterwardsView,
    summary="Look back on a peak that is over",
)
def get_afterwards(
    caller: Annotated[Caller, Access(Action.WINDOW_READ)], window_id: str
) -> AfterwardsView:
    """Planned against actual: what ran and when, what was asked for, what would do next time."""
    with caller.services.database.read() as tx:
        window = caller.services.windows.get(tx, window_id)
        return AfterwardsView.of(looked_back(caller, tx, window))
