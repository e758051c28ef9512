"""What holds for the sleep of an environment: when it may, and how soon it is back."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter
from pydantic import Field

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.leads import LEAD, LeadView
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.routes.environments import ConditionView
from cloudmgr.api.values import View, example
from cloudmgr.api.waits import PoolState, WaitView, pool_state
from cloudmgr.billing.cost import SleepCost, cost_of_sleep
from cloudmgr.errors import Unpriced
from cloudmgr.identity.access import Action, may
from cloudmgr.scaling.wakes import Fate, Wake, WakeCause

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.policy.scaling_class import Hours
    from cloudmgr.scaling.contract import Contract

router = APIRouter(prefix="/api/v1/environments", tags=["environments"])


class HoursView(View):
    """Hours of the city's clock."""

    model_config = example(latest_wake="08:00", earliest_sleep="20:00")

    latest_wake: str | None = Field(
        description="Ready by then although nobody asks; null: it sleeps on until it is called."
    )
    earliest_sleep: str = Field(description="What is awake is not put to sleep before.")

    @classmethod
    def of(cls, hours: Hours | None) -> Self | None:
        if hours is None:
            return None
        wake = hours.latest_wake
        return cls(
            latest_wake=None if wake is None else f"{wake:%H:%M}",
            earliest_sleep=f"{hours.earliest_sleep:%H:%M}",
        )


_WAKE: dict[str, Any] = {
    "id": "wak_0123456789abcdef",
    "environment_id": "env_0123456789abcdef",
    "cause": "request",
    "asked_at": "2026-06-01T01:00:00Z",
    "promised_by": "2026-06-01T01:03:00Z",
    "ready_at": "2026-06-01T01:00:04Z",
    "ended_at": None,
    "fate": "kept",
    "begun_at": "2026-06-01T01:00:00Z",
    "actor": "waker",
    "why": "first request: GET /",
    "why_not": None,
    "ready_after_seconds": 4.0,
}


class WakeView(View):
    """One call out of sleep: when it was asked for, promised, and Ready."""

    model_config = example(**_WAKE)

    id: str
    environment_id: str
    cause: WakeCause = Field(
        description=(
            "A request, an order, a peak window, the hours of its class, one that needs it, "
            "a test, or other rules."
        )
    )
    asked_at: datetime
    promised_by: datetime
    ready_at: datetime | None
    ended_at: datetime | None = Field(
        description="When nothing called for it any more, without its having been ready."
    )
    begun_at: datetime | None = Field(
        description="When its pool was asked for its replicas; before that it waits."
    )
    fate: Fate = Field(
        description="waiting, late (not ready and ought to be), kept, missed, or dropped."
    )
    actor: str | None
    why: str | None
    why_not: str | None = Field(description="What was seen of one that ended without being ready.")
    ready_after_seconds: float | None = Field(description="From when it was asked for.")

    @classmethod
    def of(cls, wake: Wake, now: datetime) -> Self:
        return cls(
            id=wake.id,
            environment_id=wake.environment_id,
            cause=wake.cause,
            asked_at=wake.asked_at,
            promised_by=wake.promised_by,
            ready_at=wake.ready_at,
            ended_at=wake.ended_at,
            begun_at=wake.begun_at,
            fate=wake.fate(now),
            actor=wake.actor,
            why=wake.why,
            why_not=wake.why_not,
            ready_after_seconds=None
            if wake.ready_at is None
            else (wake.ready_at - wake.asked_at).total_seconds(),
        )


class SleepCostView(View):
    """What goes on costing while it sleeps, by what is seen to be held now."""

    model_config = example(storage_gib="20", addresses="0", month="4.38", currency="CNY")

    storage_gib: str
    addresses: str = Field(description="That its pool keeps for its replicas.")
    month: str = Field(description="730 hours of that, at the prices in force.")
    currency: str

    @classmethod
    def of(cls, cost: SleepCost) -> Self:
        return cls(
            storage_gib=f"{cost.storage_gib:f}",
            addresses=f"{cost.addresses:f}",
            month=f"{cost.month.amount:f}",
            currency=cost.month.currency,
        )


def sleep_cost(caller: Caller, tx: Connection, environment: Environment) -> SleepCost | None:
    """None for whoever may not see what things cost, and while something has no price."""
    services = caller.services
    if not may(caller.principal, Action.CHARGE_READ, environment.department_id):
        return None
    held = services.metering.holdings.unsettled(tx, environment_id=environment.id)
    try:
        return cost_of_sleep(held, services.books.tariff(), services.clock.now())
    except Unpriced:
        return None


