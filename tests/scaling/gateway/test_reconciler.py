"""From rows to routes; with a real Traefik behind it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from cloudmgr.clock import SystemClock
from cloudmgr.errors import Conflict, NotFound
from cloudmgr.hosting.environments import Endpoint, EnvironmentStatus
from cloudmgr.hosting.store import EnvironmentStore, SystemStore
from cloudmgr.policy.not_counted import NotCounted
from cloudmgr.pools.pool import Zone
from cloudmgr.reconcile.loop import Result
from cloudmgr.scaling.gateway.reconciler import GatewayReconciler, route_of
from tests.builders import a_component, a_system, an_environment
from tests.fakes import ManualClock, Unfenced
from tests.scaling.gateway.conftest import HOST, ask
from tests.scaling.serving import Replica, serving
from tests.waiting import until

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.scaling.gateway.traefik import Gateway
    from tests.scaling.serving import Server

STORE = EnvironmentStore()


@pytest.fixture
def reconciler(sqlite: Database, gateway: Gateway, waker_server: Server) -> GatewayReconciler:
    with sqlite.write() as tx:
        SystemStore().add(tx, a_system())
    return GatewayReconciler(
        sqlite, STORE, {Zone.EXTRANET: gateway}, lambda: (waker_server.url,), SystemClock()
    )


def _add(database: Database, **changes: object) -> Environment:
    environment = an_environment(host=HOST, **changes)
    with database.write() as tx:
        STORE.add(tx, environment)
    return environment


def _serve(database: Database, environment: Environment, *ports: int) -> Environment:
    endpoints = tuple(Endpoint("web", "127.0.0.1", port) for port in ports)
    with database.write() as tx:
        return STORE.set_status(tx, environment, EnvironmentStatus(endpoints=endpoints))


def _settle(reconciler: GatewayReconciler) -> None:
    """As the loop does: again and again, until there is nothing to wait for."""
    for _ in range(500):
        result = reconciler.reconcile("extranet", Unfenced())
        if result == Result(1.0):
            return
        SystemClock().sleep(result.requeue_after or 0.0)
    pytest.fail("the gateway never settled")


def test_a_gateway_follows_replicas_sleep_and_retirement(
    reconciler: GatewayReconciler, sqlite: Database
) -> None:
    assert list(reconciler.keys()) == ["extranet"]
    _settle(reconciler)
    assert ask(reconciler._zones["extranet"].gateway).status_code == 404
    environment = _add(sqlite)
    _settle(reconciler)
    gateway = reconciler._zones["extranet"].gateway
    assert ask(gateway).json()["name"] == "waker"
    with serving(Replica("exam")) as replica:
        environment = _serve(sqlite, environment, replica.port)
        _settle(reconciler)
        assert ask(gateway).json()["name"] == "exam"
        environment = _serve(sqlite, environment)
        _settle(reconciler)
        assert ask(gateway).json()["name"] == "waker"
        environment = _serve(sqlite, environment, replica.port)
        with sqlite.write() as tx:
            STORE.set_retiring(tx, environment)
        _settle(reconciler)
        assert ask(gateway).status_code == 404


def test_when_nothing_changed_no_row_is_read_and_nothing_written(
    reconciler: GatewayReconciler, sqlite: Database
) -> None:
    _add(sqlite)
    _settle(reconciler)
    gateway = reconciler._zones["extranet"].gateway
    before = gateway._routes.stat()
    with _statements(sqlite) as said:
        assert reconciler.reconcile("extranet", Unfenced()) == Result(1.0)
    assert all("count(" in s or "max(" in s for s in said if s.startswith("SELECT"))
    assert gateway._routes.stat().st_mtime_ns == before.st_mtime_ns


def test_a_status_that_changes_no_endpoint_changes_no_route(
    reconciler: GatewayReconciler, sqlite: Database
) -> None:
    environment = _add(sqlite)
    _settle(reconciler)
    gateway = reconciler._zones["extranet"].gateway
    before = gateway._routes.stat()
    _serve(sqlite, environment)
    assert reconciler.reconcile("extranet", Unfenced()) == Result(1.0)
    assert gateway._routes.stat().st_mtime_ns == before.st_mtime_ns


def test_only_rows_that_changed_are_read(reconciler: GatewayReconciler, sqlite: Database) -> None:
    with sqlite.write() as tx:
        for n in range(1, 6):
            STORE.add(tx, an_environment(id=f"env_{n}", name=f"test{n}", host=f"t{n}.localhost"))
    environment = _add(sqlite)
    _settle(reconciler)
    _serve(sqlite, environment, 9001)
    with _statements(sqlite) as said:
        reconciler.reconcile("extranet", Unfenced())
    assert sum("components" in s for s in said) == 1


def test_whoever_lost_the_zone_publishes_nothing(
    reconciler: GatewayReconciler, sqlite: Database
) -> None:
    class Lost:
        def check(self, _tx: object) -> None:
            raise Conflict("another control plane has it", code="lease-lost")

    _settle(reconciler)
    gateway = reconciler._zones["extranet"].gateway
    before = gateway._routes.stat()
    _add(sqlite)
    with pytest.raises(Conflict):
        reconciler.reconcile("extranet", Lost())
    assert gateway._routes.stat().st_mtime_ns == before.st_mtime_ns


def test_a_zone_without_a_gateway_is_no_key(reconciler: GatewayReconciler) -> None:
    with pytest.raises(NotFound):
        reconciler.reconcile("intranet", Unfenced())


def test_a_route_leads_to_the_ready_replicas_of_the_web_component_alone() -> None:
    environment = an_environment(
        components=(a_component(name="worker", port=None), a_component(name="web")),
        status=EnvironmentStatus(
            endpoints=(Endpoint("worker", "127.0.0.1", 1), Endpoint("web", "127.0.0.1", 2))
        ),
    )
    found = route_of(environment)
    assert found is not None
    assert found.servers == (("127.0.0.1", 2),)
    assert route_of(replace(environment, retiring=True)) is None
    assert route_of(replace(environment, components=environment.components[:1])) is None
    assert route_of(replace(environment, host="no`host")) is None


def test_a_change_that_the_revision_hides_is_found_within_a_minute(
    sqlite: Database, gateway: Gateway, waker_server: Server
) -> None:
    class Blind(EnvironmentStore):
        def revision(self, tx: object, zone: Zone) -> str:  # noqa: ARG002
            return "always the same"

    clock = ManualClock()
    with sqlite.write() as tx:
        SystemStore().add(tx, a_system())
    reconciler = GatewayReconciler(
        sqlite, Blind(), {Zone.EXTRANET: gateway}, lambda: (waker_server.url,), clock
    )
    # Until the gateway works by it: the jump of the clock is not to be taken for its slowness.
    until(lambda: (reconciler.reconcile("extranet", Unfenced()).requeue_after or 0) > 0.4)
    _add(sqlite)
    clock.sleep(61)
    for _ in range(3):
        reconciler.reconcile("extranet", Unfenced())
    assert "env_exam" in gateway._routes.read_text()


def test_other_policies_change_what_is_counted_without_a_restart(
    sqlite: Database, gateway: Gateway, waker_server: Server
) -> None:
    names = [NotCounted(("bot",))]
    reconciler = GatewayReconciler(
        sqlite,
        STORE,
        {Zone.EXTRANET: gateway},
        lambda: (waker_server.url,),
        SystemClock(),
        not_counted=lambda: names[-1],
    )
    with sqlite.write() as tx:
        SystemStore().add(tx, a_system())
    _add(sqlite)
    _settle(reconciler)
    assert "(?i)bot" in gateway._routes.read_text()
    names.append(NotCounted(("spider",)))
    _settle(reconciler)
    written = gateway._routes.read_text()
    assert "(?i)spider" in written
    assert "(?i)bot" not in written


class _statements:  # noqa: N801 - reads as a phrase
    """What is said to the database meanwhile."""

    def __init__(self, database: Database) -> None:
        self._engine = database.engine
        self._said: list[str] = []

    def __enter__(self) -> list[str]:
        event.listen(self._engine, "before_cursor_execute", self._note)
        return self._said

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._note)

    def _note(self, _c: object, _k: object, statement: str, *_rest: object) -> None:
        self._said.append(statement)
