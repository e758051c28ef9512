"""Secrets come in and never go out: by whom, with which answers, and where no value may be."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.identity.user import Scope
from tests.api.city import City, everything
from tests.builders import a_component
from tests.fakes import InstantPool

if TYPE_CHECKING:
    from httpx import Response

NAME, VALUE = "DATABASE_PASSWORD", "swordfish-swordfish"


def address(ids: dict[str, str], name: str = "") -> str:
    return f"/api/v1/environments/{ids['environment_id']}/secrets{name and f'/{name}'}"


def put(city: City, login: str = "officer", name: str = NAME, **more: Any) -> Response:
    ids = more.pop("ids", city.ours)
    body = more.pop("body", {"value": VALUE})
    answer: Response = city.client(login).put(address(ids, name), json=body, **more)
    return answer


def listed(city: City, login: str = "officer") -> list[dict[str, Any]]:
    answer = city.client(login).get(address(city.ours))
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["secrets"]
    return found


def tell(city: City, *names: str) -> None:
    """Have the component told just ``names``, as a resize would."""
    services = city.services
    with city.database.write() as tx:
        found = services.environments.get(tx, city.ours["environment_id"])
        told = (a_component(secrets=names),)
        services.environments.set_components(tx, found, told, found.target, "standard")


def test_an_officer_sets_a_value_which_nothing_ever_shows(
    stored_city: City, caplog: pytest.LogCaptureFixture
) -> None:
    city = stored_city
    (before,) = listed(city)
    assert (before["has_value"], before["components"], before["set_by"]) == (False, ["web"], None)
    generation = generation_of(city)
    with caplog.at_level(logging.DEBUG):
        answer = put(city)
    assert answer.status_code == 200, answer.text
    assert generation_of(city) == generation + 1
    (after,) = listed(city, "auditor")
    assert after == answer.json()
    assert (after["has_value"], after["set_by_login"]) == (True, "officer")
    assert after["set_at"] is not None
    environment = city.client("officer").get(address(city.ours).removesuffix("/secrets"))
    metrics = city.client("operator").get("/metrics")
    said = answer.text + str(answer.headers) + environment.text + metrics.text + caplog.text
    assert VALUE not in said
    assert VALUE not in repr(everything(city)), "it stands in the database"


def generation_of(city: City) -> int:
    with city.database.read() as tx:
        return city.services.environments.get(tx, city.ours["environment_id"]).generation


def test_the_audit_names_the_secret_and_who_set_and_dropped_it(city: City) -> None:
    put(city)
    tell(city)
    assert city.client("officer").delete(address(city.ours, NAME)).status_code == 204
    with city.database.read() as tx:
        found = [event for _, event in city.services.audit.list(tx)]
    kept = {event.action: event for event in found if "secret" in event.action}
    assert kept.keys() == {"environment.set-secret", "environment.drop-secret"}
    for event in kept.values():
        assert dict(event.detail) == {"secret": NAME}
        assert (event.actor_login, event.department_id) == ("officer", "dep_exam")
    assert listed(city) == []


@pytest.mark.parametrize("login", ["approver", "operator", "finance", "auditor", "root"])
def test_only_the_departments_officers_set_and_drop(seen_city: City, login: str) -> None:
    for answer in (
        put(seen_city, login),
        seen_city.client(login).delete(address(seen_city.ours, NAME)),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "role-missing")


def test_an_officer_of_another_department_finds_nothing(seen_city: City) -> None:
    client = seen_city.client("their-officer")
    answers = [
        put(seen_city, "their-officer"),
        client.get(address(seen_city.ours)),
        client.delete(address(seen_city.ours, NAME)),
    ]
    assert {(a.status_code, a.json()["code"]) for a in answers} == {(404, "not-found")}


def test_a_token_that_only_reads_sets_nothing(city: City) -> None:
    client = city.client(None, Authorization=f"Bearer {city.token('officer', Scope.READ)}")
    assert client.get(address(city.ours)).status_code == 200
    answer = client.put(address(city.ours, NAME), json={"value": VALUE})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")


def test_what_no_component_names_is_asked_for_and_what_one_names_is_kept(city: City) -> None:
    answer = put(city, name="TOKEN")
    assert (answer.status_code, answer.json()["code"]) == (409, "no-such-secret")
    assert "resize" in answer.json()["hint"]
    put(city)
    client = city.client("officer")
    answer = client.delete(address(city.ours, NAME))
    assert (answer.status_code, answer.json()["code"]) == (409, "secret-in-use")
    tell(city)
    (unused,) = listed(city)
    assert (unused["components"], unused["has_value"]) == ([], True)
    assert client.delete(address(city.ours, NAME)).status_code == 204
    assert client.delete(address(city.ours, NAME)).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"value": ""},
        {"value": f"{VALUE}\0"},
        {"value": VALUE * 2000},
        {"value": "字" * 20_000},
        {"value": [VALUE]},
        {"value": VALUE, "more": VALUE},
        VALUE,
    ],
)
def test_a_value_that_is_refused_is_not_repeated(
    seen_city: City, caplog: pytest.LogCaptureFixture, body: Any
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = put(seen_city, body=body)
    assert answer.status_code == 422
    assert VALUE not in answer.text + caplog.text
    assert "字" not in answer.text


def test_whoever_saw_an_older_version_may_be_held_to_it(city: City) -> None:
    client = city.client("officer")
    tag = client.get(address(city.ours)).headers["ETag"]
    first = put(city, headers={"If-Match": tag})
    assert first.status_code == 200
    assert first.headers["ETag"] == client.get(address(city.ours)).headers["ETag"] != tag
    again = put(city, headers={"If-Match": tag})
    assert (again.status_code, again.json()["code"]) == (412, "stale-version")
    tag = first.headers["ETag"]
    same = client.get(address(city.ours), headers={"If-None-Match": tag})
    assert same.status_code == 304


def test_an_environment_that_retires_takes_no_more(city: City) -> None:
    put(city)
    with city.database.write() as tx:
        found = city.services.environments.get(tx, city.ours["environment_id"])
        city.services.environments.set_retiring(tx, found)
    answers = put(city), city.client("officer").delete(address(city.ours, NAME))
    assert {(a.status_code, a.json()["code"]) for a in answers} == {(409, "retiring")}


def test_what_is_put_right_by_hand_is_told_its_secrets_too(city: City) -> None:
    pool = InstantPool()
    city.services.drivers[city.ours["pool_id"]] = pool  # type: ignore[index]
    client = city.client("operator")
    path = address(city.ours).replace("/secrets", "/correct")
    answer = client.post(path, json={"reason": "演练"})
    assert (answer.status_code, answer.json()["code"]) == (409, "secrets-missing")
    assert NAME in answer.json()["detail"]
    assert pool.writes == []
    put(city)
    answer = client.post(path, json={"reason": "演练"})
    assert answer.status_code == 200, answer.text
    (component,) = pool.workloads[city.ours["environment_id"]].components
    assert component.secrets[NAME].value == VALUE
    assert VALUE not in answer.text


def test_without_a_key_it_is_said_what_an_operator_does(city: City) -> None:
    city.services.secrets._key_file.path.unlink()
    answer = put(city)
    assert (answer.status_code, answer.json()["code"]) == (409, "secrets-sealed")
    assert "openssl rand" in answer.json()["hint"]
    (secret,) = listed(city)
    assert secret["has_value"] is False
