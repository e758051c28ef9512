"""The usage ledger."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import ConfigDict

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.values import Id, Moment, View
from cloudmgr.identity.access import Action
from cloudmgr.interval import Interval
from cloudmgr.metering.measured.measuring import Gap, GapCharge, Reason
from cloudmgr.metering.queries import UsageFilter
from cloudmgr.metering.usage import UsageRecord

router = APIRouter(prefix="/api/v1/usage", tags=["usage"])

_KNOWN: dict[str, Any] = {
    "id": "0b7c1d2e3a4b5c6d",
    "source": "pool/pool_local-extranet",
    "resource": "env_0123456789abcdef/web/0/1",
    "environment_id": "env_0123456789abcdef",
    "system_id": "sys_0123456789abcdef",
    "department_id": "dep_0123456789abcdef",
    "zone": "extranet",
    "pool_id": "pool_local-extranet",
    "component": "web",
    "meter": "vcpu",
    "starts_at": "2026-06-30T08:00:00Z",
    "ends_at": "2026-06-30T09:00:00Z",
    "quantity": "900",
}


class UsageView(View):
    """So much of a meter over an interval, as observed, in the meter's base unit."""

    model_config = ConfigDict(json_schema_extra={"examples": [_KNOWN]})

    id: str
    source: str
    resource: str
    environment_id: str
    system_id: str
    department_id: str
    zone: str
    pool_id: str
    component: str
    meter: str
    starts_at: datetime
    ends_at: datetime
    quantity: str

    @classmethod
    def of(cls, record: UsageRecord) -> Self:
        return cls(
            id=record.id,
            source=record.source,
            resource=record.resource,
            environment_id=record.environment_id,
            system_id=record.system_id,
            department_id=record.department_id,
            zone=record.zone,
            pool_id=record.pool_id,
            component=record.component,
            meter=record.meter,
            starts_at=record.interval.start,
            ends_at=record.interval.end,
            quantity=format(record.quantity, "f"),
        )


_NOT_KNOWN: dict[str, Any] = {
    "id": "5f0a1b2c3d4e5f60",
    "source": "measured/pool_extranet-1",
    "resource": "3d1b3f0e-52a1-4b77-9c1d-0a6a3f7d1c01",
    "environment_id": "env_0123456789abcdef",
    "system_id": "sys_0123456789abcdef",
    "department_id": "dep_0123456789abcdef",
    "zone": "extranet",
    "pool_id": "pool_extranet-1",
    "component": "web",
    "meter": "vcpu-used",
    "starts_at": "2026-06-30T08:09:36Z",
    "ends_at": "2026-06-30T08:40:06Z",
    "held": "915",
    "reason": "silent",
    "charged": "nothing",
}


class GapView(View):
    """A time in which something ran and nobody knows what it used.

    ``held`` is what it held meanwhile, in the meter's base unit; ``charged`` says whether that was
    charged instead. ``reason``: Prometheus could not be asked (``unanswered``), had no sample of
    the whole pool (``silent``) or none of this replica (``unseen``), or its samples cannot be
    (``refused``).
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_NOT_KNOWN]})

    id: str
    source: str
    resource: str
    environment_id: str
    system_id: str
    department_id: str
    zone: str
    pool_id: str
    component: str
    meter: str
    starts_at: datetime
    ends_at: datetime
    held: str
    reason: Reason
    charged: GapCharge

    @classmethod
    def of(cls, gap: Gap) -> Self:
        owner = gap.owner
        return cls(
            id=gap.id,
            source=gap.source,
            resource=gap.resource,
            environment_id=owner.environment_id,
            system_id=owner.system_id,
            department_id=owner.department_id,
            zone=owner.zone,
            pool_id=owner.pool_id,
            component=gap.component,
            meter=gap.meter,
            starts_at=gap.interval.start,
            ends_at=gap.interval.end,
            held=format(gap.held, "f"),
            reason=gap.reason,
            charged=gap.charged,
        )


@router.get("", response_model=Page[UsageView], summary="List usage")
def list_usage(
    caller: Annotated[Caller, Access(Action.USAGE_READ)],
    paging: Paged,
    starts_at: Annotated[Moment, Query(description="Usage that starts at or after this.")],
    ends_at: Annotated[Moment, Query(description="Usage that starts before this.")],
    department_id: Annotated[Id | None, Query(description="Only this department's.")] = None,
    environment_id: Annotated[Id | None, Query(description="Only of this environment.")] = None,
    meter: Annotated[Id | None, Query(description="Only of this meter.")] = None,
) -> Page[UsageView]:
    """What the ledger has, in the order of time: cut at full hours, so the last one may lack."""
    services = caller.services
    wanted = UsageFilter(
        Interval(starts_at, ends_at),
        department_id=caller.confine(department_id),
        environment_id=environment_id,
        meter=meter,
    )
    with services.database.read() as tx:
        page = services.metering.ledger.page(
            tx, wanted, cursor=paging.after("usage"), limit=paging.limit
        )
    return paging.given("usage", page.records, page.cursor, UsageView.of)


@router.get("/gaps", response_model=Page[GapView], summary="List what was not measured")
def list_gaps(
    caller: Annotated[Caller, Access(Action.USAGE_READ)],
    paging: Paged,
    starts_at: Annotated[Moment, Query(description="Gaps that start at or after this.")],
    ends_at: Annotated[Moment, Query(description="Gaps that start before this.")],
    department_id: Annotated[Id | None, Query(description="Only this department's.")] = None,
    environment_id: Annotated[Id | None, Query(description="Only of this environment.")] = None,
    meter: Annotated[Id | None, Query(description="Only of this meter.")] = None,
) -> Page[GapView]:
    """What ran, and of which nobody knows what it really used; cut at full hours, as usage is."""
    services = caller.services
    wanted = UsageFilter(
        Interval(starts_at, ends_at),
        department_id=caller.confine(department_id),
        environment_id=environment_id,
        meter=meter,
    )
    with services.database.read() as tx:
        gaps = services.metering.gaps.list(tx, wanted, paging.after("gaps"), paging.fetch)
    return paging.page("gaps", gaps, lambda gap: gap.cursor, GapView.of)
