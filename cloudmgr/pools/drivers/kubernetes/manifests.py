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

from cloudmgr.pools.drivers.kubernetes.boundaries import limits, network, quota
from cloudmgr.pools.drivers.kubernetes.kinds import COUNTS, Kind, api_version
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
# A pod that bears it runs for nobody: it holds room for this environment.
HOLDS = "cloudmgr.io/holds"
DIGEST = "cloudmgr.io/digest"
WORKLOAD = "cloudmgr.io/workload"
COST = "controller.kubernetes.io/pod-deletion-cost"
FIRST_TO_GO = "-1"

ACCOUNT = "workload"
_OWN = "cloudmgr"
_DATA = "/data"
_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_PLAIN_ID = re.compile(r"[a-z]+_[a-z0-9]{1,40}")
# An image says itself as whom it runs; what it writes to its volume is this group's.
_VOLUME_GROUP = 65_532
# By the criticality of a system; where none is told, the cluster's own default holds. They are in
# charts/cloudmgr/files/priority-classes.yaml.
_PRIORITIES = {1: "cloudmgr-low", 2: "cloudmgr-normal", 3: "cloudmgr-high", 4: "cloudmgr-vital"}
_PLACEHOLDER = "cloudmgr-placeholder"
# What replicas use of the processor time that they ask for, before an elastic one gets more.
_BUSY_PERCENT = 70


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object. ``digest`` names its content, but for the number of replicas.

    The cluster itself may run more replicas, up to ``most``, where that is not 0. ``holds`` is the
    component for which the object holds room.
    """

    kind: Kind
    namespace: str
    name: str
    body: Object
    digest: str
    replicas: int | None = None
    most: int = 0
    holds: str = ""

    @property
    def key(self) -> tuple[Kind, str]:
        return self.kind, self.name

    def fits(self, replicas: int) -> bool:
        """Whether so many replicas are as they ought to be."""
        return replicas == self.replicas or (self.replicas or 0) <= replicas <= self.most

    def with_replicas(self, replicas: int) -> Object:
        """The body, for so many replicas."""
        return {**self.body, "spec": {**self.body["spec"], COUNTS[self.kind]: replicas}}


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


def room_of(prefix: str) -> str:
    """The namespace of the pods that hold room; no environment's."""
    return f"{prefix}-room"


def room(settings: KubernetesSettings) -> Object:
    """The namespace of the pods that hold room. Tenants have no right in it."""
    labels = {
        MANAGED: "cloudmgr",
        POOL: settings.prefix,
        "pod-security.kubernetes.io/enforce": "restricted",
    }
    metadata = {"name": room_of(settings.prefix), "labels": labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


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
    yield Kind.QUOTA, _OWN, {"spec": {"hard": quota(workload)}}
    yield Kind.LIMITS, _OWN, {"spec": {"limits": limits(workload)}}
    yield Kind.NETWORK, _OWN, {"spec": network(settings)}
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
        if component.elastic:
            yield Kind.AUTOSCALER, component.name, {"spec": _elastic(component)}
    # Last, so that what is to run is told before what held its room is taken away.
    for component in workload.components:
        if component.reserved and settings.placeholder_image:
            holding = f"{namespace.removeprefix(f'{settings.prefix}-')}-{component.name}"
            yield Kind.DEPLOYMENT, holding, _placeholder(workload, component, settings)


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
    most = {c.name: c.ceiling for c in workload.components if c.elastic}
    count = COUNTS.get(kind)
    lasting: Object = {**content, "metadata": {**metadata, "labels": labels}}
    if count is not None:
        lasting["spec"] = {k: v for k, v in content["spec"].items() if k != count}
    text = json.dumps(lasting, sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()[:20]
    full: Object = {"name": name, "labels": labels}
    if kind is not Kind.NAMESPACE:
        full["namespace"] = metadata.get("namespace", namespace)
    full["annotations"] = {**metadata.get("annotations", {}), DIGEST: digest}
    body = {"apiVersion": api_version(kind), "kind": kind.value, **content, "metadata": full}
    return Manifest(
        kind,
        full.get("namespace", name),
        name,
        body,
        digest,
        None if count is None else content["spec"][count],
        # The autoscaler itself is not scaled.
        0 if kind is Kind.AUTOSCALER else most.get(name, 0),
        labels[COMPONENT] if HOLDS in labels else "",
    )


def _labels(workload: Workload, settings: KubernetesSettings) -> dict[str, str]:
    return {
        MANAGED: "cloudmgr",
        POOL: settings.prefix,
        ENVIRONMENT: workload.environment_id,
        DEPARTMENT: workload.department_id,
        SYSTEM: workload.system_id,
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
    if workload.criticality:
        spec["priorityClassName"] = _PRIORITIES[workload.criticality]
    return {"metadata": {"labels": labels}, "spec": spec}


def _elastic(component: ComponentWorkload) -> Object:
    kind = "StatefulSet" if component.storage_gib else "Deployment"
    busy = {"type": "Utilization", "averageUtilization": _BUSY_PERCENT}
    return {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": component.name},
        "minReplicas": component.replicas,
        "maxReplicas": component.ceiling,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": busy}}],
    }


def _placeholder(
    workload: Workload, component: ComponentWorkload, settings: KubernetesSettings
) -> Object:
    """Pods that ask for the room of a replica each, do nothing, and go when one needs it.

    A scheduler puts them out for any pod of a higher priority; a cluster that grows by what finds
    no room grows for them.
    """
    same = {POOL: settings.prefix, HOLDS: workload.environment_id, COMPONENT: component.name}
    room = {"cpu": f"{component.cpu_millis}m", "memory": f"{component.memory_mib}Mi"}
    spec: Object = {
        "priorityClassName": _PLACEHOLDER,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _VOLUME_GROUP,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "room",
                "image": settings.placeholder_image,
                "resources": {"requests": room, "limits": room},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    }
    if settings.node_selector:
        spec["nodeSelector"] = dict(settings.node_selector)
    return {
        "metadata": {
            "namespace": room_of(settings.prefix),
            "labels": {HOLDS: workload.environment_id, COMPONENT: component.name},
        },
        "spec": {
            "replicas": max(0, component.reserved - component.replicas),
            "revisionHistoryLimit": 0,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": same},
            "template": {"metadata": {"labels": {MANAGED: "cloudmgr", **same}}, "spec": spec},
        },
    }


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
