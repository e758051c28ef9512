"""How starts come to be measured, and whom what comes of it reaches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.conditions import Condition, Status
from cloudmgr.hosting.environments import EnvironmentStatus
from cloudmgr.hosting.workload import REQUIRED
from cloudmgr.wiring.leads import Leads
from cloudmgr.wiring.stores import Stores
from tests.scaling.rig import HOUR, KEY, MINUTE, NOW, Classes, Rig

if TYPE_CHECKING:
    from datetime import datetime

    from cloudmgr.db.engine import Database


class Plane:
    """The part of a control plane that lead times read."""

    def __init__(self, rig: Rig) -> None:
        self.database = rig.database
        self.stores = Stores()
        self.clock = rig.clock
        self.policies = Policies(rig.classes)


@dataclass(frozen=True)
class Policies:
    current: Classes


def measuring(database: Database) -> tuple[Rig, Leads]:
    rig = Rig(database).host()
    rig.look()
    return rig, Leads(Plane(rig))


def scaled(rig: Rig, replicas: int) -> None:
    with rig.database.write() as tx:
        rig.control.scale(tx, KEY, "web", replicas, actor="usr_op", why="try")


def seen(rig: Rig, ready: int, since: datetime) -> None:
    """As whoever reconciles it writes down what the pool says."""
    environment = rig.environment()
    conditions = tuple(
        Condition(name, Status.TRUE, "Yes", "", environment.generation, since) for name in REQUIRED
    )
    with rig.database.write() as tx:
        rig.environments.set_status(
            tx, environment, EnvironmentStatus(conditions=conditions, ready={"web": ready})
        )


def took(rig: Rig) -> tuple[timedelta, ...]:
    with rig.database.read() as tx:
        return rig.stores.starts.took(tx, KEY, 20)


def test_a_start_ends_when_all_it_asked_for_is_ready(database: Database) -> None:
    rig, leads = measuring(database)
    scaled(rig, 4)
    seen(rig, 3, NOW + MINUTE)
    rig.clock.advance(5 * MINUTE)
    assert leads.measure() == 0
    assert took(rig) == ()

    seen(rig, 4, NOW + 4 * MINUTE)
    assert leads.measure() == 1

    assert took(rig) == (4 * MINUTE,), "since when it was Ready, not when somebody looked"
    assert leads.measure() == 0


def test_one_that_fell_asleep_meanwhile_is_not_measured(database: Database) -> None:
    rig, leads = measuring(database)
    scaled(rig, 4)
    with rig.database.write() as tx:
        rig.control.hibernate(tx, KEY, actor="usr_op", why="night", force=True)
        rig.stores.starts.begin(tx, KEY, NOW)

    leads.measure()

    with rig.database.read() as tx:
        assert rig.stores.starts.under_way(tx) == []
    assert took(rig) == ()


def test_promises_and_pages_read_the_measured_time(database: Database) -> None:
    rig, leads = measuring(database)
    with rig.database.write() as tx:
        for number in range(3):
            start = rig.stores.starts.begin(tx, KEY, NOW - (3 - number) * HOUR)
            rig.stores.starts.end(tx, start, start.raised_at + 20 * MINUTE)

    environment = rig.environment()
    with database.read() as tx:
        found = leads.class_of(tx, environment)
        assert found.lead_time == 25 * MINUTE
        assert leads.classes(tx, environment.pool_id, [environment]) == {KEY: found}
        assert leads.time_of(tx, KEY, found) == 25 * MINUTE
        assert leads.time_of(tx, None, replace(found, lead_time=HOUR)) == HOUR


def test_what_is_years_old_is_forgotten(database: Database) -> None:
    rig, leads = measuring(database)
    with rig.database.write() as tx:
        start = rig.stores.starts.begin(tx, KEY, NOW - timedelta(days=900))
        rig.stores.starts.end(tx, start, start.raised_at + MINUTE)

    assert leads.purge() == 1
    assert took(rig) == ()
