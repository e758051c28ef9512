"""A rehearsal from its order until all has fallen back, over restarts and in everybody's way."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import Conflict
from cloudmgr.hosting.reconciler import EnvironmentReconciler
from cloudmgr.pools.drivers.driver import ReplicaState
from cloudmgr.scaling.rehearsals import Ending, Load, Plan, Result, Underway
from cloudmgr.scaling.rehearsing import Rehearsals
from tests.builders import a_component, a_window
from tests.fakes import InstantPool, Unfenced
from tests.hosting.office import Office

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.scaling.rehearsals import Rehearsal
    from cloudmgr.scaling.windows import PeakWindow

HOUR = timedelta(hours=1)
LEAD = timedelta(minutes=10)
LOAD = Load(10, 30, "/", 0.05)
RESULT = Result(300, 300, 0, {}, {"p50": 0.01, "max": 0.2}, 4)


class Sender:
    """A load that goes as a test says."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.over = self.failing = False

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")

    @property
    def underway(self) -> Underway:
        return Underway(over=self.over, failing=self.failing)

    @property
    def result(self) -> Result:
        return RESULT


class Stage:
    """An office with one environment of up to four replicas and a peak in five hours."""

    def __init__(self, directory: Path) -> None:
        self.office = Office(directory)
        self.plane = self.office.plane
        with self.plane.database.write() as tx:
            self.plane.stores.leases.ensure(tx, self.plane.leases.names)
        self.plane.leases.tick()
        self.office.hosted(a_component(max_replicas=4))
        (self.made,) = self.office.environments()
        now = self.plane.clock.now()
        self.window = self.peak(self.made, now + 5 * HOUR)
        self.reconciler = EnvironmentReconciler(
            self.plane.database,
            self.plane.stores.environments,
            self.plane.drivers,
            self.plane.clock,
            secrets=self.plane.secrets,
            lacking=self.plane.bindings.lacking,
        )
        self.senders: list[Sender] = []
        self.restart()

    def restart(self) -> None:
        """Another control plane carries on."""
        plane = self.plane

        def send(_environment: Environment, _load: Load) -> Sender:
            self.senders.append(Sender())
            return self.senders[-1]

        self.control = Rehearsals(
            plane.database,
            plane.stores.environments,
            plane.stores.scaling,
            plane.scaling,
            plane.clock,
            policy=lambda: plane.policies.current,
            room=lambda tx, e: plane.city.view(tx, plane.stores.pools.get(tx, e.pool_id)).room,
            lock=plane.city.free,
            leads=lambda _tx, _pool, there: dict.fromkeys((e.id for e in there), LEAD),
            send=send,
        )

    def peak(self, environment: Environment, start: object, key: str = "win_1") -> PeakWindow:
        window = a_window(start, start + HOUR, id=key, environment_id=environment.id, replicas=3)  # type: ignore[arg-type, operator]
        with self.plane.database.write() as tx:
            self.plane.stores.scaling.windows.add(tx, window)
        return window

    def order(self, plan: Plan | None = None) -> Rehearsal:
        plan = plan or Plan(timedelta(minutes=10), LOAD)
        with self.plane.database.write() as tx:
            return self.control.order(tx, self.window, plan, actor="usr_op", why="演练")

    def come_up(self) -> None:
        self.reconciler.reconcile(self.made.id, Unfenced())

    def target(self) -> int:
        (environment,) = self.office.environments()
        return environment.target["web"]

    def last(self) -> Rehearsal:
        with self.plane.database.read() as tx:
            return self.plane.stores.scaling.rehearsals.of_window(tx, self.window.id)[0]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.plane.database.close()


def test_it_scales_waits_loads_reports_and_gives_everything_back(stage: Stage) -> None:
    made = stage.order()
    assert stage.target() == 3
    stage.control.go_on()
    assert stage.senders == []
    stage.come_up()
    stage.control.go_on()
    (sender,) = stage.senders
    assert sender.calls == ["start"]
    assert stage.last().load_from is not None
    stage.control.go_on()
    assert stage.last().ended_at is None
    sender.over = True
    stage.control.go_on()
    after = stage.last()
    assert (after.id, after.ending, after.result) == (made.id, Ending.DONE, RESULT)
    assert after.ready_after is not None
    with stage.plane.database.read() as tx:
        assert stage.plane.stores.scaling.scaling.orders(tx, stage.made.id) == ()
    assert stage.control.go_on() == 0


