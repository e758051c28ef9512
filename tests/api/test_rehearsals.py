"""Rehearsals over HTTP: tried, ordered, stopped, told; by whom, and of what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.api.test_promises import answering
from tests.builders import a_component

if TYPE_CHECKING:
    from tests.api.city import City

BODY: dict[str, Any] = {
    "minutes": 10,
    "load": {"per_second": 5, "seconds": 30},
    "reason": "正式考试前演练",
}


def staged(city: City, cores: int = 64) -> City:
    """Ours on a pool with room for the six replicas of its peak."""
    answering(city, cores)
    with city.database.write() as tx:
        services = city.services
        environment = services.environments.get(tx, city.ours["environment_id"])
        services.environments.delete(tx, environment)
        component = a_component(cpu_millis=1_000, memory_mib=1_024, max_replicas=8)
        services.environments.add(tx, replace(environment, components=(component,)))
    return city


def path(city: City, verb: str = "") -> str:
    return f"/api/v1/windows/{city.ours['window_id']}/rehearsals{verb}"


def test_it_is_tried_ordered_listed_and_stopped(city: City) -> None:
    officer = staged(city).client("officer")
    tried = officer.post(path(city, "/dry-run"), json=BODY)
    assert (tried.status_code, tried.json()["may"]) == (200, True), tried.text
    assert officer.get(path(city)).json() == {"rehearsals": []}
    made = officer.post(path(city), json=BODY)
    assert made.status_code == 201, made.text
    assert (made.json()["replicas"], made.json()["ended_at"]) == (6, None)
    environment = officer.get(f"/api/v1/environments/{city.ours['environment_id']}").json()
    assert environment["target"] == {"web": 6}
    assert officer.get(path(city)).json()["rehearsals"] == [made.json()]
    again = officer.post(path(city), json=BODY)
    assert again.status_code == 409
    stopped = officer.post(path(city, "/stop"), json={"reason": "系统响应异常"})
    assert stopped.status_code == 200
    city.services.rehearsing.go_on()
    (after,) = officer.get(path(city)).json()["rehearsals"]
    assert (after["ending"], after["stopped_by"]) == ("stopped", "usr_officer")
    nothing = officer.post(path(city, "/stop"), json={"reason": "再停一次"})
    assert (nothing.status_code, nothing.json()["code"]) == (409, "no-rehearsal")
    actions = [
        event["action"]
        for event in city.client("auditor").get("/api/v1/audit-events").json()["items"]
    ]
    assert {"window.rehearse", "window.stop-rehearsal"} <= set(actions)


def test_what_speaks_against_it_is_told_by_a_dry_run_and_refused_by_an_order(city: City) -> None:
    officer = staged(city, cores=4).client("officer")
    tried = officer.post(path(city, "/dry-run"), json=BODY).json()
    assert [one["code"] for one in tried["against"]] == ["no-room"]
    refused = officer.post(path(city), json=BODY)
    assert (refused.status_code, refused.json()["code"]) == (409, "no-room")


def test_no_load_beyond_policy_and_none_elsewhere(city: City) -> None:
    officer = staged(city).client("officer")
    for load in (
        {"per_second": 51},
        {"per_second": 5, "path": "http://other.example/"},
        {"per_second": 5, "seconds": 600},
        {"per_second": 0},
    ):
        answer = officer.post(path(city), json={**BODY, "load": load})
        assert answer.status_code == 422, load
    assert officer.post(path(city), json={"minutes": 240, "reason": "演练"}).status_code == 422


def test_who_only_reads_orders_none_and_others_learn_nothing(city: City) -> None:
    staged(city)
    assert city.client("auditor").post(path(city), json=BODY).status_code == 403
    assert city.client("auditor").get(path(city)).status_code == 200
    stranger = city.client("their-officer")
    assert stranger.get(path(city)).status_code == 404
    assert stranger.post(path(city), json=BODY).status_code == 404
