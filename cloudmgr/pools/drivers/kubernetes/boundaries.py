"""What keeps an environment within its own: how much it may have, whom it may speak to. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cloudmgr.pools.drivers.kubernetes.names import COMPONENT, ENVIRONMENT, POOL, binds

if TYPE_CHECKING:
    from cloudmgr.pools.drivers.driver import ComponentWorkload, SharedService, Workload
    from cloudmgr.pools.drivers.kubernetes.settings import KubernetesSettings

Object = dict[str, Any]


def _most(component: ComponentWorkload) -> int:
    """Replicas at the ceiling, and those that are there twice while they are replaced."""
    return component.ceiling + max(1, math.ceil(component.ceiling / 4))


def quota(workload: Workload) -> dict[str, str]:
    """What was approved, and no way around the gateway. It must not follow the replicas of now."""
    closed = {"services.nodeports": "0", "services.loadbalancers": "0"}
    if not all(component.ceiling for component in workload.components):
        return closed
    cpu = sum(c.cpu_millis * _most(c) for c in workload.components)
    memory = sum(c.memory_mib * _most(c) for c in workload.components)
    stored = [c for c in workload.components if c.storage_gib]
    return {
        "pods": str(sum(_most(c) for c in workload.components)),
        "requests.cpu": f"{cpu}m",
        "limits.cpu": f"{cpu}m",
        "requests.memory": f"{memory}Mi",
        "limits.memory": f"{memory}Mi",
        "persistentvolumeclaims": str(sum(_most(c) for c in stored)),
        "requests.storage": f"{sum(c.storage_gib * _most(c) for c in stored)}Gi",
        **closed,
    }


def limits(workload: Workload) -> list[Object]:
    cpu = max((c.cpu_millis for c in workload.components), default=1)
    memory = max((c.memory_mib for c in workload.components), default=1)
    most = {"cpu": f"{cpu}m", "memory": f"{memory}Mi"}
    usual = {"cpu": f"{min(cpu, 100)}m", "memory": f"{min(memory, 128)}Mi"}
    return [{"type": "Container", "max": most, "default": usual, "defaultRequest": usual}]


def network(settings: KubernetesSettings) -> Object:
    """Closed, but for the gateway, names, and the components of an environment among themselves."""
    gateway = {
        "namespaceSelector": {
            "matchLabels": {"kubernetes.io/metadata.name": settings.gateway_namespace}
        },
        "podSelector": {"matchLabels": dict(settings.gateway_labels)},
    }
    outside = [{"ipBlock": {"cidr": cidr}} for cidr in settings.gateway_cidrs]
    siblings: Object = {"podSelector": {}}
    names = {
        "to": [
            {
                "namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": "kube-system"}
                },
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            }
        ],
        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    }
    return {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [gateway, *outside, siblings]}],
        "egress": [{"to": [siblings]}, names],
    }


def bound(workload: Workload, component: ComponentWorkload, prefix: str) -> Object | None:
    """What a component may reach besides, and who may reach it: by shared services alone."""
    mine = {ENVIRONMENT: workload.environment_id, COMPONENT: component.name}
    spec: Object = {"podSelector": {"matchLabels": mine}, "policyTypes": []}
    if component.services:
        spec["policyTypes"].append("Egress")
        spec["egress"] = [
            {"to": _peers(service, prefix), "ports": [{"protocol": "TCP", "port": service.port}]}
            for service in component.services
        ]
    if component.offers and component.port is not None:
        spec["policyTypes"].append("Ingress")
        # Whoever is bound says so itself, by a label that only cloudmgr can give.
        users = [
            {
                "namespaceSelector": {"matchLabels": {POOL: prefix}},
                "podSelector": {"matchLabels": {binds(name): "true"}},
            }
            for name in component.offers
        ]
        ports = [{"protocol": "TCP", "port": component.port}]
        spec["ingress"] = [{"from": users, "ports": ports}]
    return spec if spec["policyTypes"] else None


def _peers(service: SharedService, prefix: str) -> list[Object]:
    if not service.environment_id:
        return [{"ipBlock": {"cidr": cidr}} for cidr in service.addresses]
    there = {POOL: prefix, ENVIRONMENT: service.environment_id}
    return [
        {
            "namespaceSelector": {"matchLabels": there},
            "podSelector": {"matchLabels": {COMPONENT: service.component}},
        }
    ]
