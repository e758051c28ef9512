"""Objects as an apiserver tells them, for tests of what is read from them."""

from __future__ import annotations

from typing import Any

from cloudmgr.pools.drivers.driver import ComponentWorkload, Workload
from cloudmgr.pools.drivers.kubernetes import names as words
from cloudmgr.pools.drivers.kubernetes import seen
from cloudmgr.pools.drivers.kubernetes.settings import KubernetesSettings

SETTINGS = KubernetesSettings(prefix="city", storage_class="fast")
WEB = ComponentWorkload(
    "web", 2, 250, 512, image="registry.city/web:1", port=8080, health_path="/health", ceiling=8
)
STORE = ComponentWorkload(
    "store", 1, 500, 1024, image="registry.city/store:1", storage_gib=20, ceiling=1
)


def workload(*components: ComponentWorkload, id: str = "env_a1") -> Workload:  # noqa: A002
    return Workload(id, "exam-production", "dep_exam", "sys_exam", "extranet", components or (WEB,))


def pod(
    name: str = "web-1",
    *,
    version: int = 1,
    node: str = "n1",
    made: str = "2026-06-30T08:00:00Z",
    labels: dict[str, str] | None = None,
    meta: dict[str, Any] | None = None,
    **status: Any,
) -> dict[str, Any]:
    """A pod of :data:`WEB`, given to ``node`` two seconds after it was made."""
    conditions = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": made[:-3] + "02Z"}
    ]
    return {
        "metadata": {
            "name": name,
            "namespace": "city-env-a1",
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "creationTimestamp": made,
            "labels": {
                words.POOL: "city",
                words.ENVIRONMENT: "env_a1",
                words.DEPARTMENT: "dep_exam",
                words.SYSTEM: "sys_exam",
                words.COMPONENT: "web",
            }
            if labels is None
            else labels,
            **(meta or {}),
        },
        "spec": {
            "nodeName": node,
            "containers": [
                {
                    "name": "web",
                    "ports": [{"containerPort": 8080}],
                    "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}},
                }
            ],
        },
        "status": {"phase": "Running", "conditions": conditions, "podIP": "10.1.0.7", **status},
    }


def read(raw: dict[str, Any]) -> seen.SeenPod:
    return seen.pod(raw, "city")
