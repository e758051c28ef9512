"""From a workload to the objects that make it up, each with a name that is always the same. Pure.

Every object bears labels of who owns it, and the digest of what it was made from: whether all is
there as it ought to be is then seen from names and annotations alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cloudmgr.pools.drivers.kubernetes.kinds import SCALABLE, Kind, api_version
from cloudmgr.pools.drivers.written import dump_workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudmgr.pools.drivers.driver import ComponentWorkload, Workload
    from cloudmgr.pools.drivers.kubernetes.settings import KubernetesSettings

Object = dict[str, Any]

MANAGED = "app.kubernetes.io/managed-by"
POOL = "cloudmgr.io/pool"
ENVIRONMENT = "cloudmgr.io/environment"
DEPARTMENT = "cloudmgr.io/department"
SYSTEM = "cloudmgr.io/system"
COMPONENT = "cloudmgr.io/component"
DIGEST = "cloudmgr.io/digest"
WORKLOAD = "cloudmgr.io/workload"
SIZES = "cloudmgr.io/sizes"  # of a claim: what it had before it grew, as `1@<until>`, oldest first
COST = "controller.kubernetes.io/pod-deletion-cost"
FIRST_TO_GO = "-1"

ACCOUNT = "workload"
_OWN = "cloudmgr"
_DATA = "/data"
_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_PLAIN_ID = re.compile(r"[a-z]+_[a-z0-9]{1,40}")
# An image says itself as whom it runs; what it writes to its volume is this group's.
_VOLUME_GROUP = 65_532


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object. ``digest`` names its content, but for the number of replicas."""

    kind: Kind
    namespace: str
    name: str
    body: Object
    digest: str
    replicas: int | None = None

    @property
    def key(self) -> tuple[Kind, str]:
        return self.kind, self.name


def is_label(name: str) -> bool:
    """Whether ``name`` can name every object of a component, and its pods."""
    return _LABEL.fullmatch(name) is not None


def namespace_of(prefix: str, environment_id: str) -> str:
    """The namespace of an environment; two environments never have the same."""
    if _PLAIN_ID.fullmatch(environment_id):
        return f"{prefix}-{environment_id.replace('_', '-')}"
    mark = hashlib.sha256(environment_id.encode()).hexdigest()[:10]
    plain = re.sub(r"[^a-z0-9]+", "-", environment_id.lower()).strip("-")[:24]
    return f"{prefix}-x-{plain}-{mark}"


def manifests(
    workload: Workload, settings: KubernetesSettings, settle: float
) -> tuple[Manifest, ...]:
    """All objects of ``workload``, in the order in which they are to be written.

    :param settle: seconds for which a replica that drains goes on as if nothing were.
    """
    namespace = namespace_of(settings.prefix, workload.environment_id)
    return tuple(
        _made((kind, name, content), namespace, workload, settings)
        for kind, name, content in _contents(workload, namespace, settings, settle)
    )


def _contents(
    workload: Workload, namespace: str, settings: KubernetesSettings, settle: float
) -> Iterator[tuple[Kind, str, Object]]:
    # How many replicas there are is said by what has them, so that scaling is one write.
    lasting = replace(
        workload, components=tuple(replace(c, replicas=0) for c in workload.components)
    )
    yield (
        Kind.NAMESPACE,
        namespace,
        {
            "metadata": {
                "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
                "annotations": {WORKLOAD: dump_workload(lasting)},
            }
        },
    )
    yield Kind.QUOTA, _OWN, {"spec": {"hard": _quota(workload)}}
    yield Kind.LIMITS, _OWN, {"spec": {"limits": _limits(workload)}}
    yield Kind.NETWORK, _OWN, {"spec": _network(settings)}
    yield Kind.ACCOUNT, ACCOUNT, {"automountServiceAccountToken": False}
    for component in workload.components:
        selector = {ENVIRONMENT: workload.environment_id, COMPONENT: component.name}
        yield (
            Kind.BUDGET,
            component.name,
            {
                "spec": {
                    "maxUnavailable": 1,
                    # What serves nobody must not keep a node from being emptied.
                    "unhealthyPodEvictionPolicy": "AlwaysAllow",
                    "selector": {"matchLabels": selector},
                }
            },
        )
        if component.port is not None:
            ports = [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]
            yield Kind.SERVICE, component.name, {"spec": {"selector": selector, "ports": ports}}
        pod = _pod(workload, component, settings, settle)
        spec: Object = {
            "replicas": component.replicas,
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": selector},
            "template": pod,
        }
        if component.storage_gib:
            yield (
                Kind.STATEFUL,
                component.name,
                {"spec": spec | _stateful(component, settings, pod)},
            )
        else:
            spec["strategy"] = {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            }
            yield Kind.DEPLOYMENT, component.name, {"spec": spec}


