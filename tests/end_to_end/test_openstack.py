"""The main job on an OpenStack pool: asked, signed, hosted, reached, asleep, woken, billed, gone.

The servers of the lab run as processes that have their addresses, so that Traefik and the waker
reach them as they would reach servers. What only a real cloud can show: its network, and that a
security group is enforced.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.plane import Place
from tests.end_to_end.test_whole import overlaps, served, visit
from tests.end_to_end.town import Town
from tests.pools.openstack_ground import pool, room
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.labs.openstack.cloud import Cloud

pytestmark = [pytest.mark.openstack, pytest.mark.xdist_group("end-to-end")]

NUMBERS = count(1)
IMAGE: dict[str, Any] = {
    "command": [],
    "image": "lab-web:1",
    "port": 8080,
    "health_path": "/health",
    "storage_gib": 1,
    "cpu_millis": 1000,
}


@pytest.fixture
def place(tmp_path: Path, openstack_lab: Cloud, openstack_rights: Path) -> Iterator[Place]:
    room(openstack_lab)
    hosting = {
        "name": "cloud-extranet",
        "kind": "openstack",
        "zone": "extranet",
        "settings": pool(openstack_lab, openstack_rights, f"whole{next(NUMBERS)}"),
    }
    made = Place(tmp_path, pools=[hosting])
    made.init()
    try:
        yield made
    finally:
        made.down()


def test_from_a_request_to_an_answer_through_sleep_a_kill_and_back(
    place: Place, openstack_lab: Cloud
) -> None:
    projects = len(openstack_lab.find("identity", "projects"))
    plane = place.plane().start()
    town = Town(place, plane)
    environment = town.hosted(plane, **IMAGE)
    host, path = environment["host"], f"/environments/{environment['id']}"
    operator = plane.api(town.tokens["operator"])
    until(lambda: served(place, host), seconds=60, what="the route")

    operator.post(f"{path}/scale", {"component": "web", "replicas": 3, "reason": "演练"})
    town.ready(operator, environment["id"], 3)
    until(lambda: place.led_to(environment["id"]) == 3, seconds=60, what="the routes to all three")

    plane.kill()
    with ThreadPoolExecutor(4) as crowd:
        answers = list(crowd.map(lambda _: visit(place, host).status_code, range(40)))
    assert set(answers) == {200}, "servers go on serving without a control plane"
    plane.start()
    operator = plane.api(town.tokens["operator"])
    town.ready(operator, environment["id"], 3)

    operator.post(f"{path}/hibernate", {"reason": "演练结束", "force": True})
    until(lambda: operator.get(path)["status"]["replicas"]["web"] == 0, seconds=120, what="sleep")
    with ThreadPoolExecutor(20) as crowd:
        first = list(crowd.map(lambda _: visit(place, host).status_code, range(40)))
    assert set(first) == {200}, "whoever comes is held until it is awake"
    woken = [
        decision
        for decision in operator.items(f"{path}/decisions")
        if decision["before"] == 0 and decision["actor"] == "waker"
    ]
    assert len(woken) == 1, "forty first requests wake it once"

    town.retire(plane, environment["id"])
    until(
        lambda: not list(operator.items("/environments")),
        seconds=120,
        what="the end of the environment",
    )
    # The department's goes a moment after its last environment's.
    until(
        lambda: len(openstack_lab.find("identity", "projects")) == projects,
        what="no project that was not there before",
    )

    window = {"starts_at": "2020-01-01T00:00:00Z", "ends_at": "2100-01-01T00:00:00Z"}

    def metered(meter: str, count: int) -> list[dict[str, Any]] | None:
        records = [r for r in operator.items("/usage", **window) if r["meter"] == meter]
        return records if len({r["resource"] for r in records}) >= count else None

    runs = until(lambda: metered("vcpu", 4), seconds=60, what="three servers, and the waking")
    volumes = until(lambda: metered("storage", 3), seconds=60, what="three volumes")
    assert overlaps(runs) == overlaps(volumes) == []
    assert plane.stop() == 0
