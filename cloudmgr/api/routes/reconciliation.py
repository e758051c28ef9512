"""Our server-hours held against those that a pool's own accounting has."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.values import Moment, View
from cloudmgr.errors import Conflict, NotFound
from cloudmgr.identity.access import Action
from cloudmgr.interval import Interval, month
from cloudmgr.metering.collector import pool_source
from cloudmgr.metering.reconciliation import EXPLANATIONS, METERS, Kind, reconcile, runs
from cloudmgr.pools.drivers.besides import Accounted

if TYPE_CHECKING:
    from cloudmgr.metering.reconciliation import (
        Difference,
        EnvironmentLine,
        Reconciliation,
        ServerLine,
    )

router = APIRouter(prefix="/api/v1/pools", tags=["pools"])

_DIFFERENCE: dict[str, Any] = {
    "kind": "asleep",
    "seconds": "36000",
    "first": "2026-06-01T10:00:00Z",
    "last": "2026-06-01T20:00:00Z",
    "times": 1,
    "explanation": EXPLANATIONS[Kind.ASLEEP],
}
_SERVER: dict[str, Any] = {
    "server_id": "3d1b3f0e-52a1-4b77-9c1d-0a6a3f7d1c01",
    "name": "web-0-1a2b3c4d",
    "component": "web",
    "state": "shelved_offloaded",
    "our_seconds": "7200",
    "their_seconds": "43200",
    "difference_seconds": "36000",
    "explained": True,
    "differences": [_DIFFERENCE],
}
_ENVIRONMENT: dict[str, Any] = {
    "environment_id": "env_0123456789abcdef",
    "our_seconds": "7200",
    "their_seconds": "43200",
    "difference_seconds": "36000",
    "explained": True,
    "servers": [_SERVER],
}


class DifferenceView(View):
    """What the pool counts and we do not, or, below zero, the other way round; and why.

    Of all pieces of one kind: ``times`` of them, between ``first`` and ``last``. ``unexplained``
    and ``size`` are to be looked into; every other kind is in order.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_DIFFERENCE]})

    kind: Kind
    seconds: str
    first: datetime
    last: datetime
    times: int
    explanation: str

    @classmethod
    def of(cls, one: Difference) -> Self:
        return cls(
            kind=one.kind,
            seconds=format(one.seconds, "f"),
            first=one.first,
            last=one.last,
            times=one.times,
            explanation=EXPLANATIONS[one.kind],
        )


class ServerLineView(View):
    """One server; ``name`` and ``state`` are the pool's words, empty where it does not know it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SERVER]})

    server_id: str
    name: str
    component: str
    state: str
    our_seconds: str
    their_seconds: str
    difference_seconds: str
    explained: bool
    differences: list[DifferenceView]

    @classmethod
    def of(cls, line: ServerLine) -> Self:
        return cls(
            server_id=line.server_id,
            name=line.name,
            component=line.component,
            state=line.state,
            our_seconds=format(line.ours, "f"),
            their_seconds=format(line.theirs, "f"),
            difference_seconds=format(line.difference, "f"),
            explained=line.explained,
            differences=[DifferenceView.of(one) for one in line.differences],
        )


class EnvironmentLineView(View):
    """One environment, and its servers."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENVIRONMENT]})

    environment_id: str
    our_seconds: str
    their_seconds: str
    difference_seconds: str
    explained: bool
    servers: list[ServerLineView]

    @classmethod
    def of(cls, line: EnvironmentLine) -> Self:
        return cls(
            environment_id=line.environment_id,
            our_seconds=format(line.ours, "f"),
            their_seconds=format(line.theirs, "f"),
            difference_seconds=format(line.difference, "f"),
            explained=line.explained,
            servers=[ServerLineView.of(server) for server in line.servers],
        )


class ReconciliationView(View):
    """Server-seconds, exact, from ``since`` to ``until``: never later than ``read_at``, when the
    pool was last read. The difference is the pool's less ours.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "pool_id": "pool_extranet-1",
                    "since": "2026-06-01T00:00:00Z",
                    "until": "2026-06-01T20:00:00Z",
                    "read_at": "2026-06-01T20:00:00Z",
                    "our_seconds": "7200",
                    "their_seconds": "43200",
                    "difference_seconds": "36000",
                    "explained": True,
                    "environments": [_ENVIRONMENT],
                }
            ]
        }
    )

    pool_id: str
    since: datetime
    until: datetime
    read_at: datetime
    our_seconds: str
    their_seconds: str
    difference_seconds: str
    explained: bool = Field(description="Whether nothing is left to be looked into.")
    environments: list[EnvironmentLineView]

    @classmethod
    def of(cls, pool_id: str, found: Reconciliation) -> Self:
        return cls(
            pool_id=pool_id,
            since=found.interval.start,
            until=found.interval.end,
            read_at=found.read_at,
            our_seconds=format(found.ours, "f"),
            their_seconds=format(found.theirs, "f"),
            difference_seconds=format(found.difference, "f"),
            explained=found.explained,
            environments=[EnvironmentLineView.of(line) for line in found.environments],
        )


@router.get(
    "/{pool_id}/reconciliation",
    response_model=ReconciliationView,
    summary="Hold our server-hours against the pool's own",
)
def get_reconciliation(
    caller: Annotated[Caller, Access(Action.RECONCILIATION_READ)],
    pool_id: str,
    since: Annotated[
        Moment | None, Query(description="From when; the start of this month if left out.")
    ] = None,
    until: Annotated[
        Moment | None, Query(description="Until when; the pool's last reading if left out.")
    ] = None,
) -> ReconciliationView:
    """Environment by environment and server by server, with why they differ. The pool is asked."""
    return ReconciliationView.of(pool_id, reconciled(caller, pool_id, since, until))


def reconciled(
    caller: Caller, pool_id: str, since: datetime | None, until: datetime | None
) -> Reconciliation:
    """:raises NotFound: ``no-such-pool``, ``no-driver``. :raises Conflict: ``no-accounts``,
    ``not-metered-yet``. :raises Invalid: ``empty-interval``. :raises Temporary, Permanent: the pool
    cannot be asked.
    """
    services = caller.services
    with services.database.read() as tx:
        services.pools.get(tx, pool_id)
        caller.require(None)
    driver = services.drivers.get(pool_id)
    if driver is None:
        raise NotFound("the pool has no driver here", code="no-driver")
    if not isinstance(driver, Accounted):
        raise Conflict(
            "this pool keeps no accounts of its own",
            code="no-accounts",
            hint="a cloud counts server-hours itself, as pools of the kind openstack do",
        )
    if since is None:
        today = services.clock.now().astimezone(services.time_zone)
        since = month(today.year, today.month, services.time_zone).start
    if until is not None:
        Interval(since, until)
    name, metering = pool_source(pool_id), services.metering
    with services.database.read() as tx:
        source = metering.sources.get(tx, name)
        read_at = source.read_at if source else None
        if read_at is None or read_at <= since:
            raise Conflict(
                "nothing of this pool was metered in that time yet",
                code="not-metered-yet",
                hint="ask for an earlier time, or wait until the pool is read again",
            )
        held = metering.holdings.during(tx, name, Interval(since, read_at), METERS)
    interval = Interval(since, min(until or read_at, read_at))
    # Outside of any transaction: that must not wait for a cloud.
    accounts = driver.accounts(since)
    return reconcile(runs(held, driver.server_of), accounts, interval, read_at)
