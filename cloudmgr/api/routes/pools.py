"""Pools: what there is, what is held, what is left."""

from __future__ import annotations

from typing import Annotated, Any, Self

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.values import View
from cloudmgr.identity.access import Action
from cloudmgr.planning.placement import PoolView as Standing
from cloudmgr.planning.promise_words import PoolRisk
from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.pool import Zone

router = APIRouter(prefix="/api/v1/pools", tags=["pools"])

_KNOWN: dict[str, Any] = {
    "id": "pool_local-extranet",
    "name": "local-extranet",
    "kind": "local",
    "zone": "extranet",
    "protection_level": 3,
    "allocatable": {"cpu_millis": 8000, "memory_mib": 16384, "storage_gib": 100},
    "allocated": {"cpu_millis": 1500, "memory_mib": 1024, "storage_gib": 8},
    "free": {"cpu_millis": 6500, "memory_mib": 15360, "storage_gib": 92},
    "kept_back": {"cpu_millis": 0, "memory_mib": 0, "storage_gib": 0},
    "hosts": 3,
    "usable_hosts": 2,
    "spare_hosts": 0,
    "promises_at_risk": 0,
    "problems": ["node edge-3 is lost: it is not Ready"],
}


class PoolView(View):
    """One pool; CPU in thousandths of a core, memory in MiB, storage in GiB.

    ``kept_back`` is what ``spare_hosts`` have that may fail at once; it is not in ``allocatable``.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_KNOWN]})

    id: str
    name: str
    kind: str
    zone: Zone
    protection_level: int
    allocatable: Resources
    allocated: Resources
    free: Resources
    kept_back: Resources
    hosts: int
    usable_hosts: int
    spare_hosts: int
    promises_at_risk: int | None = Field(
        description="Peaks ahead that it has not enough for; null if it does not answer now."
    )
    problems: tuple[str, ...]

    @classmethod
    def of(cls, standing: Standing, risk: PoolRisk) -> Self:
        pool = standing.pool
        return cls(
            id=pool.id,
            name=pool.name,
            kind=pool.kind,
            zone=pool.zone,
            protection_level=pool.protection_level,
            allocatable=standing.capacity.allocatable,
            allocated=standing.allocated,
            free=standing.free,
            kept_back=standing.capacity.kept_back,
            hosts=len(standing.capacity.hosts),
            usable_hosts=sum(host.schedulable for host in standing.capacity.hosts),
            spare_hosts=standing.capacity.spare,
            promises_at_risk=None if risk.risk is None else len(risk.lost),
            problems=standing.capacity.problems,
        )


@router.get("", response_model=Page[PoolView], summary="List pools")
def list_pools(
    caller: Annotated[Caller, Access(Action.POOL_READ)], paging: Paged
) -> Page[PoolView]:
    """By name, each with what is held of it by the targets in force."""
    services = caller.services
    after = paging.after("pools") or ""
    caller.confine()
    with services.database.read() as tx:
        found = [
            (services.city.view(tx, pool), services.promises.at_risk(tx, pool))
            for pool in services.pools.list(tx)
            if pool.name > after
        ][: paging.fetch]
    return paging.page("pools", found, lambda v: v[0].pool.name, lambda v: PoolView.of(*v))


@router.get("/{pool_id}", response_model=PoolView, summary="Get a pool")
def get_pool(caller: Annotated[Caller, Access(Action.POOL_READ)], pool_id: str) -> PoolView:
    """With what is held of it now."""
    services = caller.services
    with services.database.read() as tx:
        pool = services.pools.get(tx, pool_id)
        caller.require(None)
        standing = services.city.view(tx, pool)
        return PoolView.of(standing, services.promises.at_risk(tx, pool))
