"""One pass over all environments of a zone, whoever reads."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from cloudmgr.pools.pool import Zone
from cloudmgr.scaling.activity import Sample
from cloudmgr.scaling.gateway.metrics import Counters, GatewayReading
from tests.builders import an_environment
from tests.scaling.rig import KEY, NOW, Rig

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database
    from cloudmgr.scaling.activity import Activity, ZoneTraffic

FIVE = timedelta(seconds=5)


@pytest.fixture
def rig(database: Database) -> Rig:
    """Looked at once and read once, with a request long ago."""
    rig = Rig(database).host()
    rig.look()
    rig.requests(1, 1.0)
    rig.read()
    rig.clock.advance(FIVE)
    return rig


def activity(rig: Rig, key: str = KEY) -> Activity | None:
    with rig.database.read() as tx:
        return rig.stores.activities.get(tx, key)


def zone(rig: Rig) -> ZoneTraffic | None:
    with rig.database.read() as tx:
        return rig.stores.activities.zone(tx, "extranet")


def recent(rig: Rig) -> tuple[Sample, ...]:
    found = activity(rig)
    assert found is not None
    return found.recent


def test_the_first_reading_tells_that_there_were_requests_but_not_how_many_at_once(
    rig: Rig,
) -> None:
    found = activity(rig)
    assert found is not None
    assert (found.requests, found.seconds, found.last_request_at) == (1, 1.0, NOW)
    assert found.recent == ()


def test_between_two_readings_the_mean_in_flight_is_told(rig: Rig) -> None:
    rig.requests(40, 20.0)
    assert rig.read() == {KEY}
    assert recent(rig) == (Sample(NOW + FIVE, 4.0),)


def test_only_what_is_louder_than_before_calls_for_a_look(rig: Rig) -> None:
    rig.requests(40, 20.0)
    rig.read()
    for seconds, louder in ((20.0, set()), (10.0, set()), (30.0, {KEY})):
        rig.clock.advance(FIVE)
        rig.requests(40, seconds)
        assert rig.read() == louder


def test_a_restarted_control_plane_goes_on_where_the_other_ended(rig: Rig) -> None:
    rig.requests(40, 20.0)
    rig.restart()
    rig.read()
    assert recent(rig) == (Sample(NOW + FIVE, 4.0),)


def test_two_control_planes_that_read_in_turn_count_nothing_twice(rig: Rig) -> None:
    first = rig.observer
    rig.restart()
    second = rig.observer
    for number in range(1, 5):
        rig.requests(40, 20.0)
        reader = second if number % 2 else first
        reader.observe({Zone.EXTRANET: GatewayReading(rig.epoch, dict(rig.counters))})
        assert recent(rig) == (Sample(rig.clock.now(), 4.0),)
        rig.clock.advance(FIVE)


def test_two_readings_of_the_same_moment_are_one(rig: Rig) -> None:
    rig.requests(40, 20.0)
    rig.read()
    before = zone(rig)
    rig.clock.advance(timedelta(milliseconds=50))
    rig.requests(1, 20.0)
    assert rig.read() == set()
    assert zone(rig) == before


def test_a_gateway_that_began_anew_is_not_compared_with_what_it_was(rig: Rig) -> None:
    rig.epoch, rig.counters = "2", {}
    rig.requests(3, 900.0)
    assert rig.read() == set()
    found, traffic = activity(rig), zone(rig)
    assert found is not None
    assert traffic is not None
    assert (found.requests, found.seconds, found.last_request_at) == (3, 900.0, NOW + FIVE)
    assert found.recent == ()
    assert traffic.since == NOW + FIVE
    rig.clock.advance(FIVE)
    rig.requests(40, 20.0)
    rig.read()
    assert recent(rig) == (Sample(NOW + 2 * FIVE, 4.0),)


def test_services_that_the_gateway_counts_anew_give_no_mean(rig: Rig) -> None:
    rig.requests(100, 50.0)
    rig.read()
    rig.clock.advance(FIVE)
    rig.counters[KEY] = Counters(7, 900.0)
    rig.read()
    assert recent(rig) == (Sample(NOW + FIVE, 10.0),)


def test_a_clock_that_is_put_back_gives_no_mean_and_the_next_reading_does(rig: Rig) -> None:
    rig.clock.set(NOW - timedelta(hours=3))
    rig.requests(40, 20.0)
    assert rig.read() == set()
    rig.clock.advance(FIVE)
    rig.requests(40, 20.0)
    rig.read()
    assert recent(rig) == (Sample(rig.clock.now(), 4.0),)


def test_nonsense_and_strangers_are_passed_over(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.counters |= {
        KEY: Counters(41, float("nan")),
        "env_unknown": Counters(5, 5.0),
    }
    assert rig.read() == set()
    assert activity(rig, "env_unknown") is None
    assert recent(rig) == ()
    assert "counts nonsense" in caplog.text


def test_hundreds_of_sleeping_environments_cost_no_statement_of_their_own(
    sqlite: Database,
) -> None:
    rig = Rig(sqlite).host(
        *(
            an_environment(id=f"env_{n}", name=f"e{n}", host=f"e{n}.localhost", target={"web": 0})
            for n in range(300)
        )
    )
    with sqlite.write() as tx:
        for n in range(300):
            rig.stores.scaling.locked_state(tx, f"env_{n}")
            rig.requests(1, 1.0, f"env_{n}")
    rig.read()
    statements: list[str] = []
    event.listen(sqlite.engine, "before_cursor_execute", lambda *found: statements.append(found[2]))
    rig.clock.advance(FIVE)
    rig.requests(40, 20.0, "env_7")
    assert rig.read() == {"env_7"}
    assert len(statements) <= 5
