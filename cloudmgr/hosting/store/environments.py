"""Environments at rest. Every change is a compare-and-set on ``version``."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    UniqueConstraint,
    bindparam,
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
)
from cloudmgr.hosting.store.rows import only, page
from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.driver import SharedService
from cloudmgr.pools.pool import Zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Row

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
    Column("criticality", Integer, nullable=False),
    Column("target", JSON, nullable=False),
    Column("reserved", JSON, nullable=False),
    Column("elastic", Boolean, nullable=False),
    Column("corrects_drift", Boolean, nullable=False),
    Column("services", JSON, nullable=False),
    Column("offers", JSON, nullable=False),
    Column("secrets", JSON, nullable=False),
    Column("awake", Boolean, nullable=False, index=True),
    # Follows from what is above: a pool is asked what is held of it at every decision.
    Column("held_cpu_millis", BigInteger, nullable=False),
    Column("held_memory_mib", BigInteger, nullable=False),
    Column("held_storage_gib", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("observed_generation", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("retiring", Boolean, nullable=False),
    Column("status", JSON, nullable=False),
    UniqueConstraint("system_id", "name"),
)

_COMPONENTS = TypeAdapter(tuple[Component, ...])
_STATUS = TypeAdapter(EnvironmentStatus)
_SERVICES = TypeAdapter(tuple[SharedService, ...])
# Made once: building them again for each row takes longer than SQLite takes to run them.
_BY_ID = select(environments).where(environments.c.id == bindparam("wanted"))
_CHANGE = update(environments).where(
    environments.c.id == bindparam("wanted"), environments.c.version == bindparam("known")
)
_REVISION = select(
    func.count(),
    func.coalesce(func.sum(environments.c.version), 0),
    func.max(environments.c.id),
).where(environments.c.zone == bindparam("wanted"))
_UNOBSERVED = select(environments.c.id).where(
    (environments.c.observed_generation != environments.c.generation)
    | environments.c.retiring.is_(True)
)
_AWAKE_ZONES = select(environments.c.zone).where(environments.c.awake).distinct()
_AT_ONCE = 500


class EnvironmentStore:
    """Environments. Every change is a compare-and-set on ``version``."""

    def add(self, tx: Connection, environment: Environment) -> None:
        """:raises Conflict: ``already-exists`` when the system has one of that name."""
        tx.execute(insert(environments).values(**_environment_values(environment)))

    def get(self, tx: Connection, environment_id: str, *, lock: bool = False) -> Environment:
        """With ``lock``, in a transaction that writes, nobody else changes it until that ends.

        :raises NotFound: ``no-such-environment``.
        """
        query = _BY_ID.with_for_update() if lock else _BY_ID
        row = tx.execute(query, {"wanted": environment_id}).one_or_none()
        if row is None:
            raise NotFound(f"there is no environment {environment_id}", code="no-such-environment")
        return _environment(row)

    def by_host(self, tx: Connection, host: str) -> Environment | None:
        row = tx.execute(select(environments).where(environments.c.host == host)).one_or_none()
        return None if row is None else _environment(row)

    def list(
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
        query = only(
            query,
            (environments.c.zone, zone),
            (environments.c.pool_id, pool_id),
            (environments.c.department_id, department_id),
            (environments.c.system_id, system_id),
            (environments.c.awake, awake),
        )
        return [_environment(row) for row in tx.execute(page(query, environments, after, limit))]

    def by_ids(self, tx: Connection, ids: Iterable[str]) -> Sequence[Environment]:
        """Those of ``ids`` that there are, each once."""
        wanted = sorted(set(ids))
        parts = (wanted[start : start + _AT_ONCE] for start in range(0, len(wanted), _AT_ONCE))
        return [
            _environment(row)
            for part in parts
            for row in tx.execute(select(environments).where(environments.c.id.in_(part)))
        ]

    def held(self, tx: Connection, pool_id: str, besides: str | None = None) -> Resources:
        """What all environments on the pool hold by their targets, but for the one ``besides``."""
        c = environments.c
        query = select(
            *(
                func.coalesce(func.sum(column), 0)
                for column in (c.held_cpu_millis, c.held_memory_mib, c.held_storage_gib)
            )
        ).where(c.pool_id == pool_id)
        if besides is not None:
            query = query.where(c.id != besides)
        return Resources(*map(int, tx.execute(query).one()))

    def ids(self, tx: Connection) -> Sequence[str]:
        return tx.execute(select(environments.c.id).order_by(environments.c.id)).scalars().all()

    def unobserved(self, tx: Connection) -> Sequence[str]:
        """Ids of those whose latest generation nobody has acted on, and of those that retire."""
        return tx.execute(_UNOBSERVED).scalars().all()

    def awake_zones(self, tx: Connection) -> frozenset[Zone]:
        """Zones in which anything is awake."""
        return frozenset(map(Zone, tx.execute(_AWAKE_ZONES).scalars()))

    def revision(self, tx: Connection, zone: Zone) -> str:
        """Changes whenever any environment of ``zone`` does; cheap, and no row is read whole."""
        count, versions, newest = tx.execute(_REVISION, {"wanted": zone.value}).one()
        return f"{count}.{versions}.{newest}"

    def revision_on(self, tx: Connection, pool_id: str) -> str:
        """The same of those on a pool."""
        table = environments.c
        seen = select(func.count(), func.sum(table.version), func.max(table.created_at))
        return str(tuple(tx.execute(seen.where(table.pool_id == pool_id)).one()))

    def set_target(
        self,
        tx: Connection,
        environment: Environment,
        target: Mapping[str, int],
        reserved: Mapping[str, int] = MappingProxyType({}),
        *,
        elastic: bool = False,
        corrects_drift: bool = True,
    ) -> Environment:
        """What ought to run now; a new generation. :raises Conflict: ``stale-version``."""
        return self._change(
            tx,
            environment,
            replace(
                environment,
                target=dict(target),
                reserved=dict(reserved),
                elastic=elastic,
                corrects_drift=corrects_drift,
                generation=environment.generation + 1,
            ),
        )

    def set_components(
        self,
        tx: Connection,
        environment: Environment,
        components: tuple[Component, ...],
        target: Mapping[str, int],
        scaling_class: str,
    ) -> Environment:
        """What was approved anew; a new generation. :raises Conflict: ``stale-version``."""
        return self._change(
            tx,
            environment,
            replace(
                environment,
                components=components,
                target=dict(target),
                # Scaling looks again, and promises anew what the new ceiling allows.
                reserved={},
                scaling_class=scaling_class,
                generation=environment.generation + 1,
            ),
        )

    def set_secrets(
        self, tx: Connection, environment: Environment, secrets: Mapping[str, str]
    ) -> Environment:
        """Other revisions of its secrets; a new generation. :raises Conflict: ``stale-version``."""
        return self._change(
            tx,
            environment,
            replace(environment, secrets=dict(secrets), generation=environment.generation + 1),
        )

    def set_services(
        self,
        tx: Connection,
        environment: Environment,
        services: tuple[SharedService, ...],
        offers: Mapping[str, str],
    ) -> Environment:
        """What policy has it bound to, and has it be for others; a new generation.

        :raises Conflict: ``stale-version``.
        """
        return self._change(
            tx,
            environment,
            replace(
                environment,
                services=services,
                offers=dict(offers),
                generation=environment.generation + 1,
            ),
        )

    def set_retiring(self, tx: Connection, environment: Environment) -> Environment:
        """Let it go; the row follows once its pool holds nothing.

        :raises Conflict: ``stale-version``.
        """
        return self._change(
            tx,
            environment,
            replace(
                environment,
                retiring=True,
                target=dict.fromkeys(environment.target, 0),
                reserved={},
                generation=environment.generation + 1,
            ),
        )

    def set_status(
        self, tx: Connection, environment: Environment, status: EnvironmentStatus
    ) -> Environment:
        """What was seen; the generation stays. :raises Conflict: ``stale-version``."""
        after = replace(environment, status=status)
        return self._write(tx, environment, after, _seen_values(after))

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

    def _change(self, tx: Connection, before: Environment, after: Environment) -> Environment:
        return self._write(tx, before, after, _wanted_values(after))

    def _write(
        self, tx: Connection, before: Environment, after: Environment, values: dict[str, Any]
    ) -> Environment:
        after = replace(after, version=before.version + 1)
        key = {"wanted": before.id, "known": before.version, "version": after.version}
        if tx.execute(_CHANGE, key | values).rowcount != 1:
            raise _stale(before)
        return after


def _stale(environment: Environment) -> Conflict:
    return Conflict(
        f"environment {environment.id} was changed by someone else meanwhile",
        code="stale-version",
        hint="read it again and repeat the change",
    )


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
        criticality=Criticality(row.criticality),
        target=row.target,
        reserved=row.reserved,
        elastic=row.elastic,
        corrects_drift=row.corrects_drift,
        services=_SERVICES.validate_python(row.services),
        offers=row.offers,
        secrets=row.secrets,
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
        "criticality": int(environment.criticality),
        "created_at": environment.created_at,
        "version": environment.version,
        **_wanted_values(environment),
        **_seen_values(environment),
    }


def _wanted_values(environment: Environment) -> dict[str, Any]:
    held = environment.held
    return {
        "scaling_class": environment.scaling_class,
        "components": _COMPONENTS.dump_python(environment.components, mode="json"),
        "target": dict(environment.target),
        "reserved": dict(environment.reserved),
        "elastic": environment.elastic,
        "corrects_drift": environment.corrects_drift,
        "services": _SERVICES.dump_python(environment.services, mode="json"),
        "offers": dict(environment.offers),
        "secrets": dict(environment.secrets),
        "awake": not environment.hibernated,
        "held_cpu_millis": held.cpu_millis,
        "held_memory_mib": held.memory_mib,
        "held_storage_gib": held.storage_gib,
        "generation": environment.generation,
        "retiring": environment.retiring,
    }


def _seen_values(environment: Environment) -> dict[str, Any]:
    return {
        "observed_generation": environment.status.observed_generation,
        "status": _STATUS.dump_python(environment.status, mode="json"),
    }