class HibernationView(View):
    """The contract of its scaling class, and how the environment stands by it now."""

    model_config = example(
        scaling_class="office",
        idle_after_minutes=30,
        wake_within_minutes=3,
        lead=LEAD,
        time_zone="Asia/Shanghai",
        workdays={"latest_wake": "08:00", "earliest_sleep": "20:00"},
        other_days=None,
        asleep=False,
        held_until="2026-06-01T12:00:00Z",
        awake_until=None,
        wakes_at=None,
        asleep_costs={
            "storage_gib": "20",
            "addresses": "0",
            "month": "4.38",
            "currency": "CNY",
        },
        waits=None,
        pool="free",
        last_wake=_WAKE,
        woken={
            "type": "Woken",
            "status": "True",
            "reason": "WokenInTime",
            "message": "",
            "observed_generation": 3,
            "since": "2026-06-01T01:00:04Z",
        },
    )

    scaling_class: str
    idle_after_minutes: float | None = Field(description="Null: it never hibernates.")
    wake_within_minutes: float = Field(description="The promise: Ready so long after the call.")
    lead: LeadView
    time_zone: str
    workdays: HoursView | None = Field(description="Null: it may sleep at any hour.")
    other_days: HoursView | None
    asleep: bool
    held_until: datetime | None = Field(description="Not put to sleep before, by these hours.")
    awake_until: datetime | None = Field(description="Nor before this, since it was woken.")
    wakes_at: datetime | None = Field(
        description="When one that sleeps begins to wake, for these hours or for a peak."
    )
    asleep_costs: SleepCostView | None = Field(
        description="Null for whoever may not see costs, and where storage has no price."
    )
    waits: WaitView | None = Field(
        description="What a wake that was called for waits for; null when none waits."
    )
    pool: PoolState = Field(
        description="Whether its pool has room for one (more) replica, or does not answer."
    )
    last_wake: WakeView | None = Field(description="Or the one that is under way.")
    woken: ConditionView | None = Field(
        description="Whether it keeps its promise: False is a missed wake, Unknown one to come."
    )

    @classmethod
    def of(
        cls,
        contract: Contract,
        time_zone: str,
        now: datetime,
        cost: SleepCost | None,
        pool: PoolState,
    ) -> Self:
        kind = contract.scaling_class
        idle_after = kind.idle_after
        return cls(
            scaling_class=kind.name,
            idle_after_minutes=None if idle_after is None else idle_after.total_seconds() / 60,
            wake_within_minutes=kind.wake_within.total_seconds() / 60,
            lead=LeadView.of(contract.lead),
            time_zone=time_zone,
            workdays=HoursView.of(kind.workdays),
            other_days=HoursView.of(kind.other_days),
            asleep=contract.asleep,
            held_until=contract.held_until,
            awake_until=contract.awake_until,
            wakes_at=contract.wakes_at,
            asleep_costs=None if cost is None else SleepCostView.of(cost),
            waits=WaitView.of_turn(contract.turn),
            pool=pool,
            last_wake=None if contract.wake is None else WakeView.of(contract.wake, now),
            woken=None if contract.condition is None else ConditionView.of(contract.condition),
        )


@router.get(
    "/{environment_id}/hibernation",
    response_model=HibernationView,
    summary="When it may sleep, and how soon it is back",
)
def get_hibernation(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_READ)],
    environment_id: str,
) -> HibernationView:
    """By its scaling class in the policies in force."""
    services = caller.services
    with services.database.read() as tx:
        environment = services.environments.get(tx, environment_id)
        caller.require(environment.department_id)
        contract = services.scaling.contract(tx, environment_id)
        cost = sleep_cost(caller, tx, environment)
        pool = pool_state(services, tx, environment)
    return HibernationView.of(contract, services.time_zone.key, services.clock.now(), cost, pool)


@router.get(
    "/{environment_id}/wakes",
    response_model=Page[WakeView],
    summary="Each wake, what was promised, and whether it was kept",
)
def list_wakes(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_READ)],
    environment_id: str,
    paging: Paged,
) -> Page[WakeView]:
    """The newest first."""
    services = caller.services
    with services.database.read() as tx:
        caller.require(services.environments.get(tx, environment_id).department_id)
        found = services.wakes.list(
            tx, environment_id, after=paging.after("wakes"), limit=paging.fetch
        )
    now = services.clock.now()
    return paging.page("wakes", found, lambda w: w.id, lambda w: WakeView.of(w, now))
