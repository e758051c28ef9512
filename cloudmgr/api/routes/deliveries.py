"""Deliveries of notices: what was sent where, what did not arrive, and a test of all targets."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.values import Id, View, example
from cloudmgr.identity.access import Action
from cloudmgr.notices.delivery import State

if TYPE_CHECKING:
    from cloudmgr.notices.delivery import Delivery

router = APIRouter(prefix="/api/v1/notice-deliveries", tags=["notices"])


class DeliveryView(View):
    """One notice on its way to one target."""

    model_config = example(
        notice_id="ntc_0123456789abcdef",
        target="tgt-0a1b2c3d",
        state="waiting",
        tries=2,
        next_try_at="2026-06-01T00:04:00Z",
        ended_at=None,
        reason="Failed to send JSON POST notification: error=503.",
    )

    notice_id: str
    target: str = Field(description="A target's id, or `mail:` and a user's.")
    state: State
    tries: int
    next_try_at: datetime | None = Field(description="By the machine's clock; null once over.")
    ended_at: datetime | None = Field(description="When it was sent or given up.")
    reason: str = Field(description="Why the last try failed; without the target's secrets.")


class TargetView(View):
    """Where operators are told."""

    model_config = example(id="tgt-0a1b2c3d", shown="JSON hooks.example.gov.cn")

    id: str
    shown: str = Field(description="Which it is, without its secrets.")


class TargetsView(View):
    """Where people are told, beside the pages."""

    model_config = example(
        targets=[{"id": "tgt-0a1b2c3d", "shown": "JSON hooks.example.gov.cn"}], mail=True
    )

    targets: tuple[TargetView, ...]
    mail: bool = Field(description="Whether officers can be mailed.")


class TestedTargetView(TargetView):
    """How a test of a target went."""

    model_config = example(id="tgt-0a1b2c3d", shown="JSON hooks.example.gov.cn", failure=None)

    failure: str | None = Field(description="Why it did not arrive; null if it did.")


class TargetsTestView(View):
    """How a test of all targets went."""

    model_config = example(
        tried=[{"id": "tgt-0a1b2c3d", "shown": "JSON hooks.example.gov.cn", "failure": None}]
    )

    tried: tuple[TestedTargetView, ...]


@router.get("", response_model=Page[DeliveryView], summary="List what was sent where")
def list_notice_deliveries(
    caller: Annotated[Caller, Access(Action.DELIVERY_READ)],
    paging: Paged,
    state: Annotated[State | None, Query(description="That stand so.")] = None,
    notice_id: Annotated[Id | None, Query(description="Of this notice.")] = None,
) -> Page[DeliveryView]:
    """The newest first."""
    services = caller.services
    caller.confine()
    with services.database.read() as tx:
        rows = services.deliveries.list(
            tx,
            state=state,
            notice_id=notice_id,
            before=paging.after_number("notice-deliveries"),
            limit=paging.fetch,
        )
    return paging.page("notice-deliveries", rows, lambda row: row.number, _view)


@router.get("/targets", response_model=TargetsView, summary="Where people are told")
def get_notice_targets(
    caller: Annotated[Caller, Access(Action.DELIVERY_READ)],
) -> TargetsView:
    """As the control plane was started with them."""
    told = caller.services.noticing
    return TargetsView(
        targets=tuple(TargetView(id=one.id, shown=one.shown) for one in told.targets),
        mail=told.mails,
    )


@router.post("/test", response_model=TargetsTestView, summary="Send a test to every target")
def try_notice_targets(
    caller: Annotated[Caller, Access(Action.DELIVERY_TEST)],
) -> TargetsTestView:
    """Now, and waits until each has answered or a minute is over."""
    services = caller.services
    found = services.noticing.test()
    with services.database.write() as tx:
        caller.record(
            tx,
            "notice.test",
            object_kind="notice",
            object_id="targets",
            department_id=None,
            detail={"failed": [target.id for target, failure in found if failure is not None]},
        )
    return TargetsTestView(
        tried=tuple(
            TestedTargetView(id=target.id, shown=target.shown, failure=failure)
            for target, failure in found
        )
    )


def _view(one: Delivery) -> DeliveryView:
    return DeliveryView(
        notice_id=one.notice_id,
        target=one.target,
        state=one.state,
        tries=one.tries,
        next_try_at=one.next_try_at,
        ended_at=one.ended_at,
        reason=one.reason,
    )
