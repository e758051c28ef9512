"""What the store of environments answers without reading rows whole, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudmgr.hosting.environments import EnvironmentStatus
from cloudmgr.hosting.store import EnvironmentStore, SystemStore
from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.pool import Zone
from tests.builders import a_component, a_system, an_environment

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database

store = EnvironmentStore()


@pytest.fixture
def system(database: Database) -> None:
    with database.write() as tx:
        SystemStore().add(tx, a_system())


@pytest.mark.usefixtures("system")
def test_what_a_pool_holds_follows_every_change_of_components_and_target(
    database: Database,
) -> None:
    one = an_environment(target={"web": 2}, components=(a_component(storage_gib=5),))
    other = an_environment(id="env_other", name="other", host="other.localhost")
    far = an_environment(id="env_far", name="far", host="far.localhost", pool_id="pool_far")
    size = Resources(250, 128)
    kept = Resources(storage_gib=5 * 8)

    with database.write() as tx:
        assert store.held(tx, "pool_extranet") == Resources()
        for environment in (one, other, far):
            store.add(tx, environment)
        assert store.held(tx, "pool_extranet") == size.times(3) + kept
        assert store.held(tx, "pool_extranet", besides=other.id) == size.times(2) + kept

        one = store.set_target(tx, one, {"web": 4})
        assert store.held(tx, "pool_extranet") == size.times(5) + kept

        one = store.set_status(tx, one, EnvironmentStatus(one.generation))
        assert store.held(tx, "pool_extranet") == size.times(5) + kept

        larger = (a_component(memory_mib=256),)
        one = store.set_components(tx, one, larger, {"web": 1}, "standard")
        assert store.held(tx, "pool_extranet") == Resources(250, 256) + size

        one = store.set_retiring(tx, one)
        store.delete(tx, one)
        assert store.held(tx, "pool_extranet") == size


@given(
    targets=st.lists(st.integers(0, 1000), max_size=4),
    cpu=st.integers(1, 10**6),
    storage=st.integers(0, 10**6),
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("system")
def test_what_a_pool_holds_is_the_sum_of_what_its_environments_do(
    database: Database, targets: list[int], cpu: int, storage: int
) -> None:
    components = (a_component(cpu_millis=cpu, storage_gib=storage, max_replicas=1000),)
    with database.write() as tx:
        before = store.list(tx)
        for old in before:
            store.delete(tx, old)
        for number, target in enumerate(targets):
            store.add(
                tx,
                an_environment(
                    id=f"env_{number}",
                    name=f"e{number}",
                    host=f"e{number}.localhost",
                    components=components,
                    target={"web": target},
                ),
            )
        found = store.list(tx)
        total = sum((environment.held for environment in found), start=Resources())
        assert store.held(tx, "pool_extranet") == total
        assert total.cpu_millis == sum(targets) * cpu


@pytest.mark.usefixtures("system")
def test_many_are_read_by_their_ids_each_once(database: Database) -> None:
    ids = [f"env_{number:04}" for number in range(600)]
    with database.write() as tx:
        for key in ids:
            store.add(tx, an_environment(id=key, name=key[4:], host=f"{key[4:]}.localhost"))
        found = store.by_ids(tx, [*ids, *ids[:5], "env_none"])
        assert sorted(environment.id for environment in found) == ids
        assert store.by_ids(tx, []) == []


@pytest.mark.usefixtures("system")
def test_a_zone_is_awake_while_anything_in_it_is(database: Database) -> None:
    asleep = an_environment(target={"web": 0})
    inside = an_environment(
        id="env_in", name="in", host="in.localhost", zone=Zone.INTRANET, target={"web": 1}
    )
    with database.write() as tx:
        store.add(tx, asleep)
        assert store.awake_zones(tx) == frozenset()
        store.add(tx, inside)
        assert store.awake_zones(tx) == {Zone.INTRANET}
        store.set_target(tx, asleep, {"web": 1})
        assert store.awake_zones(tx) == set(Zone)


@pytest.mark.usefixtures("system")
def test_the_revision_of_a_zone_moves_with_every_change_of_it_and_of_no_other(
    database: Database,
) -> None:
    seen = []
    with database.write() as tx:
        seen.append(store.revision(tx, Zone.EXTRANET))
        store.add(tx, an_environment())
        seen.append(store.revision(tx, Zone.EXTRANET))
        changed = store.set_target(tx, an_environment(), {"web": 3})
        seen.append(store.revision(tx, Zone.EXTRANET))
        store.set_status(tx, changed, EnvironmentStatus(changed.generation))
        seen.append(store.revision(tx, Zone.EXTRANET))
        assert len(set(seen)) == len(seen)
        inside = an_environment(id="env_in", name="in", host="in.localhost", zone=Zone.INTRANET)
        store.add(tx, inside)
        assert store.revision(tx, Zone.EXTRANET) == seen[-1]
