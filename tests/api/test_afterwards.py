"""Looking back on a peak, as the API tells it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from cloudmgr.metering.observation import Change
from cloudmgr.metering.usage import Holding, Owner
from cloudmgr.scaling.demand import STEP, Slot, begin
from tests.builders import a_window

if TYPE_CHECKING:
    from tests.api.city import City

HOUR = timedelta(hours=1)


def over(city: City, ids: dict[str, str]) -> str:
    """The id of a peak that ended an hour ago: two replicas, one of them ten minutes late."""
    end = begin(city.clock.now()) - HOUR
    start = end - HOUR
    with city.database.write() as tx:
        services = city.services
        environment = services.environments.get(tx, ids["environment_id"])
        window = a_window(start, end, id="win_over", environment_id=environment.id, replicas=2)
        services.windows.add(tx, window)
        owner = Owner(
            environment.id,
            environment.system_id,
            environment.department_id,
            environment.zone.value,
            environment.pool_id,
        )
        for name, began in (("one", start - HOUR), ("two", start + 2 * STEP)):
            held = Holding(
                "pool:test", name, "vcpu", owner, "web", Decimal(1), began, end, end, lost=False
            )
            services.metering.holdings.write(tx, [Change(None, held, ())])
        services.demand.add(tx, [Slot(environment.id, start + STEP, 900, 2400.0)])
    return window.id


def test_what_ran_and_what_was_asked_for_is_told(city: City) -> None:
    key = over(city, city.ours)
    told = city.client("officer").get(f"/api/v1/windows/{key}/afterwards")
    assert told.status_code == 200, told.text
    found = told.json()
    assert (found["promised"], found["minutes_early"], found["least"]) == (2, -10.0, 1)
    assert found["minutes_short"] == 10.0
    assert found["asked"]["requests"] == 900
    target = float(city.services.policies.current.scaling_classes["standard"].target_in_flight)
    assert found["asked"]["highest_replicas"] == round(8.0 / target, 3)
    assert "10 min late" in found["en"]
    assert "晚 10 分钟" in found["zh"]


def test_one_that_is_ahead_has_nothing_to_look_back_on(city: City) -> None:
    answer = city.client("officer").get(f"/api/v1/windows/{city.ours['window_id']}/afterwards")
    assert (answer.status_code, answer.json()["code"]) == (409, "not-over")


def test_nobody_looks_back_on_a_peak_of_others(city: City) -> None:
    key = over(city, city.theirs)
    answer = city.client("officer").get(f"/api/v1/windows/{key}/afterwards")
    assert answer.status_code == 404
    assert city.client("everybody").get(f"/api/v1/windows/{key}/afterwards").status_code == 200
