"""When an environment may sleep and when it wakes, as the API says it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from sqlalchemy import update

from cloudmgr.hosting.store.environments import environments
from cloudmgr.metering.observation import Change
from cloudmgr.metering.usage import Holding, Owner
from cloudmgr.pools.capacity import Resources
from cloudmgr.scaling.wakes import Wake, WakeCause
from tests.api.city import OURS
from tests.fakes import InstantPool

if TYPE_CHECKING:
    from tests.api.city import City


def office(city: City) -> str:
    """Our environment, with office hours and no peak, at ten in the morning of a Monday."""
    key = city.ours["environment_id"]
    with city.database.write() as tx:
        row = environments.c.id == key
        tx.execute(update(environments).where(row).values(scaling_class="office"))
        for window in city.services.windows.list(tx, environment_ids=[key]):
            city.services.windows.cancel(tx, window, city.clock.now())
    city.clock.set(datetime(2026, 6, 1, 2, tzinfo=UTC))
    return key


def called(city: City) -> None:
    """Our environment is called out of its sleep now, for a demonstration."""
    now = city.clock.now()
    within = timedelta(minutes=3)
    wake = Wake(
        city.ours["environment_id"], WakeCause.ORDER, now, now + within, actor="usr_operator",
        why="演示",
    )  # fmt: skip
    with city.database.write() as tx:
        city.services.wakes.put(tx, wake)


def test_the_hours_of_its_class_are_told_with_what_they_mean_now(city: City) -> None:
    client, path = city.client("officer"), f"/api/v1/environments/{office(city)}/hibernation"
    told = client.get(path).json()
    assert told.pop("last_wake")["fate"] == "kept"
    assert told.pop("woken")["status"] == "True"
    assert told.pop("asleep_costs") is not None
    assert (told.pop("waits"), told.pop("pool")) == (None, "unreachable")
    assert told.pop("lead")["minutes"] == 10
    assert told == {
        "scaling_class": "office",
        "idle_after_minutes": 30,
        "wake_within_minutes": 3,
        "time_zone": "Asia/Shanghai",
        "workdays": {"latest_wake": "08:00", "earliest_sleep": "20:00"},
        "other_days": None,
        "asleep": False,
        "held_until": "2026-06-01T12:00:00Z",
        "awake_until": None,
        "wakes_at": None,
    }


def test_an_order_to_sleep_before_its_earliest_sleep_is_refused_unless_forced(city: City) -> None:
    client, path = city.client("operator"), f"/api/v1/environments/{office(city)}"
    body = {"reason": "检修"}
    refused = client.post(f"{path}/hibernate", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "before-earliest-sleep")
    assert client.post(f"{path}/hibernate", json={**body, "force": True}).status_code == 200
    told = client.get(f"{path}/hibernation").json()
    assert (told["asleep"], told["held_until"]) == (True, None)
    assert told["wakes_at"] == "2026-06-01T23:57:00Z"


def test_an_order_to_sleep_until_a_day_puts_the_wake_off(city: City) -> None:
    client, path = city.client("operator"), f"/api/v1/environments/{office(city)}"
    body = {"reason": "停用", "force": True, "until": "2026-06-09T00:00:00+08:00"}
    assert client.post(f"{path}/hibernate", json=body).status_code == 200
    assert client.get(f"{path}/hibernation").json()["wakes_at"] is None


def test_a_wake_is_listed_with_its_promise_and_is_late_when_that_is_over(city: City) -> None:
    client, path = city.client("operator"), f"/api/v1/environments/{office(city)}"
    called(city)
    (wake, _) = client.get(f"{path}/wakes").json()["items"]
    assert (wake["cause"], wake["fate"], wake["why"]) == ("order", "waiting", "演示")
    assert wake["promised_by"] == "2026-06-01T02:03:00Z"
    assert client.get(f"{path}/hibernation").json()["woken"]["status"] == "Unknown"
    city.clock.advance(timedelta(minutes=4))
    told = client.get(f"{path}/hibernation").json()
    assert (told["last_wake"]["fate"], told["woken"]["reason"]) == ("late", "WakeLate")
    scraped = city.client("root").get("/metrics").text
    assert "cloudmgr_wakes_late 1.0" in scraped
    assert "cloudmgr_wakes_missed 0.0" in scraped
    assert "cloudmgr_wakes_waiting 0.0" in scraped


def stored(city: City, *held: tuple[str, int]) -> None:
    """Our environment holds so much of each meter, one that it gives back asleep among them."""
    now, key = city.clock.now(), city.ours["environment_id"]
    owner = Owner(key, "sys_exam", OURS, "extranet", "pool_exam")
    made = [
        Holding("pool", f"slot_{number}", meter, owner, "web", Decimal(rate), now, None, now)
        for number, (meter, rate) in enumerate((*held, ("vcpu", 4)))
    ]
    changes = [Change(None, one, ()) for one in made]
    with city.database.write() as tx:
        city.services.metering.holdings.write(tx, changes)


def test_what_it_still_costs_asleep_is_told_to_whoever_may_see_costs(city: City) -> None:
    path = f"/api/v1/environments/{office(city)}/hibernation"
    before = city.client("officer").get(path).json()["asleep_costs"]
    assert (before["storage_gib"], before["month"]) == ("0", "0.00")
    stored(city, ("storage", 20), ("storage", 5), ("address", 2))
    told = city.client("officer").get(path).json()["asleep_costs"]
    tariff = city.services.books.tariff()
    price = tariff.price_at("storage", "extranet", city.clock.now()).unit_price
    assert told == {
        "storage_gib": "25",
        "addresses": "2",
        "month": f"{(25 * price * 730).quantize(Decimal('0.01'), ROUND_HALF_UP)}",
        "currency": "CNY",
    }
    assert city.client("operator").get(path).json()["asleep_costs"] is None


def test_a_wake_into_a_full_pool_is_kept_and_says_what_it_waits_for(city: City) -> None:
    client, path = city.client("operator"), f"/api/v1/environments/{office(city)}"
    client.post(f"{path}/hibernate", json={"reason": "检修", "force": True})
    answer = client.post(f"{path}/wake", json={"reason": "演示"})
    assert answer.status_code == 202
    told = answer.json()
    assert told["state"] == "hibernated"
    assert (told["waits"]["waits_for"], told["waits"]["place"]) == ("room", 1)
    assert told["waits"]["en"] == "waits for room in its pool"
    told = client.get(f"{path}/hibernation").json()
    assert (told["waits"]["waits_for"], told["pool"]) == ("room", "unreachable")
    assert (told["last_wake"]["begun_at"], told["last_wake"]["fate"]) == (None, "waiting")
    city.services.drivers["pool_exam"] = InstantPool(Resources(100, 100, 10))  # type: ignore[index]
    assert client.get(f"{path}/hibernation").json()["pool"] == "full"
    city.services.drivers["pool_exam"] = InstantPool(Resources(64_000, 65_536, 1_000))  # type: ignore[index]
    assert client.get(f"{path}/hibernation").json()["pool"] == "free"
    again = client.post(f"{path}/wake", json={"reason": "再试", "until": "2026-06-02T00:00:00Z"})
    assert (again.status_code, again.json()["waits"]) == (200, None)


def test_a_test_wake_is_asked_for_now_and_recorded_with_its_result(city: City) -> None:
    client, path = city.client("officer"), f"/api/v1/environments/{office(city)}"
    city.services.drivers["pool_exam"] = InstantPool(Resources(64_000, 65_536, 1_000))  # type: ignore[index]
    awake = client.post(f"{path}/test-wake", json={"reason": "检查"})
    assert (awake.status_code, awake.json()["code"]) == (409, "awake")
    client.post(f"{path}/hibernate", json={"reason": "检修", "force": True})
    tried = client.post(f"{path}/test-wake", json={"reason": "检查"})
    assert (tried.status_code, tried.json()["target"]) == (200, {"web": 1})
    wake = client.get(f"{path}/wakes").json()["items"][0]
    assert (wake["cause"], wake["why"], wake["ready_after_seconds"]) == ("test", "检查", None)
    assert "cloudmgr_wake_tests_failed 0.0" in city.client("root").get("/metrics").text
