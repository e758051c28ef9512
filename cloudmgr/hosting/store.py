"""Systems, environments and hosting requests at rest."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    UniqueConstraint,
    func,
    insert,
    select,
    update,
)

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.errors import Conflict, NotFound
from cloudmgr.hosting.environments import (
    Component,
    Criticality,
    Environment,
    EnvironmentStatus,
    Purpose,
    System,
)
from cloudmgr.hosting.requests import HostingRequest, RequestKind, RequestState
from cloudmgr.pools.pool import Zone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row, Select

systems = Table(
    "system",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("department_id", String(40), nullable=False, index=True),
    Column("code", String(40), nullable=False, unique=True),
    Column("name_zh", String(200), nullable=False),
    Column("name_en", String(200), nullable=False),
    Column("zone", String(20), nullable=False),
    Column("protection_level", Integer, nullable=False),
    Column("criticality", Integer, nullable=False),
    Column("purpose", String(2000), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
)

environments = Table(
    "environment",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("system_id", String(40), ForeignKey("system.id"), nullable=False, index=True),
    Column("department_id", String(40), nullable=False, index=True),
    Column("name", String(40), nullable=False),
    Column("host", String(253), nullable=False, unique=True),
    Column("zone", String(20), nullable=False, index=True),
    Column("pool_id", String(40), nullable=False, index=True),
    Column("purpose", String(20), nullable=False),
    Column("scaling_class", String(40), nullable=False),
    Column("components", JSON, nullable=False),
    Column("target", JSON, nullable=False),
    Column("awake", Boolean, nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("retiring", Boolean, nullable=False),
    Column("status", JSON, nullable=False),
    UniqueConstraint("system_id", "name"),
)

hosting_requests = Table(
    "hosting_request",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("state", String(20), nullable=False, index=True),
    Column("department_id", String(40), nullable=False, index=True),
    Column("system_id", String(40), nullable=False, index=True),
    Column("environment_id", String(40), index=True),
    Column("submitted_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
    # The request whole, as it was decided on: later changes of the schema do not rewrite history.
    Column("content", JSON, nullable=False),
)

_COMPONENTS = TypeAdapter(tuple[Component, ...])
_STATUS = TypeAdapter(EnvironmentStatus)
_REQUEST = TypeAdapter(HostingRequest)


class SystemStore:
    """Business systems."""

    def add(self, tx: Connection, system: System) -> None:
        """:raises Conflict: ``already-exists`` when the code is taken."""
        tx.execute(insert(systems).values(**asdict(system)))

    def get(self, tx: Connection, system_id: str) -> System:
        """:raises NotFound: ``no-such-system``."""
        row = tx.execute(select(systems).where(systems.c.id == system_id)).one_or_none()
        if row is None:
            raise NotFound(f"there is no system {system_id}", code="no-such-system")
        return _system(row)

    def list(
        self,
        tx: Connection,
        *,
        department_id: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[System]:
        """By id, after the id ``after``."""
        query = select(systems).order_by(systems.c.id)
        if department_id is not None:
            query = query.where(systems.c.department_id == department_id)
        return [_system(row) for row in tx.execute(_page(query, systems, after, limit))]

    def by_ids(self, tx: Connection, ids: Sequence[str]) -> dict[str, System]:
        rows = tx.execute(select(systems).where(systems.c.id.in_(set(ids))))
        return {row.id: _system(row) for row in rows}


class EnvironmentStore:
    """Environments. Every change is a compare-and-set on ``version``."""

    def add(self, tx: Connection, environment: Environment) -> None:
        """:raises Conflict: ``already-exists`` when the system has one of that name."""
        tx.execute(insert(environments).values(**_environment_values(environment)))

    def get(self, tx: Connection, environment_id: str) -> Environment:
        """:raises NotFound: ``no-such-environment``."""
        row = tx.execute(
            select(environments).where(environments.c.id == environment_id)
        ).one_or_none()
        if row is None:
            raise NotFound(
                f"there is no environment {environment_id}", code="no-such-environment"
            )
        return _environment(row)

    def by_host(self, tx: Connection, host: str) -> Environment | None:
        row = tx.execute(select(environments).where(environments.c.host == host)).one_or_none()
        return None if row is None else _environment(row)

    def list(  # noqa: PLR0913 - each is a filter
        self,
        tx: Connection,
        *,
        zone: Zone | None = None,
        pool_id: str | None = None,
        department_id: str | None = None,
        system_id: str | None = None,
        awake: bool | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Environment]:
        """By id, after the id ``after``."""
        query = select(environments).order_by(environments.c.id)
        for column, value in (
            (environments.c.zone, zone),
            (environments.c.pool_id, pool_id),
            (environments.c.department_id, department_id),
            (environments.c.system_id, system_id),
            (environments.c.awake, awake),
        ):
            if value is not None:
                query = query.where(column == value)
        return [_environment(row) for row in tx.execute(_page(query, environments, after, limit))]

    def ids(self, tx: Connection) -> list[str]:
        return list(tx.execute(select(environments.c.id).order_by(environments.c.id)).scalars())

    def revision(self, tx: Connection, zone: Zone) -> str:
        """Changes whenever any environment of ``zone`` does; cheap, and no row is read whole."""
        count, versions = tx.execute(
            select(func.count(), func.coalesce(func.sum(environments.c.version), 0)).where(
                environments.c.zone == zone
            )
        ).one()
        newest = tx.execute(
            select(func.max(environments.c.id)).where(environments.c.zone == zone)
        ).scalar_one()
        return f"{count}.{versions}.{newest}"

    def set_target(
        self, tx: Connection, environment: Environment, target: Mapping[str, int]
    ) -> Environment:
        """What ought to run now; a new generation. :raises Conflict: ``stale-version``."""
        return self._change(
            tx, environment, replace(
                environment, target=dict(target), generation=environment.generation + 1
            )
        )

    def set_components(
        self, tx: Connection, environment: Environment, components: tuple[Component, ...],
        target: Mapping[str, int], scaling_class: str,
    ) -> Environment:
        """What was approved anew; a new generation. :raises Conflict: ``stale-version``."""
        return self._change(
            tx, environment, replace(
                environment, components=components, target=dict(target),
                scaling_class=scaling_class, generation=environment.generation + 1,
            )
        )

    def set_retiring(self, tx: Connection, environment: Environment) -> Environment:
        """Let it go; the row follows once its pool holds nothing. :raises Conflict: ``stale-version``."""
        return self._change(
            tx, environment, replace(
                environment, retiring=True, target=dict.fromkeys(environment.target, 0),
                generation=environment.generation + 1,
            )
        )

    def set_status(
        self, tx: Connection, environment: Environment, status: EnvironmentStatus
    ) -> Environment:
        """What was seen; the generation stays. :raises Conflict: ``stale-version``."""
        return self._change(tx, environment, replace(environment, status=status))

    def delete(self, tx: Connection, environment: Environment) -> None:
        """:raises Conflict: ``stale-version``."""
        done = tx.execute(
            environments.delete().where(
                environments.c.id == environment.id,
                environments.c.version == environment.version,
            )
        )
        if done.rowcount != 1:
            raise _stale(environment)

    def _change(
        self, tx: Connection, before: Environment, after: Environment
    ) -> Environment:
        after = replace(after, version=before.version + 1)
        done = tx.execute(
            update(environments)
            .where(environments.c.id == before.id, environments.c.version == before.version)
            .values(**_environment_values(after))
        )
        if done.rowcount != 1:
            raise _stale(before)
        return after


class RequestStore:
    """Hosting requests, each kept for ever with its reasons."""

    def add(self, tx: Connection, request: HostingRequest) -> None:
        tx.execute(insert(hosting_requests).values(**_request_values(request)))

    def get(self, tx: Connection, request_id: str) -> HostingRequest:
        """:raises NotFound: ``no-such-request``."""
        row = tx.execute(
            select(hosting_requests.c.content).where(hosting_requests.c.id == request_id)
        ).one_or_none()
        if row is None:
            raise NotFound(f"there is no request {request_id}", code="no-such-request")
        return _REQUEST.validate_python(row.content)

    def list(  # noqa: PLR0913 - each is a filter
        self,
        tx: Connection,
        *,
        department_id: str | None = None,
        state: RequestState | None = None,
        kind: RequestKind | None = None,
        system_id: str | None = None,
        environment_id: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[HostingRequest]:
        """Newest first; ``after`` is the id of the last one of the page before."""
        table = hosting_requests
        query = select(table.c.content).order_by(table.c.submitted_at.desc(), table.c.id.desc())
        for column, value in (
            (table.c.department_id, department_id),
            (table.c.state, state),
            (table.c.kind, kind),
            (table.c.system_id, system_id),
            (table.c.environment_id, environment_id),
        ):
            if value is not None:
                query = query.where(column == value)
        if after is not None:
            last = self.get(tx, after)
            query = query.where(
                (table.c.submitted_at < last.submitted_at)
                | ((table.c.submitted_at == last.submitted_at) & (table.c.id < last.id))
            )
        if limit is not None:
            query = query.limit(limit)
        return [_REQUEST.validate_python(row.content) for row in tx.execute(query)]

    def change(
        self, tx: Connection, before: HostingRequest, after: HostingRequest
    ) -> HostingRequest:
        """:raises Conflict: ``stale-version`` when another change came first."""
        after = replace(after, version=before.version + 1)
        done = tx.execute(
            update(hosting_requests)
            .where(
                hosting_requests.c.id == before.id, hosting_requests.c.version == before.version
            )
            .values(**_request_values(after))
        )
        if done.rowcount != 1:
            raise Conflict(
                f"request {before.id} was changed by someone else meanwhile",
                code="stale-version", hint="read it again and decide anew",
            )
        return after


def _page(
    query: Select[Any], table: Table, after: str | None, limit: int | None
) -> Select[Any]:
    if after is not None:
        query = query.where(table.c.id > after)
    return query if limit is None else query.limit(limit)


def _stale(environment: Environment) -> Conflict:
    return Conflict(
        f"environment {environment.id} was changed by someone else meanwhile",
        code="stale-version", hint="read it again and repeat the change",
    )


def _system(row: Row[Any]) -> System:
    values = dict(row._mapping)  # noqa: SLF001 - the public name of a row's mapping
    values["zone"] = Zone(row.zone)
    values["criticality"] = Criticality(row.criticality)
    return System(**values)


def _environment(row: Row[Any]) -> Environment:
    return Environment(
        id=row.id,
        system_id=row.system_id,
        department_id=row.department_id,
        name=row.name,
        host=row.host,
        zone=Zone(row.zone),
        pool_id=row.pool_id,
        purpose=Purpose(row.purpose),
        scaling_class=row.scaling_class,
        components=_COMPONENTS.validate_python(row.components),
        target=row.target,
        created_at=row.created_at,
        generation=row.generation,
        version=row.version,
        retiring=row.retiring,
        status=_STATUS.validate_python(row.status),
    )


def _environment_values(environment: Environment) -> dict[str, Any]:
    return {
        "id": environment.id,
        "system_id": environment.system_id,
        "department_id": environment.department_id,
        "name": environment.name,
        "host": environment.host,
        "zone": environment.zone.value,
        "pool_id": environment.pool_id,
        "purpose": environment.purpose.value,
        "scaling_class": environment.scaling_class,
        "components": _COMPONENTS.dump_python(environment.components, mode="json"),
        "target": dict(environment.target),
        "awake": not environment.hibernated,
        "created_at": environment.created_at,
        "generation": environment.generation,
        "version": environment.version,
        "retiring": environment.retiring,
        "status": _STATUS.dump_python(environment.status, mode="json"),
    }


def _request_values(request: HostingRequest) -> dict[str, Any]:
    return {
        "id": request.id,
        "kind": request.kind.value,
        "state": request.state.value,
        "department_id": request.department_id,
        "system_id": request.system_id,
        "environment_id": request.environment_id,
        "submitted_at": request.submitted_at,
        "version": request.version,
        "content": _REQUEST.dump_python(request, mode="json"),
    }
