"""Control plane and gateway on two machines, each told what the chart tells its pod.

They share the database and the cluster and nothing else. What stands in for the cluster's network
are addresses of this machine.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.db.engine import Database
from cloudmgr.metering.collector import gateway_source
from cloudmgr.metering.store import MeteringStores
from tests.charts.rendering import environment, objects, values
from tests.end_to_end.plane import Place
from tests.end_to_end.test_kubernetes import IMAGE
from tests.end_to_end.test_whole import served, visit
from tests.end_to_end.town import Town
from tests.postgres import fresh
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.labs.kubernetes.controlplane import ControlPlane

pytestmark = [pytest.mark.kubernetes, pytest.mark.xdist_group("end-to-end")]

PREFIX = "apart"


class Machine(Place):
    """A pod of the chart's: what its Deployment says, but for places and addresses."""

    def __init__(self, directory: Path, deployment: str, pool: dict[str, Any], **own: str) -> None:
        directory.mkdir()
        super().__init__(directory)
        told = environment(objects(values("smallest", pools=[pool])), deployment)
        places = {"CLOUDMGR_STATE_DIR": str(self.state), **own}
        self.environment |= told | places


@pytest.fixture
def machines(
    tmp_path: Path, kubernetes_lab: ControlPlane, kubernetes_rights: Path, postgres_url: str
) -> Iterator[tuple[Machine, Machine]]:
    kubernetes_lab.add_node(PREFIX, cpu="8", memory="8Gi", labels={"lab/pool": PREFIX})
    pool = {
        "name": "here",
        "kind": "kubernetes",
        "zone": "extranet",
        "protectionLevel": 3,
        "settings": {
            "kubeconfig": str(kubernetes_rights),
            "prefix": PREFIX,
            "node_selector": {"lab/pool": PREFIX},
            "spare_nodes": 0,
        },
    }
    database = {"CLOUDMGR_DATABASE_URL": fresh(postgres_url)}
    control = Machine(tmp_path / "control", "cloudmgr", pool, **database)
    gateway = Machine(tmp_path / "gateway", "cloudmgr-extranet", pool, **database)
    (zone,) = json.loads(gateway.environment["CLOUDMGR_GATEWAY_PORTS"])
    gateway.environment["CLOUDMGR_GATEWAY_PORTS"] = json.dumps({zone: gateway.gateway_ports[zone]})
    try:
        yield control, gateway
    finally:
        control.down()
        gateway.down()


def test_a_gateway_apart_wakes_serves_and_is_metered(machines: tuple[Machine, Machine]) -> None:
    control, gateway = machines
    control.init()
    plane, entrance = control.plane(), gateway.plane()
    for machine in machines:
        waker = [f"http://127.0.0.1:{plane.waker_port}"]
        machine.environment["CLOUDMGR_WAKER_URLS"] = json.dumps(waker)
    plane.start()
    entrance.start()
    assert not (control.state / "gateway").exists(), "there is one gateway, and it is not here"

    town = Town(control, plane)
    environment = town.hosted(plane, **IMAGE)
    host, path = environment["host"], f"/environments/{environment['id']}"
    operator = plane.api(town.tokens["operator"])
    until(lambda: served(gateway, host), what="the route")
    until(lambda: gateway.led_to(environment["id"]) == 1, what="the route to the replica")

    operator.post(f"{path}/hibernate", {"reason": "演练结束", "force": True})
    until(lambda: operator.get(path)["status"]["replicas"]["web"] == 0, what="sleep")
    assert visit(gateway, host).status_code == 200, "held on one machine, woken by the other"
    until(lambda: gateway.led_to(environment["id"]) == 1, what="the route to the replica")

    before = counted(gateway)
    for _ in range(50):
        assert visit(gateway, host).status_code == 200
    until(lambda: counted(gateway) >= before + 50, what="fifty requests in the meter")

    assert entrance.stop() == 0
    assert plane.stop() == 0


def counted(machine: Machine) -> int:
    """Requests that are metered so far; they are in the ledger when their hour is over."""
    database = Database(machine.environment["CLOUDMGR_DATABASE_URL"])
    with database.read() as tx:
        counters = MeteringStores().counters.of_source(tx, gateway_source("extranet"))
    database.close()
    return sum(counter.value for counter in counters.values())