def _made(
    what: tuple[Kind, str, Object],
    namespace: str,
    workload: Workload,
    settings: KubernetesSettings,
) -> Manifest:
    kind, name, content = what
    metadata = content.get("metadata", {})
    labels = {**_labels(workload, settings), **metadata.get("labels", {})}
    if name in {c.name for c in workload.components}:
        labels[COMPONENT] = name
    replicas = content["spec"]["replicas"] if kind in SCALABLE else None
    lasting: Object = {**content, "metadata": {**metadata, "labels": labels}}
    if replicas is not None:
        lasting["spec"] = {k: v for k, v in content["spec"].items() if k != "replicas"}
    text = json.dumps(lasting, sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()[:20]
    full: Object = {"name": name, "labels": labels}
    if kind is not Kind.NAMESPACE:
        full["namespace"] = namespace
    full["annotations"] = {**metadata.get("annotations", {}), DIGEST: digest}
    body = {"apiVersion": api_version(kind), "kind": kind.value, **content, "metadata": full}
    return Manifest(kind, namespace, name, body, digest, replicas)


def _labels(workload: Workload, settings: KubernetesSettings) -> dict[str, str]:
    return {
        MANAGED: "cloudmgr",
        POOL: settings.prefix,
        ENVIRONMENT: workload.environment_id,
        DEPARTMENT: workload.department_id,
        SYSTEM: workload.system_id,
    }


def _most(component: ComponentWorkload) -> int:
    """Replicas at the ceiling, and those that are there twice while they are replaced."""
    return component.ceiling + max(1, math.ceil(component.ceiling / 4))


def _quota(workload: Workload) -> dict[str, str]:
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


def _limits(workload: Workload) -> list[Object]:
    cpu = max((c.cpu_millis for c in workload.components), default=1)
    memory = max((c.memory_mib for c in workload.components), default=1)
    most = {"cpu": f"{cpu}m", "memory": f"{memory}Mi"}
    usual = {"cpu": f"{min(cpu, 100)}m", "memory": f"{min(memory, 128)}Mi"}
    return [{"type": "Container", "max": most, "default": usual, "defaultRequest": usual}]


def _network(settings: KubernetesSettings) -> Object:
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


def _pod(
    workload: Workload, component: ComponentWorkload, settings: KubernetesSettings, settle: float
) -> Object:
    labels = {**_labels(workload, settings), COMPONENT: component.name}
    same = {"matchLabels": {ENVIRONMENT: workload.environment_id, COMPONENT: component.name}}
    spec: Object = {
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": math.ceil(settle) + component.drain_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "fsGroup": _VOLUME_GROUP,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": key,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": same,
            }
            for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
        ],
        "containers": [_container(component, settle)],
    }
    if settings.node_selector:
        spec["nodeSelector"] = dict(settings.node_selector)
    return {"metadata": {"labels": labels}, "spec": spec}


def _container(component: ComponentWorkload, settle: float) -> Object:
    told: dict[str, Object] = {
        name: {"name": name, "value": value} for name, value in component.variables.items()
    }
    told["CLOUDMGR_REPLICA"] = {
        "name": "CLOUDMGR_REPLICA",
        "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}},
    }
    room = {"cpu": f"{component.cpu_millis}m", "memory": f"{component.memory_mib}Mi"}
    container: Object = {
        "name": component.name,
        "image": component.image,
        "resources": {"requests": room, "limits": room},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "lifecycle": {"preStop": {"sleep": {"seconds": math.ceil(settle)}}},
    }
    if component.port is not None:
        told["PORT"] = {"name": "PORT", "value": str(component.port)}
        container["ports"] = [{"name": "http", "containerPort": component.port, "protocol": "TCP"}]
        asked = {"httpGet": {"path": component.health_path, "port": "http"}, "timeoutSeconds": 2}
        container["startupProbe"] = {
            **asked, "periodSeconds": 1, "failureThreshold": component.startup_seconds,
        }  # fmt: skip
        container["readinessProbe"] = {**asked, "periodSeconds": 2, "failureThreshold": 3}
        container["livenessProbe"] = {**asked, "periodSeconds": 5, "failureThreshold": 12}
    if component.storage_gib:
        told["DATA_DIR"] = {"name": "DATA_DIR", "value": _DATA}
        container["volumeMounts"] = [{"name": "data", "mountPath": _DATA}]
    container["env"] = [told[name] for name in sorted(told)]
    return container


def _stateful(component: ComponentWorkload, settings: KubernetesSettings, pod: Object) -> Object:
    claim: Object = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{component.storage_gib}Gi"}},
    }
    if settings.storage_class:
        claim["storageClassName"] = settings.storage_class
    return {
        "serviceName": component.name,
        # All at once: a slot does not wait for the one before it.
        "podManagementPolicy": "Parallel",
        "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Retain", "whenDeleted": "Retain"},
        "volumeClaimTemplates": [
            {"metadata": {"name": "data", "labels": pod["metadata"]["labels"]}, "spec": claim}
        ],
    }
