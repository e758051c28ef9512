"""What holds for the sleep of an environment: when it may, and how soon it is back."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

from fastapi import APIRouter
from pydantic import Field

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.values import View, example
from cloudmgr.identity.access import Action

if TYPE_CHECKING:
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


class HibernationView(View):
    """The contract of its scaling class, and how the environment stands by it now."""

    model_config = example(
        scaling_class="office",
        idle_after_minutes=30,
        wake_within_minutes=3,
        time_zone="Asia/Shanghai",
        workdays={"latest_wake": "08:00", "earliest_sleep": "20:00"},
        other_days=None,
        asleep=False,
        held_until="2026-06-01T12:00:00Z",
        awake_until=None,
        wakes_at=None,
    )

    scaling_class: str
    idle_after_minutes: float | None = Field(description="Null: it never hibernates.")
    wake_within_minutes: float = Field(description="The promise: Ready so long after the call.")
    time_zone: str
    workdays: HoursView | None = Field(description="Null: it may sleep at any hour.")
    other_days: HoursView | None
    asleep: bool
    held_until: datetime | None = Field(description="Not put to sleep before, by these hours.")
    awake_until: datetime | None = Field(description="Nor before this, since it was woken.")
    wakes_at: datetime | None = Field(
        description="When one that sleeps begins to wake, for these hours or for a peak."
    )

    @classmethod
    def of(cls, contract: Contract, time_zone: str) -> Self:
        kind = contract.scaling_class
        idle_after = kind.idle_after
        return cls(
            scaling_class=kind.name,
            idle_after_minutes=None if idle_after is None else idle_after.total_seconds() / 60,
            wake_within_minutes=kind.wake_within.total_seconds() / 60,
            time_zone=time_zone,
            workdays=HoursView.of(kind.workdays),
            other_days=HoursView.of(kind.other_days),
            asleep=contract.asleep,
            held_until=contract.held_until,
            awake_until=contract.awake_until,
            wakes_at=contract.wakes_at,
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
        caller.require(services.environments.get(tx, environment_id).department_id)
        contract = services.scaling.contract(tx, environment_id)
    return HibernationView.of(contract, services.time_zone.key)
