"""The main job with real processes: asked, signed, hosted, reached, asleep, woken, billed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.end_to_end.plane import Place
from tests.end_to_end.town import Town
from tests.postgres import fresh
from tests.scaling.serving import request
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("end-to-end")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    made.init()
    try:
        yield made
    finally:
        made.down()


def visit(
    place: Place, host: str, path: str = "/", zone: str = "extranet", **headers: str
) -> httpx.Response:
    return request(f"http://127.0.0.1:{place.gateway_ports[zone]}{path}", host, headers=headers)


def served(place: Place, host: str, zone: str = "extranet") -> bool:
    try:
        return visit(place, host, zone=zone).status_code == 200
    except httpx.TransportError:
        return False


def overlaps(usage: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Records of one resource and meter that say the same time twice."""
    lines: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for record in usage:
        key = (record["resource"], record["meter"])
        lines.setdefault(key, []).append((record["starts_at"], record["ends_at"]))
    return [
        key
        for key, intervals in lines.items()
        for (_, end), (start, _) in zip(sorted(intervals), sorted(intervals)[1:], strict=False)
        if start < end
    ]


def test_from_a_request_to_a_page_through_sleep_and_back(place: Place) -> None:
    plane = place.plane().start()
    town = Town(place, plane)
    environment = town.hosted(plane)
    host = environment["host"]
    until(lambda: served(place, host), what="the route")
    operator = plane.api(town.tokens["operator"])
    path = f"/environments/{environment['id']}"

    operator.post(f"{path}/scale", {"component": "web", "replicas": 3, "reason": "演练"})
    town.ready(operator, environment["id"], 3)
    until(lambda: len({visit(place, host).text for _ in range(12)}) == 3, what="three replicas")

    operator.post(f"{path}/hibernate", {"reason": "演练结束"})
    until(lambda: operator.get(path)["status"]["replicas"]["web"] == 0, what="sleep")
    assert place.replicas() == []
    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(lambda _: visit(place, host), range(100)))
    assert {answer.status_code for answer in answers} == {200}

    decisions = list(operator.items(f"{path}/decisions"))
    woken = [d for d in decisions if d["before"] == 0 and d["actor"] == "waker"]
    assert len(woken) == 1, "a hundred first requests wake it once"
    assert all(d["zh"] and d["en"] for d in decisions)
    log = operator.get(f"{path}/log", component="web", slot=0)
    assert isinstance(log["lines"], list)

    town.retire(plane, environment["id"])
    until(lambda: not list(operator.items("/environments")), what="the end of the environment")
    assert plane.stop() == 0


def test_a_control_plane_that_is_killed_and_started_again_goes_on(place: Place) -> None:
    plane = place.plane().start()
    town = Town(place, plane)
    environment = town.hosted(plane)
    host, path = environment["host"], f"/environments/{environment['id']}"
    plane.api(town.tokens["operator"]).post(
        f"{path}/scale", {"component": "web", "replicas": 3, "reason": "高峰"}
    )
    town.ready(plane.api(town.tokens["operator"]), environment["id"], 3)
    # A request that the waker holds ends with it: the promise is about replicas that are led to.
    until(lambda: place.led_to(environment["id"]) == 3, what="the routes to all three")
    before = {process.pid for process in place.replicas()}
    assert len(before) == 3

    plane.kill()
    with ThreadPoolExecutor(4) as crowd:
        answers = list(crowd.map(lambda _: visit(place, host).status_code, range(60)))
    assert set(answers) == {200}, "replicas go on serving without a control plane"

    plane.start()
    operator = plane.api(town.tokens["operator"])
    town.ready(operator, environment["id"], 3)
    assert {process.pid for process in place.replicas()} == before, "adopted, not doubled"

    place.replicas()[0].kill()
    until(
        lambda: len(place.replicas()) == 3 and {p.pid for p in place.replicas()} != before,
        what="the replacement",
    )
    town.ready(operator, environment["id"], 3)
    operator.post(f"{path}/hibernate", {"reason": "结束", "force": True})
    until(lambda: not place.replicas(), what="sleep")
    window = {"starts_at": "2020-01-01T00:00:00Z", "ends_at": "2100-01-01T00:00:00Z"}
    records = until(
        lambda: (
            [r for r in operator.items("/usage", **window) if r["meter"] == "vcpu"]
            if len(
                {r["resource"] for r in operator.items("/usage", **window) if r["meter"] == "vcpu"}
            )
            >= 4
            else None
        ),
        what="the usage of all four replicas",
    )
    assert overlaps(records) == []


def test_two_control_planes_share_the_work_and_one_takes_over(
    tmp_path: Path, postgres_url: str
) -> None:
    place = Place(tmp_path, fresh(postgres_url))
    place.init()
    try:
        one, two = place.plane().start(), place.plane().start()
        town = Town(place, one)
        environments = [town.hosted(one, f"env-{n}", max_replicas=2) for n in range(4)]
        operator = two.api(town.tokens["operator"])
        one.kill()
        for environment in environments:
            operator.post(
                f"/environments/{environment['id']}/scale",
                {"component": "web", "replicas": 2, "reason": "接管后扩容"},
            )
        for environment in environments:
            # The promise is 15 s from the kill; what is asserted is that it comes about at all.
            town.ready(operator, environment["id"], 2)
        assert len(place.replicas()) == 8, "every replica once"
    finally:
        place.down()
