"""A small city for the API's tests: two departments, *ours* and *theirs*, with one of everything.

Whoever adds a kind of thing to the API seeds it here for both, under the name of its path
parameter, and the walk over every route (``test_every_route.py``) covers it from then on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy import select
from starlette.testclient import TestClient

from cloudmgr.api.app import create_app
from cloudmgr.api.gate import declared
from cloudmgr.db.types import metadata
from cloudmgr.identity.authentication import Authenticator
from cloudmgr.identity.secrets import Effort
from cloudmgr.identity.user import Role, Scope, User
from cloudmgr.interval import Interval
from cloudmgr.metering.usage import Owner
from cloudmgr.pools.drivers.driver import SharedService
from cloudmgr.scaling.orders import ScalingDecision
from cloudmgr.scaling.wakes import Wake, WakeCause
from cloudmgr.wiring.control_plane import ControlPlane
from cloudmgr.wiring.settings import Settings
from tests.api.asked import asked
from tests.api.looked import looked
from tests.api.rounds import rounds
from tests.api.spending import spending
from tests.api.told import told
from tests.builders import (
    CREATED,
    a_component,
    a_department,
    a_gap,
    a_pool,
    a_principal,
    a_record,
    a_request,
    a_system,
    a_user,
    a_version,
    a_window,
    an_account,
    an_environment,
)
from tests.databases import hurried
from tests.fakes import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from fastapi import FastAPI
    from sqlalchemy import Connection

    from cloudmgr.api.services import Services
    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.identity.access import Action

PASSWORD = "correct horse battery"
EVERY_SCOPE = frozenset(Scope) - {Scope.PORTAL}
OURS, THEIRS = "dep_exam", "dep_tax"
MONTH = "2026-05"
_OPERATIONS: dict[frozenset[tuple[str, str | None]], tuple[Operation, ...]] = {}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, and what it takes; ``action`` is None if it is public.

    ``required`` are those of the query parameters that cannot be left out.
    """

    id: str
    method: str
    path: str
    action: Action | None
    path_parameters: tuple[str, ...]
    query_parameters: tuple[str, ...]
    required: tuple[str, ...]
    body: Any = None
    if_match: str = "*"

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.method in {"GET", "HEAD"} else {"If-Match": self.if_match}


@dataclass
class City:
    """The application over a seeded database, and who is who in it."""

    database: Database
    clock: ManualClock
    services: Services
    app: FastAPI
    ours: dict[str, str] = field(default_factory=dict)
    theirs: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    def close(self) -> None:
        self.database.close()

    def client(self, login: str | None = None, **headers: str) -> TestClient:
        """A client that acts with the token of ``login``, or without any."""
        if login is not None:
            headers["Authorization"] = f"Bearer {self.secrets[login]}"
        return TestClient(self.app, headers=headers)

    def token(self, login: str, *scopes: Scope) -> str:
        """A further token of ``login``."""
        with self.database.write() as tx:
            user = self.services.users.by_login(tx, login)
            return self.services.authenticator.issue(
                tx, user, "a token", frozenset(scopes), timedelta(days=30)
            )[1]

    @property
    def marks(self) -> frozenset[str]:
        """What an officer of ours must never read: ids of theirs, and a word in all their names."""
        return frozenset(self.theirs.values()) - frozenset(self.ours.values()) | {"税务"}

    def operations(self) -> Iterator[Operation]:
        """Every operation of the application, with the example of its body."""
        # The document takes half a second to make, and is the same of the same operations.
        contexts = [
            context
            for context in iter_route_contexts(self.app.routes)
            if isinstance(context.original_route, APIRoute)
        ]
        known = frozenset((context.unique_id, context.path) for context in contexts)
        if known not in _OPERATIONS:
            _OPERATIONS[known] = tuple(self._operations(contexts))
        yield from _OPERATIONS[known]

    def _operations(self, contexts: Iterable[Any]) -> Iterator[Operation]:
        document = self.app.openapi()
        for context in contexts:
            dependant = context.dependant
            (action,) = declared(dependant)
            for method in sorted(context.methods or ()):
                spoken = document["paths"].get(context.path, {}).get(method.lower(), {})
                query = [p for p in spoken.get("parameters", ()) if p["in"] == "query"]
                yield Operation(
                    id=context.unique_id,
                    method=method,
                    path=context.path or "",
                    action=action,
                    path_parameters=tuple(p.name for p in dependant.path_params),
                    query_parameters=tuple(p["name"] for p in query),
                    required=tuple(p["name"] for p in query if p["required"]),
                    body=_example(document, spoken),
                )


