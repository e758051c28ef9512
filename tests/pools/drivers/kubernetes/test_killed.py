"""A control plane that is killed between any two of its writes: the next one finishes its work."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.pools.drivers.kubernetes.names import DIGEST, namespace_of
from tests.pools.grounds import observed, settled, workload
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudmgr.pools.drivers.driver import Workload
    from cloudmgr.pools.drivers.kubernetes.cluster import Cluster
    from cloudmgr.pools.drivers.kubernetes.driver import KubernetesDriver
    from tests.pools.kubernetes_ground import KubernetesGround

pytestmark = pytest.mark.kubernetes

KINDS = (
    "/api/v1/namespaces/{}/resourcequotas",
    "/api/v1/namespaces/{}/limitranges",
    "/api/v1/namespaces/{}/services",
    "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "/apis/apps/v1/namespaces/{}/deployments",
    "/apis/apps/v1/namespaces/{}/statefulsets",
)


class KilledError(BaseException):
    """The process is gone: nothing of it goes on."""


class Dying:
    """Passes on what is asked of a cluster, until so many writes have been made."""

    def __init__(self, cluster: Cluster, writes: int) -> None:
        self._cluster = cluster
        self.left = writes

    def __getattr__(self, name: str) -> Any:
        found: Callable[..., Any] = getattr(self._cluster, name)
        if name not in {"apply", "merge", "delete"}:
            return found

        def write(*arguments: Any, **more: Any) -> Any:
            if self.left == 0:
                raise KilledError
            self.left -= 1
            return found(*arguments, **more)

        return write


def mortal(ground: KubernetesGround, writes: int) -> tuple[KubernetesDriver, Dying]:
    """A driver that is killed after so many writes."""
    driver = ground.another()
    dying = Dying(driver._cluster, writes)
    for part in (driver, driver._writer):
        part._cluster = dying  # type: ignore[assignment]
    return driver, dying


def steps(ground: KubernetesGround, environment_id: str) -> Iterator[Workload]:
    """The last is what ought to stand in the end."""
    web, store = ground.web(replicas=2), ground.web(name="store", storage_gib=1)
    yield workload(web, store, id=environment_id)
    yield workload(ground.web(replicas=1), store, id=environment_id)
    yield workload(replace(web, variables={"VERSION": "2"}), id=environment_id)


def live(driver: KubernetesDriver, ground: KubernetesGround, environment_id: str) -> None:
    for step in steps(ground, environment_id):
        driver.apply(step)
        until(lambda: observed(driver, environment_id).digest == step.digest)  # noqa: B023
        # All pods are there, so that it takes as many writes each time to say which are to go.
        settled(driver, sum(c.replicas for c in step.components), environment_id)


def stands(ground: KubernetesGround, environment_id: str) -> set[tuple[str, str, str]]:
    """Every object of ours in the environment's namespace, by kind, name and digest."""
    namespace = namespace_of(ground.prefix, environment_id)
    with ground.lab.client() as api:
        return {
            (kind, item["metadata"]["name"], item["metadata"]["annotations"][DIGEST])
            for kind in KINDS
            for item in api.get(kind.format(namespace)).raise_for_status().json()["items"]
            if DIGEST in item["metadata"].get("annotations", {})
        }


def test_whoever_comes_next_finishes_it_wherever_the_last_one_died(
    ground: KubernetesGround,
) -> None:
    counting, counter = mortal(ground, 1_000)
    live(counting, ground, "env_whole")
    settled(ground.driver, 2, "env_whole")
    total = 1_000 - counter.left
    assert total > 15
    expected = {(kind, name) for kind, name, _ in stands(ground, "env_whole")}

    for writes in range(total):
        environment_id = f"env_after{writes}"
        victim, _ = mortal(ground, writes)
        with pytest.raises(KilledError):
            live(victim, ground, environment_id)
        victim.close()
        *_, final = steps(ground, environment_id)

        def finished(final: Workload = final) -> bool:
            # As the environment's reconciler does: apply while what stands is not what ought to.
            seen = ground.driver.observe(final.environment_id)
            if seen is None or seen.digest != final.digest:
                ground.driver.apply(final)
                return False
            return True

        until(finished, what=f"the end of what was begun with {writes} writes")
        settled(ground.driver, 2, environment_id)
        found = stands(ground, environment_id)
        assert {(kind, name) for kind, name, _ in found} == expected, "no orphan, and all there"
        ground.driver.remove(environment_id)
    until(lambda: len(list(ground.driver.observe_all())) == 1, seconds=120)
