"""Targets follow windows, traffic and room, whatever happened to the ticks in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import Conflict
from cloudmgr.pools.capacity import Resources
from cloudmgr.scaling.gateway.metrics import GatewayReading, parse
from tests.builders import a_component, a_window, an_environment
from tests.scaling.rig import HOUR, KEY, MINUTE, NOW, Rig, announced, without_writes

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.db.engine import Database

LEAD = 10 * MINUTE
SECOND = timedelta(seconds=1)
AWAKE = {"web": 1}


def test_a_second_look_writes_nothing(sqlite: Database) -> None:
    rig = Rig(sqlite).host()
    announced(rig, a_window(NOW, NOW + HOUR))
    rig.look()
    assert rig.target() == 6
    with without_writes(rig):
        rig.look()


def test_capacity_is_there_before_the_window_by_the_lead_time_and_goes_after_it(
    sqlite: Database,
) -> None:
    rig = Rig(sqlite).sleep()
    announced(rig, a_window(NOW + 2 * HOUR, NOW + 3 * HOUR))
    rig.read()
    wait = rig.look()
    assert wait == (2 * HOUR - LEAD).total_seconds()
    rig.clock.advance(timedelta(seconds=wait) - SECOND)
    rig.look()
    assert rig.environment().hibernated
    rig.clock.advance(SECOND)
    wait = rig.look()
    assert rig.target() == 6
    assert rig.decisions()[-1].en == "6 = window 6, ceiling 8"
    assert wait is not None
    rig.go_on(HOUR + LEAD - SECOND, step=60)
    assert rig.target() == 6
    rig.go_on(SECOND)
    assert rig.target() < 6


def test_a_look_in_the_middle_of_a_window_after_missed_ticks_finds_the_same(
    sqlite: Database,
) -> None:
    rig = Rig(sqlite).sleep()
    announced(rig, a_window(NOW + 2 * HOUR, NOW + 3 * HOUR))
    rig.clock.set(NOW + 2 * HOUR + 30 * MINUTE)
    assert rig.reconciler.keys() == [KEY]
    rig.look()
    assert rig.target() == 6


def test_a_clock_that_jumps_over_the_window_wakes_nobody(sqlite: Database) -> None:
    rig = Rig(sqlite).sleep()
    announced(rig, a_window(NOW + 2 * HOUR, NOW + 3 * HOUR))
    rig.clock.set(NOW + 4 * HOUR)
    assert rig.reconciler.keys() == []
    rig.look()
    assert rig.environment().hibernated


def test_a_clock_that_is_put_back_before_the_window_still_has_it(sqlite: Database) -> None:
    rig = Rig(sqlite).sleep()
    announced(rig, a_window(NOW + 2 * HOUR, NOW + 3 * HOUR))
    rig.clock.set(NOW + 4 * HOUR)
    rig.look()
    rig.clock.set(NOW + 2 * HOUR - LEAD)
    assert rig.reconciler.due() == [KEY]
    rig.look()
    assert rig.target() == 6


def test_a_restart_in_the_middle_of_a_window_changes_nothing(database: Database) -> None:
    rig = Rig(database).host()
    announced(rig, a_window(NOW, NOW + HOUR))
    rig.read()
    rig.look()
    before, told = rig.environment(), rig.decisions()
    rig.clock.advance(20 * MINUTE)
    rig.restart()
    assert rig.reconciler.keys() == [KEY]
    with without_writes(rig):
        rig.look()
    assert rig.environment() == before
    assert rig.decisions() == told


def test_between_windows_that_touch_or_overlap_nothing_falls(sqlite: Database) -> None:
    rig = Rig(sqlite).host()
    announced(
        rig,
        a_window(NOW, NOW + HOUR, id="win_1", replicas=4),
        a_window(NOW + HOUR, NOW + 2 * HOUR, id="win_2", replicas=5),
        a_window(NOW + 90 * MINUTE, NOW + 3 * HOUR, id="win_3", replicas=3),
    )
    rig.look()
    seen = []
    for _ in range(4 * 60):
        rig.go_on(MINUTE, step=60)
        seen.append(rig.target())
    changes = [seen[0], *(b for a, b in pairwise(seen) if a != b)]
    assert changes[:3] == [4, 5, 3]
    assert min(seen[: 3 * 60 - 1]) == 3
    # One decision for each change and each boundary, and none for the ticks.
    assert len(rig.decisions()) <= 6


def test_a_boundary_that_other_terms_hide_is_told_as_well(sqlite: Database) -> None:
    rig = Rig(sqlite).host()
    with rig.database.write() as tx:
        rig.control.scale(tx, KEY, "web", 6, actor="usr_op", why="fair")
    announced(rig, a_window(NOW + HOUR, NOW + 2 * HOUR, replicas=5))
    rig.go_on(HOUR)
    told = rig.decisions()[-1]
    assert (told.before, told.after) == (6, 6)
    assert told.en == "6 = max(window 5, manual 6), ceiling 8"


def test_traffic_brings_replicas_at_once_and_takes_them_when_it_stayed_low(
    sqlite: Database,
) -> None:
    rig = Rig(sqlite).host()
    rig.go_on(6 * MINUTE, in_flight=2)
    assert rig.target() == 1
    rig.clock.advance(5 * SECOND)
    rig.requests(100, 5 * 11.0)
    assert rig.read() == {KEY}
    rig.look()
    assert rig.target() == 3
    assert rig.decisions()[-1].en == "3 = reactive 3, ceiling 8"
    assert rig.decisions()[-1].zh == "3 = 实时负载 3，上限 8"
    rig.go_on(4 * MINUTE, in_flight=2)
    assert rig.target() == 3
    rig.go_on(2 * MINUTE, in_flight=2)
    assert rig.target() == 1


@pytest.mark.parametrize("in_flight", [3.9, 4.0, 4.1, 15.5])
def test_a_constant_load_makes_no_more_than_one_decision(
    sqlite: Database, in_flight: float
) -> None:
    rig = Rig(sqlite).host()
    rig.read()
    rig.go_on(20 * MINUTE, in_flight=in_flight, step=20)
    assert rig.target() == -(-in_flight // 4)
    assert len(rig.decisions()) <= 1


def test_an_idle_environment_sleeps_and_its_probes_do_not_keep_it_awake(
    sqlite: Database,
) -> None:
    rig = Rig(sqlite).host()
    rig.go_on(10 * MINUTE, in_flight=1)
    probed = 0

    def probe() -> None:
        nonlocal probed
        probed += 30
        text = (
            "traefik_config_reloads_total 1\n"
            f'traefik_router_requests_total{{code="200",router="{KEY}@file"}} '
            f"{rig.counters[KEY].requests}\n"
            f'traefik_router_request_duration_seconds_sum{{code="200",router="{KEY}@file"}} '
            f"{rig.counters[KEY].seconds}\n"
            f'traefik_router_requests_total{{code="200",router="{KEY}-health@file"}} {probed}\n'
        )
        counters = parse(text)
        assert counters.keys() == {KEY}
        rig.observer.observe({rig.environment().zone: GatewayReading("1", counters)})

    for _ in range(29):
        rig.clock.advance(MINUTE)
        probe()
        rig.look()
    assert rig.target() == 1
    for _ in range(2):
        rig.clock.advance(MINUTE)
        probe()
        rig.look()
    assert rig.environment().hibernated
    assert rig.decisions()[-1].en == "0: no request for 30 min, idle after 30 min"
    assert rig.reconciler.keys() == []


def test_without_readings_nobody_falls_asleep_and_nothing_is_taken(sqlite: Database) -> None:
    rig = Rig(sqlite).host()
    rig.go_on(10 * MINUTE, in_flight=11)
    assert rig.target() == 3
    for _ in range(20):
        rig.clock.advance(10 * MINUTE)
        rig.look()
    assert rig.target() == 3


def test_after_a_restart_of_the_gateway_what_runs_is_held_until_it_has_been_watched(
    sqlite: Database,
) -> None:
    rig = Rig(sqlite).host()
    rig.go_on(10 * MINUTE, in_flight=11)
    rig.clock.advance(20 * MINUTE)
    rig.epoch, rig.counters = "2", {}
    rig.go_on(4 * MINUTE)
    assert rig.target() == 3
    rig.go_on(2 * MINUTE)
    assert rig.target() == 1


def test_a_class_that_never_hibernates_stays_up(sqlite: Database) -> None:
    rig = Rig(sqlite).host(an_environment(scaling_class="steady"))
    rig.go_on(3 * HOUR, step=300)
    assert rig.target() == 1


def test_an_environment_without_a_web_component_is_never_idle(sqlite: Database) -> None:
    rig = Rig(sqlite).host(an_environment(components=(a_component(port=None),)))
    rig.go_on(3 * HOUR, step=300)
    assert rig.target() == 1


def test_a_window_gets_what_the_pool_has_and_more_when_there_is_more(sqlite: Database) -> None:
    rig = Rig(sqlite, capacity=Resources(250 * 8, 65_536, 10)).host(
        an_environment(),
        an_environment(id="env_tax", name="tax", host="tax.localhost", target={"web": 5}),
    )
    announced(rig, a_window(NOW, NOW + HOUR))
    rig.look()
    assert rig.target() == 3
    assert rig.decisions()[-1].en == (
        "3 = min(max(window 6, held (traffic unknown) 1), room 3), ceiling 8"
    )
    told = len(rig.decisions())
    rig.look()
    assert len(rig.decisions()) == told
    with rig.database.write() as tx:
        rig.environments.set_target(tx, rig.environments.get(tx, "env_tax"), AWAKE)
    rig.look()
    assert rig.target() == 6


def test_a_resize_lowers_what_runs_to_the_new_ceiling(sqlite: Database) -> None:
    rig = Rig(sqlite).host()
    announced(rig, a_window(NOW, NOW + HOUR))
    rig.look()
    rig.clock.advance(SECOND)
    with rig.database.write() as tx:
        rig.environments.set_components(
            tx, rig.environments.get(tx, KEY), (a_component(max_replicas=4),), {"web": 6}, "steady"
        )
    assert rig.reconciler.due() == [KEY]
    rig.look()
    assert rig.target() == 4
    assert rig.decisions()[-1].terms["class"] == "steady"


def test_a_status_that_is_written_at_the_same_time_does_not_stop_a_decision(
    sqlite: Database,
) -> None:
    rig = Rig(sqlite).host()
    announced(rig, a_window(NOW, NOW + HOUR))
    with rig.database.write() as tx:
        scene = rig.scaler.look(tx, KEY, NOW, lock=True)
        assessment = rig.scaler.assess(tx, scene, NOW)
        rig.environments.set_status(
            tx, scene.environment, replace(scene.environment.status, ready={"web": 1})
        )
        rig.scaler.carry_out(tx, scene, assessment, NOW)
    assert rig.target() == 6
    assert rig.environment().status.ready == {"web": 1}


def test_what_was_approved_anew_at_the_same_time_stops_a_decision(sqlite: Database) -> None:
    rig = Rig(sqlite).host()
    announced(rig, a_window(NOW, NOW + HOUR))
    with pytest.raises(Conflict), rig.database.write() as tx:
        scene = rig.scaler.look(tx, KEY, NOW, lock=True)
        assessment = rig.scaler.assess(tx, scene, NOW)
        rig.environments.set_components(
            tx, scene.environment, (a_component(max_replicas=2),), {"web": 1}, "standard"
        )
        rig.scaler.carry_out(tx, scene, assessment, NOW)


class Lost:
    """A right that another control plane has."""

    def check(self, _tx: Connection) -> None:
        raise Conflict("another control plane has taken over", code="lease-lost")


def test_who_has_lost_the_lease_writes_nothing(sqlite: Database) -> None:
    rig = Rig(sqlite).host()
    announced(rig, a_window(NOW, NOW + HOUR))
    with pytest.raises(Conflict):
        rig.reconciler.reconcile(KEY, Lost())
    assert rig.target() == 1
    assert rig.decisions() == []
