"""What an environment needs wakes with it and stays awake with it, and nobody needs in a circle."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.errors import CloudmgrError, Conflict
from cloudmgr.pools.pool import Zone
from cloudmgr.scaling.dependence import Dependence
from cloudmgr.scaling.needs import check, path
from cloudmgr.scaling.wakes import WAKER, WakeCause
from tests.builders import a_scaling_class, a_window, an_environment
from tests.scaling.rig import HOUR, MINUTE, NOW, Rig, announced

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database
    from cloudmgr.hosting.environments import Environment

EDGES = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), max_size=12)


def one(name: str, **changes: object) -> Environment:
    return an_environment(id=f"env_{name}", name=name, host=f"{name}.localhost", **changes)


def code_of(environment: Environment, needed: list[Environment], *known: tuple[str, str]) -> str:
    with pytest.raises(CloudmgrError) as refused:
        check(environment, needed, known)
    return refused.value.code


class Chain(Rig):
    """A portal needs a registry, which needs a store; all asleep.

    :param together: they start at the same time, not one after the other.
    """

    def __init__(self, database: Database, *, together: bool = True) -> None:
        super().__init__(database, now=NOW - HOUR)
        if together:
            along = a_scaling_class(after_needs=timedelta(0))
            self.policy(scaling_classes={"standard": along})
        self.host(one("portal"), one("registry"), one("store"))
        self.dependence = Dependence(
            self.environments,
            self.stores.needs,
            self.clock,
            lambda _tx, key: self.moved.append(key),
        )
        self.needs("portal", "registry")
        self.needs("registry", "store")
        for name in ("portal", "registry", "store"):
            self.put_to_sleep(name)
        for name in ("portal", "registry", "store"):
            with database.write() as tx:
                self.stores.scaling.drop_order(tx, f"env_{name}", "")
        self.settle()
        self.clock.set(NOW)

    def needs(self, name: str, *others: str) -> None:
        with self.database.write() as tx:
            found = [self.environments.get(tx, f"env_{other}") for other in others]
            self.dependence.need(tx, self.environments.get(tx, f"env_{name}"), found, "usr_op")

    def put_to_sleep(self, name: str, *, force: bool = True) -> None:
        with self.database.write() as tx:
            self.control.hibernate(tx, f"env_{name}", actor="usr_op", why="night", force=force)

    def settle(self) -> None:
        for _ in range(4):
            for key in self.reconciler.due():
                self.look(key)

    def call(self, name: str) -> None:
        with self.database.write() as tx:
            self.control.wake(tx, f"env_{name}", actor=WAKER, why="first request: GET /")
        self.settle()

    @property
    def awake(self) -> set[str]:
        with self.database.read() as tx:
            return {e.name for e in self.environments.list(tx, awake=True)}


# --------------------------------------------------------------------------------------- pure


def test_what_cannot_be_needed_is_refused_with_its_reason() -> None:
    portal = one("portal")
    assert code_of(portal, [portal]) == "needs-itself"
    assert code_of(portal, [one("inner", zone=Zone.INTRANET)]) == "another-zone"
    assert code_of(portal, [one("old", retiring=True)]) == "retiring"
    assert code_of(portal, [one(f"n{n}") for n in range(21)]) == "too-many-needs"


def test_a_circle_is_refused_and_named() -> None:
    known = [("env_registry", "env_store"), ("env_store", "env_portal")]
    with pytest.raises(
        CloudmgrError,
        match="env_portal needs env_registry needs env_store needs env_portal",
    ):
        check(one("portal"), [one("registry")], known)


def test_what_it_needed_before_does_not_count() -> None:
    check(one("a"), [one("b")], [("env_a", "env_c"), ("env_c", "env_d")])
    check(one("a"), [one("c")], [("env_a", "env_b"), ("env_b", "env_c")])


@given(EDGES)
def test_whatever_is_said_in_whatever_order_no_circle_comes_of_it(
    asks: list[tuple[str, str]],
) -> None:
    needs: dict[str, set[str]] = {}
    for name, other in asks:
        wanted = {*needs.get(name, ()), other}
        known = [(f"env_{a}", f"env_{b}") for a, found in needs.items() for b in found]
        try:
            check(one(name), [one(key) for key in sorted(wanted)], known)
        except CloudmgrError:
            continue
        needs[name] = wanted
    for name, others in needs.items():
        assert all(path(needs, other, name) is None for other in others)


# --------------------------------------------------------------------------- with the database


def test_what_a_called_one_needs_wakes_with_it_and_what_that_needs(database: Database) -> None:
    rig = Chain(database)
    assert rig.awake == set()
    rig.call("portal")
    assert rig.awake == {"portal", "registry", "store"}
    with rig.database.read() as tx:
        wakes = {n: rig.stores.wakes.last(tx, f"env_{n}") for n in ("portal", "store")}
    assert {n: w.cause for n, w in wakes.items() if w} == {
        "portal": WakeCause.REQUEST,
        "store": WakeCause.NEEDED,
    }
    assert rig.reconciler.due() == []


def test_what_needs_the_called_one_sleeps_on(sqlite: Database) -> None:
    rig = Chain(sqlite)
    rig.call("registry")
    assert rig.awake == {"registry", "store"}


def test_what_is_needed_does_not_fall_asleep_and_does_when_it_is_not_any_more(
    database: Database,
) -> None:
    rig = Chain(database)
    rig.call("portal")
    end = rig.clock.now() + 2 * HOUR
    while rig.clock.now() < end:
        rig.clock.advance(MINUTE)
        rig.requests(60, 30.0, "env_portal")
        rig.read()
        for key in [*rig.reconciler.keys()]:
            rig.look(key)
    assert rig.awake == {"portal", "registry", "store"}
    rig.go_on(HOUR)
    assert rig.awake == set()


def test_a_peak_of_one_wakes_what_it_needs(sqlite: Database) -> None:
    rig = Chain(sqlite)
    announced(rig, a_window(NOW + HOUR, NOW + 2 * HOUR, environment_id="env_portal"))
    rig.clock.set(NOW + HOUR - 10 * MINUTE)
    rig.settle()
    assert rig.awake == {"portal", "registry", "store"}


def test_an_order_to_sleep_is_refused_while_it_is_needed_unless_forced(sqlite: Database) -> None:
    rig = Chain(sqlite)
    rig.call("portal")
    rig.clock.advance(MINUTE)
    with pytest.raises(Conflict) as refused:
        rig.put_to_sleep("registry", force=False)
    assert refused.value.code == "needed"
    rig.put_to_sleep("registry")
    rig.settle()
    assert "registry" not in rig.awake
    assert rig.reconciler.due() == []


def test_an_order_to_sleep_ends_with_the_next_call_of_one_that_needs_it(
    database: Database,
) -> None:
    rig = Chain(database)
    rig.put_to_sleep("registry")
    rig.settle()
    rig.clock.advance(HOUR)
    rig.call("portal")
    assert "registry" in rig.awake


def test_a_new_need_of_one_that_is_awake_is_woken_at_once(sqlite: Database) -> None:
    rig = Chain(sqlite)
    rig.needs("portal")
    rig.call("portal")
    assert rig.awake == {"portal"}
    rig.moved.clear()
    rig.needs("portal", "store")
    assert "env_store" in rig.moved
    rig.settle()
    assert rig.awake == {"portal", "store"}


def test_one_that_retires_falls_away_on_both_sides(database: Database) -> None:
    rig = Chain(database)
    with rig.database.write() as tx:
        registry = rig.environments.get(tx, "env_registry")
        rig.environments.set_retiring(tx, registry)
        around = rig.dependence.around(tx, "env_portal")
    assert around.needs == ()
    rig.look("env_registry")
    with rig.database.read() as tx:
        assert rig.stores.needs.edges(tx) == []