def test_without_a_load_it_tells_how_long_all_took_to_come_up(stage: Stage) -> None:
    stage.order(Plan(timedelta(minutes=10)))
    stage.come_up()
    stage.control.go_on()
    after = stage.last()
    assert (after.ending, after.result) == (Ending.DONE, None)
    assert after.ready_after is not None


def test_whoever_restarts_ends_a_load_that_was_under_way_and_says_so(stage: Stage) -> None:
    stage.order()
    stage.come_up()
    stage.control.go_on()
    stage.restart()
    stage.control.go_on()
    assert stage.last().ending is Ending.INTERRUPTED
    assert len(stage.senders) == 1


def test_one_that_still_starts_goes_on_after_a_restart(stage: Stage) -> None:
    stage.order()
    stage.restart()
    stage.come_up()
    stage.control.go_on()
    assert stage.last().load_from is not None


def test_too_many_failures_and_a_person_stop_it(stage: Stage) -> None:
    stage.order()
    stage.come_up()
    stage.control.go_on()
    stage.senders[0].failing = True
    stage.control.go_on()
    assert (stage.last().ending, stage.last().result) == (Ending.FAILURES, RESULT)
    stage.order()
    with stage.plane.database.write() as tx:
        stage.control.stop(tx, stage.window, actor="usr_op")
    stage.control.go_on()
    assert (stage.last().ending, stage.last().stopped_by) == (Ending.STOPPED, "usr_op")
    with stage.plane.database.write() as tx, pytest.raises(Conflict) as refused:
        stage.control.stop(tx, stage.window, actor="usr_op")
    assert refused.value.code == "no-rehearsal"


def test_another_order_ends_it_and_stays(stage: Stage) -> None:
    stage.order()
    with stage.plane.database.write() as tx:
        stage.plane.scaling.scale(tx, stage.made.id, "web", 2, actor="usr_x", why="活动")
    stage.control.go_on()
    assert stage.last().ending is Ending.OVERRULED
    with stage.plane.database.read() as tx:
        (order,) = stage.plane.stores.scaling.scaling.orders(tx, stage.made.id)
    assert (order.replicas, order.actor) == (2, "usr_x")


def test_replicas_that_do_not_come_up_end_it_in_its_time(stage: Stage) -> None:
    pool = stage.plane.drivers[stage.made.pool_id]
    assert isinstance(pool, InstantPool)
    pool.states[stage.made.id] = ReplicaState.STARTING
    stage.order(Plan(timedelta(milliseconds=1), None))
    stage.come_up()
    stage.control.go_on()
    assert (stage.last().ending, stage.last().ready_at) == (Ending.NOT_READY, None)


def test_of_two_at_once_on_a_pool_the_second_is_refused(stage: Stage) -> None:
    stage.order()
    with pytest.raises(Conflict):
        stage.order()
    with stage.plane.database.read() as tx:
        found = stage.control.try_out(tx, stage.window, Plan(timedelta(minutes=10)))
    assert [one.code for one in found] == ["held-by-hand", "rehearsal-under-way"]


def test_neither_beside_anothers_peak_nor_in_a_full_pool(stage: Stage) -> None:
    stage.office.submit(stage.office.ask(a_component(max_replicas=3), name="other"))
    stage.peak(stage.made, stage.plane.clock.now(), key="win_now")
    with stage.plane.database.read() as tx:
        found = stage.control.try_out(tx, stage.window, Plan(timedelta(minutes=10)))
    assert [one.code for one in found] == ["peak-on-pool"]


def test_a_peak_that_begins_meanwhile_ends_it(stage: Stage) -> None:
    stage.order()
    stage.come_up()
    stage.control.go_on()
    stage.peak(stage.made, stage.plane.clock.now(), key="win_now")
    stage.control.go_on()
    assert stage.last().ending is Ending.PEAK
    assert stage.senders[0].calls == ["start", "stop"]


def test_one_whose_environment_is_being_retired_ends(stage: Stage) -> None:
    stage.order()
    with stage.plane.database.write() as tx:
        store = stage.plane.stores.environments
        store.set_retiring(tx, store.get(tx, stage.made.id, lock=True))
    stage.control.go_on()
    assert stage.last().ending is Ending.GONE
