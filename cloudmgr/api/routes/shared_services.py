"""Shared services: what components may be bound to, and who is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import Field

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.values import View, example
from cloudmgr.hosting.bindings import absence, bound_names
from cloudmgr.hosting.environments import Environment
from cloudmgr.identity.access import Action
from cloudmgr.policy.services import CityService
from cloudmgr.pools.pool import Zone

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(prefix="/api/v1/shared-services", tags=["shared services"])

_BOUND: dict[str, Any] = {
    "environment_id": "env_0123456789abcdef",
    "host": "gaokao-prod.extranet.localhost",
    "bound": True,
}
_KNOWN: dict[str, Any] = {
    "name": "sso",
    "zh": "统一身份认证",
    "en": "single sign-on of the city",
    "zone": "extranet",
    "departments": None,
    "host": "sso.example.gov.cn",
    "port": 443,
    "addresses": ["192.0.2.0/28"],
    "environment": "",
    "component": "",
    "absent": "",
    "bound": [_BOUND],
}


class BoundView(View):
    """An environment with a component that is bound to it; `bound` says whether it is led there."""

    model_config = example(**_BOUND)

    environment_id: str
    host: str
    bound: bool


class SharedServiceView(View):
    """One service. Outside of the pools it has `host`, `port` and `addresses`; one that is hosted
    here is a `component` of the environment whose address begins with the label `environment`.
    """

    model_config = example(**_KNOWN)

    name: str
    zh: str
    en: str
    zone: Zone
    departments: list[str] | None = Field(
        description="Codes of those that may use it; null for every department."
    )
    host: str
    port: int
    addresses: list[str]
    environment: str
    component: str
    absent: str = Field(description="Why one that is hosted here is not there; empty when it is.")
    bound: list[BoundView]

    @classmethod
    def of(cls, standing: Standing) -> Self:
        service = standing.service
        return cls(
            name=service.name,
            zh=service.zh,
            en=service.en,
            zone=Zone(service.zone),
            departments=None if standing.departments is None else list(standing.departments),
            host=service.host,
            port=service.port,
            addresses=list(service.addresses),
            environment=service.environment,
            component=service.component,
            absent=standing.absent,
            bound=[
                BoundView(environment_id=e.id, host=e.host, bound=_led(e, service.name))
                for e in standing.bound
            ],
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """A service as whoever asks may see it: of other departments not even which they are.

    :param bound: environments with a component that names it.
    """

    service: CityService
    departments: tuple[str, ...] | None
    absent: str
    bound: tuple[Environment, ...]


def standings(caller: Caller, tx: Connection) -> list[Standing]:
    """By name: for those who see one department what that may use, else all."""
    services = caller.services
    held_to = caller.confine()
    code = services.departments.get(tx, held_to).code if held_to is not None else None
    hosted = [(bound_names(e), e) for e in services.environments.list(tx, department_id=held_to)]
    found = []
    for name, service in sorted(services.policies.current.services.items()):
        if code is not None and not service.serves(code):
            continue
        own = (code,) if code is not None and service.departments is not None else None
        found.append(
            Standing(
                service,
                service.departments if code is None else own,
                absence(service, services.bindings.place(tx, service))
                if service.environment
                else "",
                tuple(e for names, e in hosted if name in names),
            )
        )
    return found


@router.get("", response_model=Page[SharedServiceView], summary="List shared services")
def list_shared_services(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_READ)],
    paging: Paged,
    zone: Annotated[Zone | None, Query(description="Only in this zone.")] = None,
) -> Page[SharedServiceView]:
    """By name, as policy has them now, each with the environments that are bound to it."""
    after = paging.after("shared services") or ""
    with caller.services.database.read() as tx:
        found = [
            one
            for one in standings(caller, tx)
            if one.service.name > after and (zone is None or one.service.zone == zone.value)
        ][: paging.fetch]
    return paging.page("shared services", found, lambda s: s.service.name, SharedServiceView.of)


def _led(environment: Environment, name: str) -> bool:
    return any(service.name == name for service in environment.services)
