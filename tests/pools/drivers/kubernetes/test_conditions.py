"""What a person reads of an environment that a cluster cannot run as it ought to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudmgr.conditions import Status
from cloudmgr.errors import Temporary
from cloudmgr.hosting.workload import failed, status
from cloudmgr.pools.drivers.kubernetes.names import namespace_of
from tests.builders import CREATED, an_environment
from tests.pools.grounds import settled, workload
from tests.waiting import until

if TYPE_CHECKING:
    from cloudmgr.conditions import Condition
    from tests.pools.kubernetes_ground import KubernetesGround

pytestmark = pytest.mark.kubernetes


def healthy(ground: KubernetesGround) -> Condition:
    observed = ground.driver.observe("env_exam")
    said = status(an_environment(), observed, CREATED).conditions
    return next(c for c in said if c.type == "Healthy")


def trouble(ground: KubernetesGround, *words: str) -> str:
    """The sentence, once it has all these words."""

    def told() -> str | None:
        said = healthy(ground)
        assert said.status is (Status.FALSE if said.message else Status.TRUE)
        return said.message if all(word in said.message for word in words) else None

    return until(told, what=f"a sentence with {words}")


def well(ground: KubernetesGround, count: int) -> None:
    settled(ground.driver, count)
    until(lambda: healthy(ground).status is Status.TRUE)


def tight(ground: KubernetesGround) -> None:
    """Somebody gives the namespace a quota of one pod."""
    path = f"/api/v1/namespaces/{namespace_of(ground.prefix, 'env_exam')}/resourcequotas"
    quota = {"metadata": {"name": "tight"}, "spec": {"hard": {"pods": "1"}}}
    with ground.lab.client() as api:
        api.post(path, json=quota).raise_for_status()
        until(lambda: api.get(f"{path}/tight").json().get("status", {}).get("hard"))


@pytest.mark.parametrize("storage", [0, 1], ids=["deployment", "stateful set"])
def test_a_quota_that_is_full(ground: KubernetesGround, storage: int) -> None:
    ground.driver.apply(workload(ground.web(storage_gib=storage)))
    well(ground, 1)
    tight(ground)
    ground.driver.apply(workload(ground.web(storage_gib=storage, replicas=2)))
    sentence = trouble(ground, "quota")
    assert sentence.startswith(
        "web: the cluster makes no more replicas: the quota tight of its namespace is full: "
        "1 of 1 pods are taken, 1 more are needed ("
    )
    assert "exceeded quota: tight" in sentence, "in the cluster's own words, too"
    ground.driver.apply(workload(ground.web(storage_gib=storage)))
    well(ground, 1)


def test_no_room_on_any_node(ground: KubernetesGround) -> None:
    large = ground.host.cpu_millis - 1000
    ground.driver.apply(workload(ground.web(cpu_millis=large, replicas=3)))
    sentence = trouble(ground, "2 replicas")
    assert sentence.startswith(
        f"web: finds no room for 2 replicas with {large / 1000:g} CPU and 128 MiB; "
        "they start by themselves once there is some ("
    )
    assert "Insufficient cpu" in sentence
    ground.driver.apply(workload(ground.web(cpu_millis=large)))
    well(ground, 1)


def test_an_image_that_cannot_be_pulled(ground: KubernetesGround) -> None:
    ground.driver.apply(workload(ground.web(image="registry.nowhere/web:1")))
    sentence = trouble(ground, "image")
    assert sentence.startswith(
        "web 0: its image registry.nowhere/web:1 cannot be pulled: see that there is one of that "
        "name and that the cluster may pull it (ImagePullBackOff"
    )
    ground.driver.apply(workload(ground.web()))
    well(ground, 1)


def test_a_program_that_ends_again_and_again(ground: KubernetesGround) -> None:
    ground.driver.apply(workload(ground.broken()))
    assert trouble(ground, "again 1 time").startswith(
        "web 0: it ended with exit status 3, and was started again 1 time; "
        "it is started again by itself, each time later (CrashLoopBackOff: back-off"
    )
    ground.driver.apply(workload(ground.web()))
    well(ground, 1)


def test_a_namespace_that_was_deleted_behind_our_back(ground: KubernetesGround) -> None:
    wanted = workload(ground.web())
    ground.driver.apply(wanted)
    well(ground, 1)
    with ground.lab.client() as api:
        namespace = namespace_of(ground.prefix, "env_exam")
        api.delete(f"/api/v1/namespaces/{namespace}").raise_for_status()
    sentences = set()

    def again() -> bool:
        try:
            ground.driver.apply(wanted)
        except Temporary as error:
            (said,) = failed(an_environment(), error, CREATED).conditions
            assert (said.type, said.status) == ("Applied", Status.UNKNOWN)
            sentences.add(said.message)
            return False
        return True

    until(lambda: (seen := ground.driver.observe("env_exam")) is None or seen.digest == "")
    until(again)
    assert sentences == {"what was there before is still being removed."}
    well(ground, 1)
