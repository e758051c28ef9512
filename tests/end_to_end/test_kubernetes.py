"""The main job on a Kubernetes pool: asked, signed, hosted, reached, asleep, woken, billed, gone.

The pods of the lab run as processes that have their addresses, so that Traefik and the waker reach
them as they would reach pods. What only a real cluster can show: its network between nodes, and
that a NetworkPolicy is enforced.
"""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.pools.drivers.kubernetes.names import namespace_of
from tests.end_to_end.plane import Place
from tests.end_to_end.test_whole import overlaps, served, visit
from tests.end_to_end.town import Town
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from tests.labs.kubernetes.controlplane import ControlPlane

pytestmark = [pytest.mark.kubernetes, pytest.mark.xdist_group("end-to-end")]

NUMBERS = count(1)
IMAGE: dict[str, Any] = {
    "command": [],
    "image": "lab/web:1",
    "port": 8080,
    "health_path": "/health",
    "storage_gib": 0,
}


@pytest.fixture
def prefix() -> str:
    """Of the pool's namespaces, and the name of its node: each test has its own."""
    return f"whole{next(NUMBERS)}"


@pytest.fixture
def place(
    tmp_path: Path, kubernetes_lab: ControlPlane, kubernetes_rights: Path, prefix: str
) -> Iterator[Place]:
    kubernetes_lab.add_node(prefix, cpu="8", memory="8Gi", labels={"lab/pool": prefix})
    pool = {
        "name": "k8s-extranet",
        "kind": "kubernetes",
        "zone": "extranet",
        "settings": {
            "kubeconfig": str(kubernetes_rights),
            "prefix": prefix,
            "node_selector": {"lab/pool": prefix},
            "spare_nodes": 0,
            "placeholder_image": "lab/nothing:1",
        },
    }
    made = Place(tmp_path, pools=[pool])
    made.init()
    try:
        yield made
    finally:
        made.down()


def test_from_a_request_to_an_answer_through_sleep_a_kill_and_back(
    place: Place, kubernetes_lab: ControlPlane, prefix: str
) -> None:
    plane = place.plane().start()
    town = Town(place, plane)
    environment = town.hosted(plane, **IMAGE)
    host, path = environment["host"], f"/environments/{environment['id']}"
    operator = plane.api(town.tokens["operator"])
    until(lambda: served(place, host), what="the route")

    operator.post(f"{path}/scale", {"component": "web", "replicas": 3, "reason": "演练"})
    town.ready(operator, environment["id"], 3)
    until(lambda: place.led_to(environment["id"]) == 3, what="the routes to all three")
    assert len({pid(visit(place, host)) for _ in range(12)}) == 3

    assert operator.get(f"{path}/changes") == {"changes": []}
    corrected = operator.post(f"{path}/correct", {"reason": "例行检查"})
    assert corrected["target"] == {"web": 3}, "there is nothing to put right, and that is a success"

    plane.kill()
    with ThreadPoolExecutor(4) as crowd:
        answers = list(crowd.map(lambda _: visit(place, host).status_code, range(40)))
    assert set(answers) == {200}, "pods go on serving without a control plane"
    plane.start()
    operator = plane.api(town.tokens["operator"])
    town.ready(operator, environment["id"], 3)

    operator.post(f"{path}/hibernate", {"reason": "演练结束", "force": True})
    until(lambda: operator.get(path)["status"]["replicas"]["web"] == 0, what="sleep")
    with ThreadPoolExecutor(20) as crowd:
        first = list(crowd.map(lambda _: visit(place, host).status_code, range(60)))
    assert set(first) == {200}, "whoever comes is held until it is awake"
    woken = [
        decision
        for decision in operator.items(f"{path}/decisions")
        if decision["before"] == 0 and decision["actor"] == "waker"
    ]
    assert len(woken) == 1, "sixty first requests wake it once"

    town.retire(plane, environment["id"])
    until(lambda: not list(operator.items("/environments")), what="the end of the environment")
    with kubernetes_lab.client() as api:
        namespace = namespace_of(prefix, environment["id"])
        assert api.get(f"/api/v1/namespaces/{namespace}").status_code == 404

    window = {"starts_at": "2020-01-01T00:00:00Z", "ends_at": "2100-01-01T00:00:00Z"}

    def metered() -> list[dict[str, Any]] | None:
        records = [r for r in operator.items("/usage", **window) if r["meter"] == "vcpu"]
        return records if len({r["resource"] for r in records}) >= 4 else None

    records = until(metered, what="the usage of all four pods")
    assert overlaps(records) == []
    assert plane.stop() == 0


def test_an_apiserver_that_is_away_while_more_are_started(
    place: Place, kubernetes_lab: ControlPlane, prefix: str
) -> None:
    plane = place.plane().start()
    town = Town(place, plane)
    environment = town.hosted(plane, **IMAGE)
    host, path = environment["host"], f"/environments/{environment['id']}"
    operator = plane.api(town.tokens["operator"])
    until(lambda: served(place, host), what="the route")
    first = pid(visit(place, host))
    namespace = namespace_of(prefix, environment["id"])

    def said(kind: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = operator.get(path)["status"]["conditions"]
        return next(condition for condition in found if condition["type"] == kind)

    operator.post(f"{path}/scale", {"component": "web", "replicas": 3, "reason": "演练"})
    deployment = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    with kubernetes_lab.client() as api:
        until(lambda: api.get(deployment).json()["spec"]["replicas"] == 3, what="three ordered")
    kubernetes_lab.end("apiserver", signal.SIGKILL)
    try:
        operator.post(f"{path}/scale", {"component": "web", "replicas": 4, "reason": "演练"})
        until(lambda: said("Applied")["reason"] == "PoolUnreachable", what="the news of it")
        away = said("Applied")
        assert away["status"] == "Unknown"
        assert away["message"].startswith(
            "the cluster of pool k8s-extranet cannot be reached: nobody listens at its address ("
        )
        assert away["message"].endswith("see that its apiserver runs and can be reached from here.")
        assert said("Available")["status"] == "True", "what runs serves"
        answers = [visit(place, host) for _ in range(40)]
        assert {answer.status_code for answer in answers} == {200}
        assert first in {pid(answer) for answer in answers}
    finally:
        kubernetes_lab.run("apiserver")
        kubernetes_lab.wait("apiserver")
    until(lambda: said("Applied")["reason"] == "AsApproved", seconds=120, what="its return")
    town.ready(operator, environment["id"], 4)
    until(lambda: place.led_to(environment["id"]) == 4, what="the routes to all four")
    assert first in {pid(visit(place, host)) for _ in range(40)}
    with kubernetes_lab.client() as api:
        pods = api.get(f"/api/v1/namespaces/{namespace}/pods").json()["items"]
    assert len(pods) == 4, "none twice"
    assert plane.stop() == 0


def pid(answer: httpx.Response) -> str:
    return next(line for line in answer.text.splitlines() if line.startswith("pid="))
