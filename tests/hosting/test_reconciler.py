"""What runs follows what was approved; a second step changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cloudmgr.conditions import Status
from cloudmgr.errors import NotFound, Permanent, Temporary
from cloudmgr.hosting.reconciler import EnvironmentReconciler
from cloudmgr.hosting.sealing import KeyFile
from cloudmgr.hosting.secrets import Secrets
from cloudmgr.hosting.store import EnvironmentStore, SecretStore, SystemStore
from cloudmgr.hosting.workload import readiness
from cloudmgr.pools.drivers.driver import ReplicaState
from tests.builders import a_system, an_environment
from tests.fakes import InstantPool, Unfenced

if TYPE_CHECKING:
    from pathlib import Path

    from cloudmgr.db.engine import Database
    from cloudmgr.hosting.environments import Environment
    from tests.fakes import ManualClock

KEY = "env_exam"


class World:
    """One environment on one pool."""

    def __init__(self, database: Database, clock: ManualClock, directory: Path) -> None:
        self.database = database
        self.clock = clock
        self.pool = InstantPool()
        self.store = EnvironmentStore()
        self.secrets = Secrets(self.store, SecretStore(), KeyFile(directory / "key"), clock)
        self.changed: list[str] = []
        self.reconciler = EnvironmentReconciler(
            database,
            self.store,
            {"pool_extranet": self.pool},
            clock,
            lambda environment: self.changed.append(environment.id),
            secrets=self.secrets,
        )
        with database.write() as tx:
            SystemStore().add(tx, a_system())
            self.store.add(tx, an_environment())

    def step(self) -> float | None:
        return self.reconciler.reconcile(KEY, Unfenced()).requeue_after

    @property
    def environment(self) -> Environment:
        with self.database.read() as tx:
            return self.store.get(tx, KEY)

    def target(self, count: int) -> None:
        with self.database.write() as tx:
            self.store.set_target(tx, self.store.get(tx, KEY), {"web": count})

    def said(self, kind: str) -> tuple[Status, str]:
        condition = next(c for c in self.environment.status.conditions if c.type == kind)
        return condition.status, condition.reason


@pytest.fixture
def world(database: Database, clock: ManualClock, tmp_path: Path) -> World:
    return World(database, clock, tmp_path)


def test_an_approved_environment_becomes_ready_and_a_second_step_changes_nothing(
    world: World,
) -> None:
    assert world.step() is None
    assert readiness(world.environment).status is Status.TRUE
    assert [(e.address, e.port) for e in world.environment.status.endpoints] == [
        ("127.0.0.1", 20_000)
    ]
    before, writes = world.environment, list(world.pool.writes)
    world.clock.advance(timedelta(hours=1))
    assert world.step() is None
    assert world.environment == before
    assert world.pool.writes == writes == ["apply env_exam"]
    assert world.changed == [KEY]


def test_a_new_target_is_applied_and_until_it_is_seen_ready_is_not_true(world: World) -> None:
    world.step()
    world.target(6)
    assert readiness(world.environment).status is Status.UNKNOWN
    world.step()
    assert world.environment.status.ready == {"web": 6}
    assert readiness(world.environment).status is Status.TRUE


def test_a_hibernated_environment_is_available_and_has_no_endpoint(world: World) -> None:
    world.step()
    world.target(0)
    world.step()
    assert world.said("Available") == (Status.TRUE, "Hibernated")
    assert world.environment.status.endpoints == ()


def test_while_replicas_start_it_is_not_available_and_is_looked_at_soon(world: World) -> None:
    world.pool.states[KEY] = ReplicaState.STARTING
    assert world.step() is not None
    assert world.said("Available") == (Status.FALSE, "TooFewReady")


def test_a_crashing_replica_is_said_in_words(world: World) -> None:
    world.pool.states[KEY] = ReplicaState.BACKOFF
    world.step()
    assert world.said("Healthy") == (Status.FALSE, "Problems")


def test_a_pool_that_cannot_be_reached_leaves_what_was_known_and_is_tried_again(
    world: World,
) -> None:
    world.step()
    world.pool.failing = Temporary("the pool does not answer", code="pool-unreachable")
    with pytest.raises(Temporary):
        world.step()
    assert world.said("Applied") == (Status.UNKNOWN, "PoolUnreachable")
    assert len(world.environment.status.endpoints) == 1
    world.pool.failing = None
    world.step()
    assert world.said("Applied") == (Status.TRUE, "AsApproved")


def test_what_a_pool_refuses_for_good_is_not_tried_again_before_the_next_generation(
    world: World,
) -> None:
    world.pool.failing = Permanent("no host fits", hint="ask for less")
    world.step()
    assert world.said("Applied") == (Status.FALSE, "Refused")
    world.pool.failing = None
    world.step()
    assert world.pool.writes == []
    world.target(2)
    world.step()
    assert world.pool.writes == ["apply env_exam"]


def test_a_retired_environment_goes_only_after_its_pool_holds_nothing(world: World) -> None:
    world.step()
    with world.database.write() as tx:
        world.store.set_retiring(tx, world.store.get(tx, KEY))
    assert world.step() is not None
    assert world.environment.retiring
    world.step()
    with pytest.raises(NotFound):
        _ = world.environment
    with pytest.raises(NotFound):
        world.step()
    assert world.pool.writes == ["apply env_exam", "remove env_exam"]


def test_a_pool_without_a_driver_is_said(world: World) -> None:
    lone = EnvironmentReconciler(
        world.database, world.store, {}, world.clock, secrets=world.secrets
    )
    lone.reconcile(KEY, Unfenced())
    assert world.said("Applied") == (Status.FALSE, "NoDriver")
    world.step()  # started again with the driver
    assert world.said("Applied") == (Status.TRUE, "AsApproved")


def test_what_stays_as_it_is_is_looked_at_ever_more_rarely(world: World) -> None:
    world.pool.states[KEY] = ReplicaState.BACKOFF
    assert world.step() == 0.25
    world.clock.advance(timedelta(seconds=8))
    assert world.step() == 2
    world.clock.advance(timedelta(hours=1))
    assert world.step() == 5
    world.pool.states[KEY] = ReplicaState.STARTING
    assert world.step() == 0.25


def test_an_environment_that_retires_is_neither_available_nor_ready(world: World) -> None:
    world.step()
    world.target(0)
    world.step()
    with world.database.write() as tx:
        world.store.set_retiring(tx, world.store.get(tx, KEY))
    world.step()
    assert world.said("Available") == (Status.FALSE, "Retiring")
    assert readiness(world.environment).status is Status.FALSE
