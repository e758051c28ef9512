"""What an environment needs, as the API takes and tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.builders import an_environment

if TYPE_CHECKING:
    from cloudmgr.hosting.environments import Environment
    from tests.api.city import City


def neighbour(city: City, name: str = "registry", **changes: Any) -> Environment:
    """Another environment of our system."""
    made = an_environment(
        **{
            "id": f"env_{name}",
            "name": name,
            "host": f"{name}.extranet.localhost",
            "system_id": city.ours["system_id"],
            "department_id": city.ours["department_id"],
            "pool_id": city.ours["pool_id"],
            **changes,
        }
    )
    with city.database.write() as tx:
        city.services.environments.add(tx, made)
    return made


def path(key: str) -> str:
    return f"/api/v1/environments/{key}/needs"


def test_what_it_needs_is_said_told_on_both_sides_and_taken_back(city: City) -> None:
    client, ours, other = city.client("officer"), city.ours["environment_id"], neighbour(city)
    assert client.get(path(ours)).json() == {"needs": [], "needed_by": [], "unseen": 0}
    told = client.put(path(ours), json={"needs": [other.id], "reason": "查登记库"})
    assert told.status_code == 200
    assert told.json()["needs"] == [
        {"environment_id": other.id, "host": other.host, "asleep": False}
    ]
    back = client.get(path(other.id)).json()
    assert [one["environment_id"] for one in back["needed_by"]] == [ours]
    events = city.client("auditor").get("/api/v1/audit-events?action=environment.needs")
    assert events.json()["items"][0]["detail"]["after"] == [other.id]
    client.put(path(ours), json={"needs": [], "reason": "不再需要"})
    assert client.get(path(ours)).json()["needs"] == []


def test_a_circle_and_oneself_are_refused_at_the_field(city: City) -> None:
    client, ours, other = city.client("officer"), city.ours["environment_id"], neighbour(city)
    client.put(path(ours), json={"needs": [other.id], "reason": "查登记库"})
    answer = client.put(path(other.id), json={"needs": [ours], "reason": "反过来"})
    assert (answer.status_code, answer.json()["code"]) == (422, "needs-in-a-circle")
    answer = client.put(path(ours), json={"needs": [ours], "reason": "自己"})
    assert answer.json()["code"] == "needs-itself"
    answer = client.put(path(ours), json={"needs": [other.id, other.id], "reason": "两次"})
    assert answer.status_code == 422


def test_another_departments_is_named_by_operators_alone_and_stays_unseen(city: City) -> None:
    officer, operator = city.client("officer"), city.client("operator")
    ours, theirs = city.ours["environment_id"], city.theirs["environment_id"]
    body = {"needs": [theirs], "reason": "查税务库"}
    assert officer.put(path(ours), json=body).status_code == 404
    assert operator.put(path(ours), json=body).status_code == 200
    assert officer.get(path(ours)).json() == {"needs": [], "needed_by": [], "unseen": 1}
    other = neighbour(city)
    # What an officer says of his own leaves what he does not see as it was.
    officer.put(path(ours), json={"needs": [other.id], "reason": "查登记库"})
    seen = operator.get(path(ours)).json()["needs"]
    assert sorted(one["environment_id"] for one in seen) == sorted([other.id, theirs])


def test_whoever_only_reads_says_nothing(city: City) -> None:
    client, ours = city.client("auditor"), city.ours["environment_id"]
    assert client.get(path(ours)).status_code == 200
    assert client.put(path(ours), json={"needs": [], "reason": "无"}).status_code == 403


def test_a_needed_one_is_not_put_to_sleep_unless_forced(city: City) -> None:
    client, ours, other = city.client("officer"), city.ours["environment_id"], neighbour(city)
    client.put(path(ours), json={"needs": [other.id], "reason": "查登记库"})
    order = f"/api/v1/environments/{other.id}/hibernate"
    refused = client.post(order, json={"reason": "检修"})
    assert (refused.status_code, refused.json()["code"]) == (409, "needed")
    assert client.post(order, json={"reason": "检修", "force": True}).status_code == 200
