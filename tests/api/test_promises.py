"""Promises over HTTP: would it fit, booking without a request, insisting, and what is at risk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.errors import Temporary
from cloudmgr.pools.capacity import Resources
from tests.builders import a_component
from tests.fakes import InstantPool

if TYPE_CHECKING:
    from tests.api.city import City

DAY: dict[str, Any] = {
    "component": "web",
    "starts_at": "2026-07-01T00:00:00Z",
    "ends_at": "2026-07-01T04:00:00Z",
    "replicas": 6,
}


def answering(city: City, cores: int) -> City:
    """Both environments on the pool of ours, which has so many cores."""
    city.services.drivers["pool_exam"] = InstantPool(Resources(cores * 1_000, 65_536, 100))  # type: ignore[index]
    with city.database.write() as tx:
        for ids in (city.ours, city.theirs):
            environment = city.services.environments.get(tx, ids["environment_id"])
            city.services.environments.delete(tx, environment)
            component = a_component(cpu_millis=1_000, memory_mib=1_024)
            there = replace(environment, pool_id="pool_exam", components=(component,))
            city.services.environments.add(tx, there)
    return city


def asked(ids: dict[str, str], **more: Any) -> dict[str, Any]:
    return {**DAY, "environment_id": ids["environment_id"], **more}


def test_what_does_not_fit_is_refused_with_shortage_collisions_and_alternatives(
    city: City,
) -> None:
    operator = answering(city, 8).client("operator")
    assert operator.post("/api/v1/windows", json=asked(city.theirs)).status_code == 201
    refused = operator.post("/api/v1/windows", json=asked(city.ours, replicas=3))
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (409, "promise-does-not-fit")
    assert problem["shortages"] == [
        {
            "starts_at": "2026-06-30T23:50:00Z",
            "ends_at": "2026-07-01T04:00:00Z",
            "cpu_millis": 1000,
            "memory_mib": 0,
        }
    ]
    (collision,) = problem["collisions"]
    assert (collision["system_code"], collision["cpu_millis"]) == ("tax", 6000)
    assert problem["alternatives"] == {
        "earlier": {"starts_at": "2026-06-30T19:50:00Z", "ends_at": "2026-06-30T23:50:00Z"},
        "later": {"starts_at": "2026-07-01T04:10:00Z", "ends_at": "2026-07-01T08:10:00Z"},
        "replicas": 2,
    }
    assert "副本" in problem["zh"]
    for way in (
        problem["alternatives"]["earlier"],
        problem["alternatives"]["later"],
        {"replicas": 2},
    ):
        check = operator.post(
            "/api/v1/windows/check", json=asked(city.ours, **{"replicas": 3, **way})
        )
        assert check.json()["fits"] is True, check.text


def test_a_check_writes_nothing_and_names_of_another_department_the_system_alone(
    city: City,
) -> None:
    answering(city, 8).client("operator").post("/api/v1/windows", json=asked(city.theirs))
    with city.database.read() as tx:
        before = city.services.windows.list(tx)
    answer = city.client("officer").post("/api/v1/windows/check", json=asked(city.ours))
    assert answer.status_code == 200
    assert answer.json()["fits"] is False
    assert answer.json()["collisions"][0]["system_zh"] == "税务局"
    for hidden in ("env_tax", "dep_tax", "sys_tax"):
        assert hidden not in answer.text
    with city.database.read() as tx:
        assert city.services.windows.list(tx) == before


def test_what_is_being_retired_is_promised_nothing(city: City) -> None:
    answering(city, 8)
    environments = city.services.environments
    with city.database.write() as tx:
        environment = environments.get(tx, city.ours["environment_id"])
        environments.delete(tx, environment)
        environments.add(tx, replace(environment, retiring=True))
    for path in ("/api/v1/windows/check", "/api/v1/windows"):
        answer = city.client("operator").post(path, json=asked(city.ours))
        assert (answer.status_code, answer.json()["code"]) == (409, "retiring"), path


def test_an_officer_may_check_but_neither_book_nor_insist(city: City) -> None:
    officer = answering(city, 8).client("officer")
    for more in ({}, {"force": True, "reason": "必须"}):
        answer = officer.post("/api/v1/windows", json=asked(city.ours, **more))
        assert (answer.status_code, answer.json()["code"]) == (403, "role-missing")


def test_an_operator_may_insist_with_a_reason_that_is_kept(city: City) -> None:
    operator = answering(city, 2).client("operator")
    silent = operator.post("/api/v1/windows", json=asked(city.ours, force=True))
    assert silent.status_code == 422
    done = operator.post("/api/v1/windows", json=asked(city.ours, force=True, reason="市政府要求"))
    assert done.status_code == 201, done.text
    (event,) = (
        e
        for e in city.client("root").get("/api/v1/audit-events").json()["items"]
        if e["action"] == "window.book"
    )
    assert event["detail"]["force"] is True
    assert event["detail"]["reason"] == "市政府要求"
    assert "do not fit" in event["detail"]["against"]


def test_while_its_pool_does_not_answer_a_peak_is_refused_for_now(city: City) -> None:
    pool = answering(city, 8).services.drivers["pool_exam"]
    assert isinstance(pool, InstantPool)
    pool.failing = Temporary("no answer")
    operator = city.client("operator")
    for path in ("/api/v1/windows", "/api/v1/windows/check"):
        answer = operator.post(path, json=asked(city.ours))
        assert (answer.status_code, answer.json()["code"]) == (503, "pool-unreachable")
        assert "Retry-After" in answer.headers
    forced = asked(city.ours, force=True, reason="无法等待")
    assert operator.post("/api/v1/windows", json=forced).status_code == 201


@pytest.mark.parametrize(
    ("more", "code"),
    [
        pytest.param({"component": "nope"}, "invalid-window", id="component"),
        pytest.param({"replicas": 99}, "invalid-window", id="ceiling"),
        pytest.param({"ends_at": "2026-06-30T00:00:00Z"}, "invalid-window", id="backwards"),
    ],
)
def test_a_window_that_cannot_be_is_refused_by_its_field(
    city: City, more: dict[str, Any], code: str
) -> None:
    answer = (
        answering(city, 8)
        .client("operator")
        .post("/api/v1/windows/check", json=asked(city.ours, **more))
    )
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_promises_at_risk_are_listed_by_criticality_and_each_to_its_own(city: City) -> None:
    operator = answering(city, 14).client("operator")
    for ids in (city.ours, city.theirs):
        assert operator.post("/api/v1/windows", json=asked(ids)).status_code == 201
    path = "/api/v1/windows/at-risk"
    assert operator.get(path).json()["items"] == []
    city.services.drivers["pool_exam"] = InstantPool(Resources(3_000, 65_536, 100))  # type: ignore[index]
    found = operator.get(path).json()["items"]
    assert {one["system_code"] for one in found} == {"exam", "tax"}
    assert all(one["promise"]["shortages"] for one in found)
    assert operator.get(path, params={"criticality": 1}).json()["items"] == []
    own = city.client("officer").get(path).json()["items"]
    assert {one["department_id"] for one in own} == {"dep_exam"}
    first = operator.get(path, params={"limit": 1}).json()
    rest = operator.get(path, params={"cursor": first["next_cursor"]}).json()["items"]
    assert [*first["items"], *rest] == found
    (pool,) = (p for p in operator.get("/api/v1/pools").json()["items"] if p["id"] == "pool_exam")
    assert pool["promises_at_risk"] == len(found)


def test_of_two_who_book_the_last_room_at_once_one_gets_it(stored_city: City) -> None:
    city = answering(stored_city, 8)
    bodies = [asked(city.ours), asked(city.theirs)]

    def book(body: dict[str, Any]) -> int:
        return int(city.client("operator").post("/api/v1/windows", json=body).status_code)

    for day in range(1, 6):
        on = {"starts_at": f"2026-08-0{day}T00:00:00Z", "ends_at": f"2026-08-0{day}T04:00:00Z"}
        with ThreadPoolExecutor(2) as both:
            codes = sorted(both.map(book, [{**body, **on} for body in bodies]))
        assert codes == [201, 409]