def everything(city: City) -> dict[str, list[str]]:
    """All rows of all tables, but for tokens: when one was used last changes with whoever asks."""
    with city.database.read() as tx:
        return {
            table.name: sorted(map(repr, tx.execute(select(table))))
            for table in metadata.sorted_tables
            if table.name != "api_token"
        }


def _example(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Any:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    name = content["schema"]["$ref"].rpartition("/")[2]
    return document["components"]["schemas"][name].get("examples", [{}])[0]


class _ManualSettings(Settings):
    def make_clock(self) -> Clock:
        return ManualClock()


def unseeded(
    state: Path, database_url: str, build: Callable[[Services], FastAPI] = create_app
) -> City:
    """The application, as ``build`` makes it, over a control plane that is never started.

    :param database_url: a database with all tables; who is who in it is not known yet.
    """
    plane = ControlPlane(
        _ManualSettings(state_dir=state, database_url=database_url, ledger=state / "ledger")
    )
    hurried(plane.database)
    plane.settings.key_file.make()
    clock = plane.clock
    assert isinstance(clock, ManualClock)
    services = plane.services
    services = replace(
        services,
        # People's tokens live by the machine's clock, which no test can move.
        authenticator=Authenticator(services.users, services.tokens, clock, Effort(16, 8, 1)),
    )
    return City(plane.database, clock, services, build(services))


def a_city(state: Path, database_url: str) -> City:
    """A city with its people:

    - ``officer`` and ``approver`` of ours, ``their-officer`` of theirs;
    - ``operator``, ``finance``, ``auditor`` and ``root`` (administrator), of no department;
    - ``everybody`` has every role that needs no department.

    Each has a token of that login's with every scope, and the password ``PASSWORD``.
    """
    city = unseeded(state, database_url)
    services = city.services
    with city.database.write() as tx:
        city.ours.update(_department(city, tx, OURS, "教育考试院", "officer"))
        city.theirs.update(_department(city, tx, THEIRS, "税务局", "their-officer"))
        _person(city, tx, "approver", OURS, Role.APPROVER)
        for role in (Role.OPERATOR, Role.FINANCE, Role.AUDITOR):
            _person(city, tx, role.value, None, role)
        _person(city, tx, "root", None, Role.ADMINISTRATOR)
        _person(city, tx, "everybody", None, *(set(Role) - {Role.DEPARTMENT_OFFICER}))
    services.closing.close(MONTH, "usr_finance", accept_gaps=True)
    for ids in (city.ours, city.theirs):
        (bill,) = services.books.invoices(month=MONTH, account_id=ids["billing_account_id"])
        ids.update(invoice_id=bill.id, month=MONTH, number="1")
    return city


def _department(
    city: City, tx: Connection, department_id: str, name: str, officer: str
) -> dict[str, str]:
    """A department with one of everything; gives the ids by the names of path parameters."""
    services, code = city.services, department_id.removeprefix("dep_")
    account = an_account(id=f"acc_{code}", name_zh=f"{name}账户")
    services.billing_accounts.create(tx, account)
    services.departments.create(
        tx,
        a_department(
            id=department_id,
            code=code,
            versions=(a_version(name_zh=name, billing_account_id=account.id),),
        ),
    )
    user = _person(city, tx, officer, department_id, Role.DEPARTMENT_OFFICER)
    # Not the one that is acted with, so that it can be revoked.
    token, _ = services.authenticator.issue(
        tx, user, f"{name} token", EVERY_SCOPE, timedelta(days=30)
    )
    event = services.trail.record(
        tx,
        a_principal(user_id=user.id, login=user.login),
        "department.create",
        object_kind="department",
        object_id=department_id,
        department_id=department_id,
        detail={"name": name},
    )
    return {
        "department_id": department_id,
        "billing_account_id": account.id,
        "account_id": account.id,
        "user_id": user.id,
        "token_id": token.id,
        "event_id": event.id,
        **_hosted(city, tx, department_id, name, user),
    }


def _hosted(
    city: City, tx: Connection, department_id: str, name: str, officer: User
) -> dict[str, str]:
    """A system with an environment that has a past."""
    services, now, code = city.services, city.clock.now(), department_id.removeprefix("dep_")
    ids = {
        kind: f"{prefix}_{code}"
        for kind, prefix in (
            ("system_id", "sys"),
            ("environment_id", "env"),
            ("request_id", "req"),
            ("window_id", "win"),
            ("series_id", "ser"),
            ("pool_id", "pool"),
        )
    }
    services.pools.add(tx, a_pool(id=ids["pool_id"], name=f"{name}资源池"))
    services.systems.add(
        tx, a_system(id=ids["system_id"], department_id=department_id, code=code, name_zh=name)
    )
    environment = an_environment(
        id=ids["environment_id"],
        system_id=ids["system_id"],
        department_id=department_id,
        host=f"{code}-production.extranet.localhost",
        pool_id=ids["pool_id"],
        components=(a_component(secrets=("DATABASE_PASSWORD",), bindings=("sso",)),),
        services=(SharedService("sso", 443, "sso.example.gov.cn", ("192.0.2.0/28",)),),
    )
    services.environments.add(tx, environment)
    services.requests.add(
        tx,
        a_request(
            id=ids["request_id"],
            department_id=department_id,
            system_id=ids["system_id"],
            environment_id=environment.id,
            reason=f"{name}停用",
            submitted_by=officer.id,
            submitted_by_login=officer.login,
            submitted_at=now,
        ),
    )
    services.windows.add(
        tx,
        a_window(
            now + timedelta(days=1),
            now + timedelta(days=2),
            id=ids["window_id"],
            environment_id=environment.id,
            note=name,
            request_id=ids["request_id"],
        ),
    )
    looked(services, tx, ids["window_id"], name, now)
    rounds(services, tx, ids)
    services.scaling_store.record(
        tx, [ScalingDecision(f"sdn_{code}", environment.id, "web", now, 0, 1, name, name)]
    )
    asked(services, tx, environment.id, now)
    ids["budget_id"] = spending(services, tx, department_id, name, now)
    told(services, tx, environment, name, now)
    services.wakes.put(tx, Wake(environment.id, WakeCause.REQUEST, now, now, now, why=name))
    services.metering.ledger.append(
        tx,
        [
            a_record(
                resource=f"alloc_{code}",
                environment_id=environment.id,
                system_id=ids["system_id"],
                department_id=department_id,
                pool_id=ids["pool_id"],
                interval=Interval(start, start + timedelta(hours=1)),
            )
            for start in (CREATED + timedelta(hours=1), now)
        ],
        now,
    )
    services.metering.gaps.append(
        tx,
        [
            a_gap(
                resource=f"alloc_{code}",
                owner=Owner(
                    environment.id, ids["system_id"], department_id, "extranet", ids["pool_id"]
                ),
                interval=Interval(now, now + timedelta(minutes=20)),
            )
        ],
    )
    # What both have, and some operations must be told.
    ids.update(
        component="web",
        secret="DATABASE_PASSWORD",
        starts_at=CREATED.isoformat(),
        ends_at=(now + timedelta(days=1)).isoformat(),
    )
    return ids


def _person(
    city: City, tx: Connection, login: str, department_id: str | None, *roles: Role
) -> User:
    services = city.services
    user = a_user(
        id=f"usr_{login}",
        login=login,
        name=login,
        department_id=department_id,
        roles=frozenset(roles),
        created_at=city.clock.now(),
    )
    services.users.create(tx, user, services.authenticator.hashed(PASSWORD))
    _, city.secrets[login] = services.authenticator.issue(
        tx, user, f"token of {login}", EVERY_SCOPE, timedelta(days=30)
    )
    return user
