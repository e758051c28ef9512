"""Secrets from where they are set to where a pool is told them, and nowhere else."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select, update

from cloudmgr.conditions import Status
from cloudmgr.db.types import metadata
from cloudmgr.errors import Conflict, Invalid, NotFound
from cloudmgr.hosting.reconciler import EnvironmentReconciler
from cloudmgr.hosting.sealing import KeyFile
from cloudmgr.hosting.secrets import LONGEST, Secrets
from cloudmgr.hosting.store import EnvironmentStore, SecretStore, SystemStore
from cloudmgr.hosting.store.secrets import secrets as table
from cloudmgr.hosting.workload import word, workload
from tests.builders import a_component, a_system, an_environment
from tests.fakes import InstantPool, Unfenced

if TYPE_CHECKING:
    from pathlib import Path

    from cloudmgr.db.engine import Database
    from cloudmgr.hosting.environments import Environment
    from tests.fakes import ManualClock

KEY, VALUE, OTHER = "env_exam", "swordfish", "open-sesame"


class World:
    """One environment, whose web component is told a PASSWORD, on one pool."""

    def __init__(self, database: Database, clock: ManualClock, directory: Path) -> None:
        self.database = database
        self.pool = InstantPool()
        self.environments = EnvironmentStore()
        self.file = KeyFile(directory / "secrets.key")
        self.file.make()
        self.woken: list[str] = []
        self.secrets = Secrets(
            self.environments,
            SecretStore(),
            self.file,
            clock,
            wake=lambda _tx, environment_id: self.woken.append(environment_id),
        )
        self.reconciler = EnvironmentReconciler(
            database, self.environments, {"pool_extranet": self.pool}, clock, secrets=self.secrets
        )
        with database.write() as tx:
            SystemStore().add(tx, a_system())
            told = a_component(secrets=("PASSWORD",))
            self.environments.add(tx, an_environment(components=(told,)))

    @property
    def environment(self) -> Environment:
        with self.database.read() as tx:
            return self.environments.get(tx, KEY)

    def put(self, value: str = VALUE, name: str = "PASSWORD") -> None:
        with self.database.write() as tx:
            found = self.environments.get(tx, KEY)
            self.secrets.set(tx, found, name, value, by="usr_li", login="li.wei")

    def drop(self, name: str = "PASSWORD") -> None:
        with self.database.write() as tx:
            self.secrets.drop(tx, self.environments.get(tx, KEY), name)

    def resize(self, *names: str) -> None:
        with self.database.write() as tx:
            found = self.environments.get(tx, KEY)
            told = (a_component(secrets=names),)
            self.environments.set_components(tx, found, told, found.target, "standard")

    def step(self) -> None:
        self.reconciler.reconcile(KEY, Unfenced())

    @property
    def applied(self) -> tuple[Status, str]:
        found = next(c for c in self.environment.status.conditions if c.type == "Applied")
        return found.status, found.reason

    @property
    def told(self) -> dict[str, str | None]:
        """What the pool was told last."""
        (component,) = self.pool.workloads[KEY].components
        return {name: secret.value for name, secret in component.secrets.items()}

    def rows(self) -> str:
        """All that the database holds."""
        with self.database.read() as tx:
            return repr([tx.execute(select(t)).all() for t in metadata.sorted_tables])


@pytest.fixture
def world(database: Database, clock: ManualClock, tmp_path: Path) -> World:
    return World(database, clock, tmp_path)


# ------------------------------------------------------------------------- what the pool is told


def test_nothing_is_applied_while_a_value_is_missing_and_then_the_pool_is_told_it(
    world: World,
) -> None:
    world.step()
    assert world.pool.writes == []
    assert world.applied == (Status.FALSE, "SecretsMissing")
    assert word(world.environment) == "waiting"
    before = world.environment.generation
    world.put()
    assert world.environment.generation == before + 1
    assert world.woken == [KEY]
    world.step()
    assert world.told == {"PASSWORD": VALUE}
    assert world.applied == (Status.TRUE, "AsApproved")
    world.step()
    assert world.pool.writes == [f"apply {KEY}"], "the second step changed something"


def test_another_value_is_another_template_so_that_replicas_are_replaced(world: World) -> None:
    world.put()
    world.step()
    (before,) = world.pool.workloads[KEY].components
    world.put(OTHER)
    world.step()
    (after,) = world.pool.workloads[KEY].components
    assert world.told == {"PASSWORD": OTHER}
    assert before.template_digest != after.template_digest


def test_what_ran_before_goes_on_while_a_new_secret_has_no_value(world: World) -> None:
    world.put()
    world.step()
    world.resize("PASSWORD", "TOKEN")
    world.step()
    assert world.applied == (Status.FALSE, "SecretsMissing")
    assert world.told == {"PASSWORD": VALUE}
    world.put("a token", "TOKEN")
    world.step()
    assert world.told == {"PASSWORD": VALUE, "TOKEN": "a token"}


def test_with_another_key_it_is_said_so_and_heals_when_the_key_is_back(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.put()
    kept = world.file.path.read_bytes()
    world.file.path.write_bytes(Fernet.generate_key())
    with caplog.at_level(logging.DEBUG):
        world.step()
    assert world.pool.writes == []
    assert world.applied == (Status.FALSE, "SecretsSealed")
    message = next(c for c in world.environment.status.conditions if c.type == "Applied").message
    assert "the value of the secret PASSWORD cannot be opened. set it anew" in message
    assert word(world.environment) == "waiting"
    world.file.path.write_bytes(kept)
    world.step()
    assert world.told == {"PASSWORD": VALUE}
    assert world.applied == (Status.TRUE, "AsApproved")
    assert VALUE not in caplog.text


def test_with_another_key_it_heals_when_the_value_is_set_anew(world: World) -> None:
    world.put()
    world.file.path.write_bytes(Fernet.generate_key())
    world.step()
    world.put(OTHER)
    world.step()
    assert world.told == {"PASSWORD": OTHER}


def test_without_a_key_nothing_is_set_and_what_needs_no_secret_goes_on(world: World) -> None:
    world.put()
    world.file.path.unlink()
    with pytest.raises(Conflict) as refused:
        world.put(OTHER)
    assert refused.value.code == "secrets-sealed"
    assert "openssl rand" in refused.value.hint
    world.step()
    assert world.applied == (Status.FALSE, "SecretsSealed")
    world.resize()
    world.step()
    assert world.applied == (Status.TRUE, "AsApproved")


def test_a_row_moved_to_another_environment_or_name_does_not_open(world: World) -> None:
    world.resize("PASSWORD", "TOKEN")
    world.put(VALUE, "PASSWORD")
    world.put(OTHER, "TOKEN")
    with world.database.write() as tx:
        kept = SecretStore().of(tx, KEY)
        tx.execute(
            update(table).where(table.c.name == "TOKEN").values(sealed=kept["PASSWORD"].sealed)
        )
    world.step()
    assert world.pool.writes == []
    assert world.applied == (Status.FALSE, "SecretsSealed")


def test_a_value_set_since_the_environment_was_read_is_not_mixed_in(world: World) -> None:
    world.put()
    seen = world.environment
    world.put(OTHER)
    with world.database.read() as tx, pytest.raises(Conflict) as refused:
        world.secrets.told(tx, seen, workload(seen))
    assert refused.value.code == "stale-version"


# ------------------------------------------------------------------------------------- at rest


def test_a_value_stands_nowhere_in_the_database_nor_in_what_is_said_of_it(world: World) -> None:
    world.put()
    world.step()
    assert VALUE not in world.rows()
    assert json.dumps(VALUE) not in world.rows()
    with world.database.read() as tx:
        (secret,) = world.secrets.list(tx, world.environment)
    assert secret.kept is not None
    assert (secret.components, secret.kept.set_by, secret.kept.set_by_login) == (
        ("web",),
        "usr_li",
        "li.wei",
    )
    assert secret.kept.sealed not in repr(secret)
    assert VALUE not in repr(world.pool.workloads[KEY])


def test_all_are_sealed_again_with_the_first_key_and_the_old_one_may_go(world: World) -> None:
    world.put()
    new = Fernet.generate_key()
    old = world.file.path.read_bytes()
    world.file.path.write_bytes(new + b"\n" + old)
    with world.database.write() as tx:
        assert world.secrets.reseal(tx) == (1, 0)
    world.file.path.write_bytes(new)
    world.step()
    assert world.told == {"PASSWORD": VALUE}
    world.file.path.write_bytes(old)
    with world.database.write() as tx:
        assert world.secrets.reseal(tx) == (0, 1)


def test_a_secret_goes_when_it_is_dropped_and_with_its_environment(world: World) -> None:
    def names() -> set[str]:
        with world.database.read() as tx:
            return set(SecretStore().of(tx, KEY))

    world.resize("PASSWORD", "TOKEN")
    world.put()
    world.put(OTHER, "TOKEN")
    with pytest.raises(Conflict) as refused:
        world.drop()
    assert refused.value.code == "secret-in-use"
    assert "ask for a resize" in refused.value.hint
    world.resize("PASSWORD")
    assert names() == {"PASSWORD", "TOKEN"}
    world.woken.clear()
    world.drop("TOKEN")
    assert world.woken == [KEY]
    assert names() == {"PASSWORD"} == set(world.environment.secrets)
    with pytest.raises(NotFound):
        world.drop("TOKEN")
    world.step()
    assert world.environment.status.observed_generation == world.environment.generation
    with world.database.write() as tx:
        world.environments.set_retiring(tx, world.environments.get(tx, KEY))
    for change in (world.put, world.drop):
        with pytest.raises(Conflict) as refused:
            change()
        assert refused.value.code == "retiring"
    world.step()
    world.step()
    with pytest.raises(NotFound):
        world.step()
    assert names() == set()


@pytest.mark.parametrize(
    "value", ["", "a\0b", "x" * (LONGEST + 1), "字" * (LONGEST // 2), "\ud800"]
)
def test_what_is_no_value_is_refused_and_not_repeated(world: World, value: str) -> None:
    with pytest.raises(Invalid) as refused:
        world.put(value)
    assert refused.value.problems[0][0] == "value"
    assert not value or value not in refused.value.message
    assert world.environment.secrets == {}


@pytest.mark.parametrize("value", ["x", " kept as it is \n", "x" * LONGEST])
def test_a_value_is_told_as_it_was_given(world: World, value: str) -> None:
    world.put(value)
    world.step()
    assert world.told == {"PASSWORD": value}


def test_only_what_a_component_names_can_be_set(world: World) -> None:
    with pytest.raises(Conflict) as refused:
        world.put(name="TOKEN")
    assert refused.value.code == "no-such-secret"
    assert "resize" in refused.value.hint


def test_of_two_who_set_it_at_once_one_is_told(world: World) -> None:
    seen: Any = world.environment
    world.put()
    with pytest.raises(Conflict) as refused, world.database.write() as tx:
        world.secrets.set(tx, seen, "PASSWORD", OTHER, by="usr_x", login="x")
    assert refused.value.code == "stale-version"
    world.step()
    assert world.told == {"PASSWORD": VALUE}
