"""What if, over HTTP: a pool's own calendar, with other hosts, and with more that asks for room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.errors import Temporary
from cloudmgr.pools.capacity import Capacity, Host, Resources
from tests.api.test_promises import DAY, answering, asked
from tests.fakes import InstantPool

if TYPE_CHECKING:
    from tests.api.city import City

JULY: dict[str, Any] = {"from": "2026-07-01T00:00:00+08:00", "to": "2026-08-01T00:00:00+08:00"}


class SomeHosts(InstantPool):
    """A pool of hosts of four cores, of which one may fail."""

    def __init__(self, count: int) -> None:
        super().__init__()
        room = Resources(4_000, 65_536, 100)
        self._capacity = Capacity(tuple(Host(f"host-{n}", room) for n in range(count)), spare=1)


def of_hosts(city: City, count: int) -> City:
    """Both environments on a pool of so many hosts of four cores."""
    answering(city, 1)
    city.services.drivers["pool_exam"] = SomeHosts(count)  # type: ignore[index]
    return city


def simulated(city: City, **more: Any) -> Any:
    answer = city.client("operator").post("/api/v1/pools/pool_exam/simulate", json={**JULY, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_what_was_promised_fits_and_one_host_fewer_would_do(city: City) -> None:
    operator = of_hosts(city, 4).client("operator")
    assert operator.post("/api/v1/windows", json=asked(city.theirs)).status_code == 201
    found = simulated(city)
    assert (found["fits"], found["broken"], found["shortages"]) == (True, [], [])
    assert (found["hosts"], found["spare_hosts"]) == (4, 1)
    assert (found["least_hosts"], found["hosts_to_buy"]) == (3, 0)
    assert found["tightest"]["asked"]["cpu_millis"] == 6_000
    assert found["tightest"]["room"]["cpu_millis"] == 12_000
    assert "It fits: 50% is taken" in found["en"]
    assert "至少需要 3 台（含 1 台冗余）" in found["zh"]
    fewer = simulated(city, more_hosts=-2)
    assert (fewer["fits"], fewer["hosts"], fewer["hosts_to_buy"]) == (False, 2, 1)
    (broken,) = fewer["broken"]
    assert broken["environment_id"] == city.theirs["environment_id"]
    assert broken["missing"] == {"cpu_millis": 2_000, "memory_mib": 0}
    assert broken["starts_at"] == "2026-06-30T23:50:00Z", "with its lead"


def test_hosts_that_fail_in_the_peak_break_it_once_more_are_away_than_may(city: City) -> None:
    operator = of_hosts(city, 3).client("operator")
    assert operator.post("/api/v1/windows", json=asked(city.theirs)).status_code == 201

    def failing(hosts: int) -> Any:
        times = {"from": "2026-07-01T03:00:00Z", "to": "2026-07-02T00:00:00Z"}
        return simulated(city, failures=[{"hosts": hosts, **times}])

    assert failing(1)["fits"] is True
    found = failing(2)
    assert found["broken_count"] == 1
    (short,) = found["shortages"]
    assert (short["starts_at"], short["ends_at"]) == (
        "2026-07-01T03:00:00Z",
        "2026-07-01T04:00:00Z",
    )
    assert [point["away"] for point in found["points"]] == [0, 0, 2, 2, 0]
    assert "1 promise would be broken" in found["en"]


def test_thirty_more_like_one_tell_how_much_is_to_be_bought(city: City) -> None:
    operator = of_hosts(city, 3).client("operator")
    assert operator.post("/api/v1/windows", json=asked(city.ours)).status_code == 201
    with city.database.read() as tx:
        before = city.services.windows.list(tx)
    found = simulated(city, more=[{"copies": 30, "like": city.ours["environment_id"]}])
    assert found["tightest"]["asked"]["cpu_millis"] == 31 * 6_000
    assert (found["least_hosts"], found["hosts_to_buy"]) == (48, 45)
    assert found["broken_count"] == 30
    assert {one["environment_id"] for one in found["broken"]} == {
        f"more-1-{number}" for number in range(1, 31)
    }, "who was promised first keeps it"
    with city.database.read() as tx:
        assert city.services.windows.list(tx) == before, "nothing is written"


def test_windows_come_as_a_list_or_a_calendar_and_of_systems_that_are_not_there(
    city: City,
) -> None:
    of_hosts(city, 3)
    window = asked(city.ours)
    assert simulated(city, windows=[window])["tightest"]["asked"]["cpu_millis"] == 6_000
    event = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//city//\r\nBEGIN:VEVENT\r\nUID:a@city\r\n"
        "DTSTART:20260710T010000Z\r\nDTEND:20260710T030000Z\r\nX-CLOUDMGR-REPLICAS:5\r\n"
        "{}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    named = event.format(f"X-CLOUDMGR-ENVIRONMENT:{city.ours['environment_id']}\r\n")
    found = simulated(city, calendar=named)
    assert found["tightest"]["asked"]["cpu_millis"] == 5_000
    assert found["tightest"]["at"] == "2026-07-10T00:50:00Z"
    component = {"name": "web", "cpu_millis": 500, "memory_mib": 64, "max_replicas": 9}
    component |= {"command": ["app"], "port": 8000}
    new = {"components": [component], "criticality": 4}
    found = simulated(city, calendar=event.format(""), more=[{"copies": 4, "new": new}])
    assert found["tightest"]["asked"]["cpu_millis"] == 4 * 5 * 500


@pytest.mark.parametrize(
    ("more", "path", "says"),
    [
        ({"to": "2026-07-01T00:00:00+08:00"}, "to", "it ends before it begins"),
        ({"more_hosts": -9}, "more_hosts", "has 3 hosts: there cannot be 9 fewer"),
        (
            {"windows": [asked({"environment_id": "env_none"})]},
            "windows[0].environment_id",
            "the pool has no environment env_none",
        ),
        (
            {"windows": [asked({"environment_id": "env_exam"}, component="db")]},
            "windows[0].component",
            "there is no component db, but web",
        ),
        (
            {"more": [{"like": "env_exam", "windows": [{**DAY, "replicas": 900}]}]},
            "more[0].windows[0].replicas",
            "web may have 8 replicas at most",
        ),
        ({"more": [{"copies": 2}]}, "more[0]", "give one of like and new"),
        ({"calendar": "BEGIN:NOTHING"}, "", "this is no iCalendar"),
    ],
    ids=["span", "hosts", "environment", "component", "ceiling", "like", "calendar"],
)
def test_what_cannot_be_is_refused_with_its_place(
    city: City, more: dict[str, Any], path: str, says: str
) -> None:
    of_hosts(city, 3)
    answer = city.client("operator").post("/api/v1/pools/pool_exam/simulate", json={**JULY, **more})
    assert answer.status_code == 422, answer.text
    assert says in answer.text
    assert path in answer.text


def test_a_pool_that_does_not_answer_says_so_and_officers_may_not_ask(city: City) -> None:
    pool = InstantPool()
    pool.failing = Temporary("no route", code="unreachable")
    city.services.drivers["pool_exam"] = pool  # type: ignore[index]
    asks = ("/api/v1/pools/pool_exam/simulate",)
    answer = city.client("operator").post(*asks, json=JULY)
    assert (answer.status_code, answer.json()["code"]) == (503, "pool-unreachable")
    assert city.client("officer").post(*asks, json=JULY).status_code == 403
    assert city.client("operator").post(asks[0].replace("exam", "no"), json=JULY).status_code == 404
