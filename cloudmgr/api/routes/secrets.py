"""Secrets of environments: which there are, and their values, which only ever come in."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter
from pydantic import ConfigDict, Field
from starlette.responses import Response

from cloudmgr.api.etag import Answer, IfMatch, IfNoneMatch, etag, expect, seen
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.values import Entry, View
from cloudmgr.hosting.secrets import LONGEST
from cloudmgr.identity.access import Action

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.hosting.secrets import Secret

router = APIRouter(prefix="/api/v1/environments", tags=["environments"])

_EXAMPLE: dict[str, Any] = {
    "name": "DATABASE_PASSWORD",
    "components": ["web"],
    "has_value": True,
    "set_at": "2026-06-01T00:00:00Z",
    "set_by": "usr_0123456789abcdef",
    "set_by_login": "li.wei",
}


class SecretView(View):
    """A secret: who is told it, and whether it has a value, which nobody is shown."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: str
    components: tuple[str, ...] = Field(description="Those that are told it; none may be left.")
    has_value: bool
    set_at: datetime | None
    set_by: str | None
    set_by_login: str | None

    @classmethod
    def of(cls, secret: Secret) -> Self:
        kept = secret.kept
        return cls(
            name=secret.name,
            components=secret.components,
            has_value=kept is not None,
            set_at=kept.set_at if kept else None,
            set_by=kept.set_by if kept else None,
            set_by_login=kept.set_by_login if kept else None,
        )


class SecretsView(View):
    """All secrets of one environment, by name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"secrets": [_EXAMPLE]}]})

    secrets: list[SecretView]


class SecretEntry(Entry):
    """A value: as it is, with nothing cut off."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"value": "a long sentence is a good password"}]}
    )

    value: Annotated[
        str,
        Field(
            min_length=1,
            max_length=LONGEST,
            repr=False,
            description=f"1 to {LONGEST} bytes of UTF-8, without NUL.",
        ),
    ]


@router.get(
    "/{environment_id}/secrets", response_model=SecretsView, summary="List secrets, without values"
)
def list_secrets(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_READ)],
    environment_id: str,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Those that components are told, and those that have a value still."""
    services = caller.services
    with services.database.read() as tx:
        environment = services.environments.get(tx, environment_id)
        caller.require(environment.department_id)
        found = services.secrets.list(tx, environment)
    view = SecretsView(secrets=[SecretView.of(secret) for secret in found])
    return seen(view, etag(environment.version), if_none_match)


@router.put("/{environment_id}/secrets/{secret}", response_model=SecretView, summary="Set a secret")
def set_secret(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_SECRET)],
    environment_id: str,
    secret: str,
    body: SecretEntry,
    if_match: IfMatch = None,
) -> Response:
    """Its replicas are replaced by ones that are told it. `If-Match` may be left out."""
    services = caller.services
    with services.database.write() as tx:
        after = put(caller, tx, environment_id, secret, body, if_match)
        (found,) = [one for one in services.secrets.list(tx, after) if one.name == secret]
    return Answer(200, SecretView.of(found), {"ETag": etag(after.version)}).response()


@router.delete("/{environment_id}/secrets/{secret}", status_code=204, summary="Drop a secret")
def drop_secret(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_SECRET)],
    environment_id: str,
    secret: str,
    if_match: IfMatch = None,
) -> Response:
    """Forget the value of one that no component is told any more. `If-Match` may be left out."""
    with caller.services.database.write() as tx:
        after = drop(caller, tx, environment_id, secret, if_match)
    return Answer(204, None, {"ETag": etag(after.version)}).response()


def put(
    caller: Caller,
    tx: Connection,
    environment_id: str,
    name: str,
    body: SecretEntry,
    if_match: str | None = None,
) -> Environment:
    """Set it, and keep on record who did: the name, and nothing that comes of the value."""
    principal = caller.principal
    after = caller.services.secrets.set(
        tx,
        _mine(caller, tx, environment_id, if_match),
        name,
        body.value,
        by=principal.user_id,
        login=principal.login,
    )
    _record(caller, tx, "environment.set-secret", after, name)
    return after


def drop(
    caller: Caller,
    tx: Connection,
    environment_id: str,
    name: str,
    if_match: str | None = None,
) -> Environment:
    """Drop it, and keep on record who did."""
    environment = _mine(caller, tx, environment_id, if_match)
    after = caller.services.secrets.drop(tx, environment, name)
    _record(caller, tx, "environment.drop-secret", after, name)
    return after


def _mine(caller: Caller, tx: Connection, environment_id: str, if_match: str | None) -> Environment:
    environment = caller.services.environments.get(tx, environment_id, lock=True)
    caller.require(environment.department_id)
    if if_match is not None:
        expect(if_match, etag(environment.version))
    return environment


def _record(
    caller: Caller, tx: Connection, action: str, environment: Environment, name: str
) -> None:
    caller.record(
        tx,
        action,
        object_kind="environment",
        object_id=environment.id,
        department_id=environment.department_id,
        detail={"secret": name},
    )
