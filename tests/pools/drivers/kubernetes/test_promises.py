"""Who goes first, what is held ahead of a peak, and what the cluster itself may scale."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.kubernetes.names import namespace_of, room_of
from tests.pools.grounds import observed, settled, workload
from tests.waiting import until

if TYPE_CHECKING:
    from tests.pools.kubernetes_ground import KubernetesGround

pytestmark = pytest.mark.kubernetes

ENVIRONMENT = "env_exam"


def pods(ground: KubernetesGround, namespace: str) -> list[dict[str, Any]]:
    with ground.lab.client() as api:
        found: list[dict[str, Any]] = api.get(f"/api/v1/namespaces/{namespace}/pods").json()[
            "items"
        ]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def sixth(ground: KubernetesGround) -> int:
    """So much CPU that six replicas of it fill the node, and seven do not fit."""
    return ground.host.cpu_millis * 10 // 62


def on_nodes(ground: KubernetesGround, namespace: str) -> int:
    return sum("nodeName" in pod["spec"] for pod in pods(ground, namespace))


def scaled_by_hand(ground: KubernetesGround, replicas: int) -> None:
    namespace = namespace_of(ground.prefix, ENVIRONMENT)
    with ground.lab.client() as api:
        api.patch(
            f"/apis/apps/v1/namespaces/{namespace}/deployments/web/scale",
            params={"fieldManager": "an-autoscaler"},
            json={"spec": {"replicas": replicas}},
            headers={"Content-Type": "application/merge-patch+json"},
        ).raise_for_status()


@pytest.mark.parametrize(("criticality", "priority"), [(0, 0), (1, 1000), (4, 4000)])
def test_pods_have_the_priority_of_their_system(
    ground: KubernetesGround, criticality: int, priority: int
) -> None:
    ground.driver.apply(replace(workload(ground.web()), criticality=criticality))
    settled(ground.driver, 1)
    (pod,) = pods(ground, namespace_of(ground.prefix, ENVIRONMENT))
    assert pod["spec"].get("priority", 0) == priority


def test_room_is_held_ahead_of_a_peak_and_given_to_the_replicas_when_it_comes(
    ground: KubernetesGround,
) -> None:
    driver = ground.make(placeholder_image="lab/nothing:1")
    driver.start(lambda _: None)
    room = room_of(ground.prefix)
    web = ground.web(cpu_millis=sixth(ground))
    wanted = workload(replace(web, reserved=6))
    driver.apply(wanted)
    settled(driver, 1)
    until(lambda: on_nodes(ground, room) == 5, what="the room for five more")
    assert observed(driver).digest == wanted.digest
    assert driver.capacity().allocatable == ground.host, "what holds room gives way"
    assert len(list(driver.allocations())) == 1, "and is nobody's use"

    wanted = workload(replace(web, reserved=6, replicas=6))
    driver.apply(wanted)
    settled(driver, 6)
    until(lambda: not pods(ground, room))
    assert observed(driver).problems == ()
    assert observed(driver).digest == wanted.digest

    driver.apply(workload(replace(web, reserved=3)))
    settled(driver, 1)
    until(lambda: on_nodes(ground, room) == 2)
    driver.remove(ENVIRONMENT)
    until(lambda: driver.observe(ENVIRONMENT) is None and not pods(ground, room))


def test_promised_room_that_is_not_there_is_told(ground: KubernetesGround) -> None:
    driver = ground.make(placeholder_image="lab/nothing:1")
    driver.start(lambda _: None)
    web = ground.web(cpu_millis=sixth(ground), ceiling=20)
    driver.apply(workload(replace(web, reserved=8)))
    until(lambda: observed(driver).problems)
    (problem,) = observed(driver).problems
    assert problem.startswith("web: room that was promised to it is not there yet: ")


def test_what_is_scaled_by_the_cluster_is_left_within_its_bounds(ground: KubernetesGround) -> None:
    wanted = workload(ground.web(replicas=2, ceiling=4, elastic=True))
    ground.driver.apply(wanted)
    settled(ground.driver, 2)
    with ground.lab.client() as api:
        namespace = namespace_of(ground.prefix, ENVIRONMENT)
        path = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers/web"
        spec = api.get(path).json()["spec"]
        assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 4)

        scaled_by_hand(ground, 3)
        settled(ground.driver, 3)
        assert observed(ground.driver).digest == wanted.digest
        assert observed(ground.driver).drift == ()

        # Another template does not take the choice of the cluster back.
        wanted = workload(ground.web(replicas=2, ceiling=4, elastic=True, variables={"A": "1"}))
        ground.driver.apply(wanted)
        settled(ground.driver, 3)
        assert observed(ground.driver).digest == wanted.digest

        wanted = workload(ground.web(replicas=4, ceiling=4, elastic=True, variables={"A": "1"}))
        ground.driver.apply(wanted)
        settled(ground.driver, 4)
        assert api.get(path).json()["spec"]["minReplicas"] == 4

        ground.driver.apply(workload(ground.web(replicas=1)))
        settled(ground.driver, 1)
        assert api.get(path).status_code == 404


def test_beyond_its_bounds_it_is_put_right(ground: KubernetesGround) -> None:
    wanted = workload(ground.web(replicas=1, ceiling=2, elastic=True))
    ground.driver.apply(wanted)
    settled(ground.driver, 1)
    with ground.lab.client() as api:
        namespace = namespace_of(ground.prefix, ENVIRONMENT)
        path = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers/web"
        # The cluster's own controller would put it right first.
        api.delete(path).raise_for_status()
    scaled_by_hand(ground, 3)
    until(lambda: len(observed(ground.driver).replicas) == 3)
    assert observed(ground.driver).digest == ""
    ground.driver.apply(wanted)
    settled(ground.driver, 1)
    assert observed(ground.driver).digest == wanted.digest


def test_what_one_node_has_is_kept_back_for_the_day_that_one_fails(
    ground: KubernetesGround,
) -> None:
    name = f"{ground.prefix}-b"
    ground.lab.add_node(name, cpu="4", memory="4Gi", labels={"lab/pool": ground.prefix})
    careful = ground.make(spare_nodes=1)
    careful.start(lambda _: None)
    small = Resources(4000, 4096, ground.host.storage_gib)
    until(lambda: careful.capacity().allocatable == small, what="both nodes")
    assert careful.capacity().kept_back == Resources(8000, 8192)
    assert careful.capacity().problems == ()
    with ground.lab.client() as api:
        api.patch(
            f"/api/v1/nodes/{name}",
            json={"spec": {"unschedulable": True}},
            headers={"Content-Type": "application/merge-patch+json"},
        ).raise_for_status()
    until(lambda: careful.capacity().problems == (f"node {name} is closed for new pods",))
    assert careful.capacity().allocatable == Resources(storage_gib=ground.host.storage_gib)
