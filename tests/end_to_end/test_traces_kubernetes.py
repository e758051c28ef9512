"""The evening of ``test_traces.py`` on a Kubernetes pool: replicas instead of traffic.

The window alone moves them here. Nobody comes, so that what is not announced stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudmgr.cli.demo.figures import Sample
from cloudmgr.clock import SystemClock
from cloudmgr.pools.drivers.kubernetes.names import namespace_of
from tests.end_to_end import evening
from tests.end_to_end.evening import PROMISED
from tests.end_to_end.plane import Place
from tests.end_to_end.replay import ANNOUNCED, REACTING, Stage
from tests.end_to_end.seen import around, through
from tests.end_to_end.test_kubernetes import IMAGE
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.labs.kubernetes.controlplane import ControlPlane

pytestmark = [pytest.mark.kubernetes, pytest.mark.xdist_group("end-to-end")]

PREFIX = "evening"


@pytest.fixture
def place(tmp_path: Path, kubernetes_lab: ControlPlane, kubernetes_rights: Path) -> Iterator[Place]:
    settings = {
        "kubeconfig": str(kubernetes_rights),
        "prefix": PREFIX,
        "node_selector": kubernetes_lab.room(PREFIX, cpu="8", memory="8Gi"),
        "spare_nodes": 0,
    }
    pool = {"name": "k8s", "kind": "kubernetes", "zone": "extranet", "settings": settings}
    made = Place(tmp_path, pools=[pool])
    try:
        yield made
    finally:
        made.down()


def test_replicas_follow_the_window_and_are_ready_before_it_begins(
    place: Place, kubernetes_lab: ControlPlane
) -> None:
    stage = Stage(place)
    ids = {
        code: stage.host(code, 4, **IMAGE, max_replicas=evening.CEILING)
        for code in (ANNOUNCED, REACTING)
    }
    stage.await_ready()
    stage.announce(ANNOUNCED)
    timeline = stage.hasten(2 * evening.speed(stage.startup))
    window = evening.match()
    opens, closes = timeline.machine(window.start), timeline.machine(window.end)
    clock = SystemClock()
    cluster: list[Sample] = []

    def look() -> Sample:
        """As the cluster's own Deployment has it."""
        now = clock.now().timestamp()
        path = f"/apis/apps/v1/namespaces/{namespace_of(PREFIX, ids[ANNOUNCED])}/deployments/web"
        seen = api.get(path).raise_for_status().json()
        status = seen.get("status", {})
        made = Sample(
            now,
            ANNOUNCED,
            seen["spec"]["replicas"],
            status.get("replicas", 0),
            status.get("readyReplicas", 0),
        )
        cluster.append(made)
        return made

    with kubernetes_lab.client() as api, stage.watching(timeline) as watch:
        assert look().target < PROMISED, "the hour before it has not begun"
        until(lambda: look().at > opens, seconds=200, what="the window's beginning")
        until(lambda: look().at > closes, seconds=200, what="its end")
        until(lambda: look().ready < PROMISED, seconds=90, what="fewer after it")

    for told in (cluster, watch.samples(ANNOUNCED)):
        for sample in around(told, opens):
            assert sample.target >= PROMISED
            assert sample.ready >= PROMISED
        during = through(told, opens, closes)
        assert during
        assert {sample.target for sample in during} == {PROMISED}, "no fewer all through it"
    assert {sample.target for sample in watch.samples(REACTING)} == {1}, "nobody announced it"
    called = [d for d in watch.decisions[ANNOUNCED] if d["after"] >= PROMISED]
    assert f"window {PROMISED}" in called[0]["en"]
