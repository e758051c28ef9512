"""Systems, orders and announced peaks, as the API answers them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.api.city import OURS
from tests.builders import a_version, a_window

if TYPE_CHECKING:
    from tests.api.city import City

SYSTEM: dict[str, Any] = {
    "department_id": OURS,
    "code": "lots",
    "name_zh": "摇号",
    "name_en": "Lottery",
    "zone": "extranet",
    "protection_level": 2,
    "purpose": "摇号",
}


def test_a_code_that_is_taken_is_said_with_its_field(city: City) -> None:
    client = city.client("officer")
    assert client.post("/api/v1/systems", json=SYSTEM).status_code == 201
    again = client.post("/api/v1/systems", json=SYSTEM)
    assert (again.status_code, again.json()["code"]) == (409, "code-taken")
    assert again.json()["errors"][0]["path"] == "code"


def test_a_department_that_has_ended_registers_nothing(city: City) -> None:
    services, now = city.services, city.clock.now()
    with services.database.write() as tx:
        department = services.departments.get(tx, OURS)
        account = department.versions[-1].billing_account_id
        end = a_version(valid_from=now, billing_account_id=account, active=False)
        services.departments.add_version(tx, department, end, now)
    answer = city.client("officer").post("/api/v1/systems", json=SYSTEM)
    assert (answer.status_code, answer.json()["code"]) == (409, "department-ended")


def test_the_calendar_shows_what_is_ahead_and_neither_over_nor_cancelled(city: City) -> None:
    services, now = city.services, city.clock.now()
    environment_id = city.client("officer").get("/api/v1/environments").json()["items"][0]["id"]
    hour = timedelta(hours=1)

    def window(name: str, start: Any, environment: str = environment_id) -> Any:
        return a_window(start, start + hour, id=name, environment_id=environment)

    with services.database.write() as tx:
        for one in (
            window("win_over", now - 2 * hour),
            window("win_now", now),
            window("win_gone", now, "env_gone"),
            window("win_cancelled", now + hour),
        ):
            services.windows.add(tx, one)
        services.windows.cancel(tx, services.windows.get(tx, "win_cancelled"), now)
    for who in ("officer", "operator"):
        client = city.client(who)
        shown = [w["id"] for w in client.get("/api/v1/windows").json()["items"]]
        assert "win_now" in shown
        assert not {"win_over", "win_gone", "win_cancelled"} & set(shown)
        mine = client.get("/api/v1/windows", params={"environment_id": environment_id}).json()
        assert {w["environment_id"] for w in mine["items"]} == {environment_id}


def test_an_order_is_in_the_trail_with_its_reason_although_it_changes_nothing(city: City) -> None:
    client = city.client("officer")
    environment_id = client.get("/api/v1/environments").json()["items"][0]["id"]
    path = f"/api/v1/environments/{environment_id}/release"
    assert client.post(path, json={"component": "web", "reason": "演练结束"}).status_code == 200
    events = city.client("auditor").get("/api/v1/audit-events").json()["items"]
    assert events[0]["action"] == "environment.scale"
    assert events[0]["detail"]["reason"] == "演练结束"
    refused = client.post(path, json={"component": "web", "reason": "a\nb"}).json()
    assert (refused["code"], refused["errors"][0]["path"]) == ("reason-unfit", "reason")
