"""Whatever is wrong with what is sent: a clear error with its place, and nothing changed."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.city import MONTH, everything
from tests.fakes import InstantPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.testclient import TestClient

    from tests.api.city import City

ROOT = "/api/v1"
LONG = "长" * 10_000


def with_room(city: City) -> City:
    for pool_id in (city.ours["pool_id"], city.theirs["pool_id"]):
        city.services.drivers[pool_id] = InstantPool()  # type: ignore[index]
    return city


@pytest.fixture
def hosting(city: City) -> City:
    """A city whose pools have room."""
    return with_room(city)


@pytest.fixture(scope="module")
def seen_hosting(seen_city: City) -> City:
    """One such city for all that is refused, since that changes nothing."""
    return with_room(seen_city)


def a_new_request(city: City) -> dict[str, Any]:
    start = city.clock.now() + timedelta(days=10)
    return {
        "kind": "new",
        "system_id": city.ours["system_id"],
        "reason": "替代自有服务器",
        "environment": {
            "name": "second",
            "purpose": "test",
            "components": [
                {
                    "name": "web",
                    "command": ["serve"],
                    "cpu_millis": 250,
                    "memory_mib": 128,
                    "min_replicas": 1,
                    "max_replicas": 4,
                    "port": 8000,
                }
            ],
        },
        "windows": [
            {
                "component": "web",
                "starts_at": start.isoformat(),
                "ends_at": (start + timedelta(hours=4)).isoformat(),
                "replicas": 3,
                "expected_rps": "120",
            }
        ],
    }


def put(body: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """``body`` with ``value`` at ``path`` (``windows.0.replicas``)."""
    body = deepcopy(body)
    place: Any = body
    *before, last = path.split(".")
    for step in before:
        place = place[int(step)] if step.isdigit() else place[step]
    place[last] = value
    return body


def refused(client: TestClient, path: str, body: object, **headers: str) -> dict[str, Any]:
    answer = client.post(f"{ROOT}{path}", json=body, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    return found


def places(problem: dict[str, Any]) -> list[str]:
    return [error["path"] for error in problem["errors"]]


def test_the_request_that_the_others_spoil_is_a_good_one(hosting: City) -> None:
    client, body = hosting.client("officer"), a_new_request(hosting)
    tried = client.post(f"{ROOT}/requests/dry-run", json=body)
    assert tried.status_code == 200, tried.text
    sent = client.post(f"{ROOT}/requests", json=body)
    assert sent.status_code == 201, sent.text
    assert sent.json()["state"] in {"awaiting-approval", "fulfilled"}
    assert sent.json()["decision"]["outcome"] == tried.json()["decision"]["outcome"]


C = "environment.components.0"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{C}.cpu_millis", -1),
        (f"{C}.cpu_millis", 0),
        (f"{C}.cpu_millis", 10**30),
        (f"{C}.cpu_millis", 1.5),
        (f"{C}.cpu_millis", "250"),
        (f"{C}.memory_mib", True),
        (f"{C}.memory_mib", None),
        (f"{C}.storage_gib", 10**9),
        (f"{C}.max_replicas", 0),
        (f"{C}.min_replicas", 5),
        (f"{C}.port", 65_536),
        (f"{C}.name", "a b"),
        (f"{C}.name", LONG),
        (f"{C}.health_path", "no-slash"),
        (f"{C}.health_path", "/\x00"),
        (f"{C}.command", []),
        (f"{C}.command", [""]),
        (f"{C}.variables", {"PORT": "1"}),
        (f"{C}.variables", {"A B": "1"}),
        (f"{C}.variables", {"A": "x" * 30_000, "B": "y" * 30_000, "C": "考" * 15_000}),
        (f"{C}.files", {"../up": "1"}),
        (f"{C}.files", {"a": "1", "a/b": "2"}),
        (f"{C}.files", {"/etc/app.ini": "a command has no root of its own"}),
        (f"{C}.files", {"app.ini": "\x00"}),
        (f"{C}.secrets", ["A B"]),
        (f"{C}.secrets", ["CONFIG_DIR"]),
        (f"{C}.secrets", ["KEY", "KEY"]),
        (f"{C}.bindings", ["A B"]),
        (f"{C}.unknown", 1),
        ("environment.components", []),
        ("environment.name", "x" * 10_000),
        ("environment.name", "a\x07b"),
        ("environment.purpose", "fun"),
        ("kind", "destroy"),
        ("reason", LONG),
        ("reason", "a\x00b"),
        ("windows.0.component", "nobody"),
        ("windows.0.ends_at", "2020-01-01T00:00:00Z"),
        ("windows.0.starts_at", "tomorrow"),
        ("windows.0.starts_at", "2026-06-30T16:00:00"),
        ("windows.0.starts_at", "9999-12-31T23:59:59+00:00"),
        ("windows.0.replicas", 5),
        ("windows.0.replicas", -1),
        ("windows.0.expected_rps", "NaN"),
        ("windows.0.expected_rps", "-3"),
        ("windows.0.expected_rps", "1e400"),
        ("windows.0.note", LONG),
        ("system_id", "sys_\x00"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_at_its_place(
    seen_hosting: City, path: str, value: object
) -> None:
    client = seen_hosting.client("officer")
    body = put(a_new_request(seen_hosting), path, value)
    before = everything(seen_hosting)
    for verb in ("", "/dry-run"):
        problem = refused(client, f"/requests{verb}", body)
        assert problem["status"] == 422, problem
        # windows[0].replicas and windows.0.replicas are one place.
        spoken = [place.replace("[", ".").replace("]", "") for place in places(problem)]
        fields = path.split(".")
        assert any(
            place.split(".") == fields[: len(place.split("."))]
            or place.startswith(path)
            or (path.endswith("min_replicas") and place.endswith("max_replicas"))
            or (path.startswith("windows.0.starts_at") and place == "windows.0.ends_at")
            for place in spoken
        ), problem
    assert everything(seen_hosting) == before


def test_what_no_host_could_hold_is_denied_and_stays_visible_with_its_reason(
    hosting: City,
) -> None:
    client = hosting.client("officer")
    body = put(a_new_request(hosting), f"{C}.cpu_millis", 200_000)
    denied = client.post(f"{ROOT}/requests", json=body)
    assert (denied.status_code, denied.json()["state"]) == (201, "denied"), denied.text
    assert "one-replica-fits-a-host" in [
        reason["rule"] for reason in denied.json()["decision"]["reasons"]
    ]
    kept = client.get(denied.headers["Location"])
    assert kept.json() == denied.json()


ORDERS: dict[str, dict[str, Any]] = {
    "scale": {"component": "web", "replicas": 2, "reason": "演练"},
    "release": {"component": "web", "reason": "演练结束"},
    "hibernate": {"reason": "停用"},
    "wake": {"reason": "启用"},
}


@pytest.mark.parametrize(
    ("order", "path", "value"),
    [
        ("scale", "replicas", -1),
        ("scale", "replicas", 9),  # the approved ceiling is 8
        ("scale", "replicas", 10**12),
        ("scale", "replicas", 1.5),
        ("scale", "component", "nobody"),
        ("scale", "until", "2020-01-01T00:00:00Z"),
        ("scale", "reason", ""),
        ("scale", "reason", LONG),
        ("release", "component", "nobody"),
        ("release", "reason", "a\x00b"),
        ("hibernate", "force", "yes"),
        ("hibernate", "until", "2020-01-01T00:00:00Z"),
        ("hibernate", "reason", LONG),
        ("wake", "until", "2020-01-01T00:00:00Z"),
        ("wake", "reason", "\x1b[31m"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_at_its_place(
    seen_hosting: City, order: str, path: str, value: object
) -> None:
    client = seen_hosting.client("operator")
    url = f"/environments/{seen_hosting.ours['environment_id']}/{order}"
    before = everything(seen_hosting)
    problem = refused(client, url, put(ORDERS[order], path, value))
    assert problem["status"] in {404, 409, 422}, problem
    assert path in {*places(problem), problem.get("path")} or value == "nobody", problem
    assert everything(seen_hosting) == before


@pytest.mark.parametrize("order", list(ORDERS))
def test_an_order_goes_by_what_was_seen(hosting: City, order: str) -> None:
    client = hosting.client("operator")
    url = f"/environments/{hosting.ours['environment_id']}"
    seen = client.get(f"{ROOT}{url}").headers["ETag"]
    before = everything(hosting)
    problem = refused(client, f"{url}/{order}", ORDERS[order], **{"If-Match": '"0-0"'})
    assert (problem["status"], problem["code"]) == (412, "stale-version")
    assert everything(hosting) == before
    good = client.post(f"{ROOT}{url}/{order}", json=ORDERS[order], headers={"If-Match": seen})
    assert good.status_code == 200, good.text


def _submit(city: City) -> tuple[TestClient, str, dict[str, Any]]:
    return city.client("officer"), "/requests", a_new_request(city)


def _register(city: City) -> tuple[TestClient, str, dict[str, Any]]:
    body = {
        "department_id": city.ours["department_id"],
        "code": "lots",
        "name_zh": "摇号",
        "name_en": "Lottery",
        "zone": "extranet",
        "protection_level": 2,
        "purpose": "摇号",
    }
    return city.client("officer"), "/systems", body


def _scale(city: City) -> tuple[TestClient, str, dict[str, Any]]:
    url = f"/environments/{city.ours['environment_id']}/scale"
    return city.client("operator"), url, ORDERS["scale"]


@pytest.mark.parametrize("act", [_submit, _register, _scale])
def test_what_is_sent_again_with_its_key_is_done_once_and_never_with_another_body(
    hosting: City, act: Callable[[City], tuple[TestClient, str, dict[str, Any]]]
) -> None:
    client, path, body = act(hosting)
    headers = {"Idempotency-Key": "k1"}
    first = client.post(f"{ROOT}{path}", json=body, headers=headers)
    assert first.is_success, first.text
    before = everything(hosting)
    again = client.post(f"{ROOT}{path}", json=body, headers=headers)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    field = "reason" if "reason" in body else "purpose"
    problem = refused(client, path, {**body, field: "另一个"}, **headers)
    assert (problem["status"], problem["code"]) == (422, "idempotency-key-reused")
    assert everything(hosting) == before


def test_a_month_is_closed_once(seen_city: City) -> None:
    client = seen_city.client("finance")
    before = everything(seen_city)
    problem = refused(client, f"/billing/periods/{MONTH}/close", {"accept_gaps": True})
    assert problem["status"] == 409, problem
    assert everything(seen_city) == before


@pytest.mark.parametrize(
    ("month", "status"),
    [("2026-06", 409), ("2099-01", 409), ("2026-13", 422), ("2026-6", 422), ("never", 422)],
)
def test_a_month_that_is_not_over_or_is_none_is_not_closed(
    seen_city: City, month: str, status: int
) -> None:
    client = seen_city.client("finance")
    before = everything(seen_city)
    problem = refused(client, f"/billing/periods/{month}/close", {"accept_gaps": False})
    assert problem["status"] == status, problem
    assert everything(seen_city) == before
