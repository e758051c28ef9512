"""One control plane, two zones, a cluster in each: nothing of one is ever told to the other.

Each apiserver logs every request with its whole body: what is not in its log it was not told.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from cloudmgr.pools.drivers.kubernetes.names import namespace_of
from tests.conftest import PRIORITIES, chart_rules
from tests.end_to_end.plane import Place
from tests.end_to_end.test_whole import served, visit
from tests.end_to_end.town import Town
from tests.labs.kubernetes import tenancy
from tests.labs.kubernetes.controlplane import ControlPlane
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.end_to_end.plane import Plane

pytestmark = [pytest.mark.kubernetes, pytest.mark.xdist_group("end-to-end")]

ZONES = {"extranet": "vehicles", "intranet": "personnel"}
IMAGE: dict[str, Any] = {
    "command": [],
    "image": "lab/web:1",
    "port": 8080,
    "health_path": "/health",
    "storage_gib": 1,
}


class Zone:
    """The cluster of one zone, and the account that cloudmgr has there."""

    def __init__(self, name: str, directory: Path, binary: Path) -> None:
        self.name = name
        self.account = f"cloudmgr-{name}"
        # Its authority is its own: whoever holds the other's does not even speak to it.
        self.lab = ControlPlane(directory, binary, audit="RequestResponse")
        self.kubeconfig = directory / f"{self.account}.kubeconfig"

    def start(self) -> None:
        tenancy.install(self.lab.start())
        self.lab.create(PRIORITIES)
        self.lab.add_node(f"node-{self.name}", cpu="8", memory="8Gi")
        assert self.lab.account(self.account, chart_rules()) == self.kubeconfig

    def pool(self) -> dict[str, Any]:
        settings = {
            "kubeconfig": str(self.kubeconfig),
            "prefix": self.name,
            "storage_class": "lab",
            "storage_gib": 100,
            "spare_nodes": 0,
        }
        return {
            "name": f"k8s-{self.name}",
            "kind": "kubernetes",
            "zone": self.name,
            "settings": settings,
        }

    def told(self) -> str:
        """Everything that anybody asked of its apiserver, and got."""
        return (self.lab.directory / "audit.log").read_text()

    def knew_everybody(self) -> bool:
        return '"code":401' not in self.told()


@pytest.fixture
def zones(tmp_path: Path, kubernetes_binary: Path) -> Iterator[dict[str, Zone]]:
    made: dict[str, Zone] = {}
    while len({zone.lab.block for zone in made.values()}) < len(ZONES):
        made = {name: Zone(name, tmp_path / name, kubernetes_binary) for name in ZONES}
    try:
        for zone in made.values():
            zone.start()
        yield made
    finally:
        for zone in made.values():
            zone.lab.stop()


@pytest.fixture
def place(tmp_path: Path, zones: dict[str, Zone]) -> Iterator[Place]:
    made = Place(tmp_path / "place", pools=[zone.pool() for zone in zones.values()])
    made.init()
    try:
        yield made
    finally:
        made.down()


def life(
    place: Place, plane: Plane, town: Town, zone: str, component: dict[str, Any]
) -> dict[str, Any]:
    """An environment asked for, reached, scaled, asleep and woken."""
    environment = town.hosted(plane, **component)
    host, path = environment["host"], f"/environments/{environment['id']}"
    until(lambda: served(place, host, zone), what="the route")
    operator = plane.api(town.tokens["operator"])
    operator.post(f"{path}/scale", {"component": "web", "replicas": 2, "reason": "演练"})
    town.ready(operator, environment["id"], 2)
    operator.post(f"{path}/hibernate", {"reason": "演练结束", "force": True})
    until(lambda: operator.get(path)["status"]["replicas"]["web"] == 0, what="sleep")
    assert visit(place, host, zone=zone).status_code == 200, "it wakes"
    return environment


def test_each_zones_cluster_is_told_of_its_own_and_of_nothing_else(
    place: Place, zones: dict[str, Zone]
) -> None:
    plane = place.plane().start()
    towns = {name: Town(place, plane, code, name) for name, code in ZONES.items()}
    with ThreadPoolExecutor() as both:
        lives = both.map(lambda name: life(place, plane, towns[name], name, IMAGE), ZONES)
        environments = dict(zip(ZONES, lives, strict=True))
    for name, environment in environments.items():
        towns[name].retire(plane, environment["id"])
    operator = plane.api(towns["extranet"].tokens["operator"])
    until(lambda: not list(operator.items("/environments")), what="the end of both")
    assert plane.stop() == 0

    for name, zone in zones.items():
        (other,) = (each for each in ZONES if each != name)
        told = zone.told()
        own, foreign = environments[name], environments[other]
        for word in (
            own["id"],
            namespace_of(name, own["id"]),
            towns[name].system,
            towns[name].department,
        ):
            assert word in told, "it was told of its own"
        for word in (
            foreign["id"],
            foreign["id"].removeprefix("env_"),
            foreign["host"],
            towns[other].system,
            towns[other].department,
            ZONES[other],
            zones[other].account,
            zones[other].lab.url,
        ):
            assert word not in told, f"{name} was told of {word}"

        ours = [entry for entry in zone.lab.requests() if entry["userAgent"] == "cloudmgr"]
        assert {entry["user"]["username"] for entry in ours} == {
            f"system:serviceaccount:default:{zone.account}"
        }
        assert {entry["level"] for entry in ours} >= {"RequestResponse"}, "bodies are seen"
        assert zone.knew_everybody(), "nobody came with the credentials of the other"

    # Had the credentials of one zone ever been sent to the other, its log would show it.
    extranet, intranet = zones["extranet"], zones["intranet"]
    known = yaml.safe_load(extranet.kubeconfig.read_text())["users"][0]["user"]["token"]
    with intranet.lab.client(token=known) as api:
        assert api.get("/api/v1/namespaces").status_code == 401
    until(lambda: not intranet.knew_everybody(), what="the stranger in its log")
    with extranet.lab.client() as api, pytest.raises(httpx.ConnectError, match="CERTIFICATE"):
        api.get(f"{intranet.lab.url}/api/v1/namespaces")
