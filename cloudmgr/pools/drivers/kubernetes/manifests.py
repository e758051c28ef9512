"""From a workload to the objects that make it up, each with a name that is always the same. Pure.

Every object bears labels of who owns it, and the digest of what it was made from: whether all is
there as it ought to be is then seen from names and annotations alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cloudmgr.pools.drivers.kubernetes import told
from cloudmgr.pools.drivers.kubernetes.boundaries import bound, limits, network, quota
from cloudmgr.pools.drivers.kubernetes.kinds import COUNTS, Kind, api_version
from cloudmgr.pools.drivers.kubernetes.names import (
    ACCOUNT,
    COMPONENT,
    DIGEST,
    ENVIRONMENT,
    HOLDS,
    MANAGED,
    POOL,
    REGISTRY,
    WORKLOAD,
    labels_of,
    namespace_of,
    room_of,
)
from cloudmgr.pools.drivers.kubernetes.pods import VOLUME_GROUP, pod
from cloudmgr.pools.drivers.written import dump_workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudmgr.pools.drivers.driver import ComponentWorkload, Workload
    from cloudmgr.pools.drivers.kubernetes.seen import Owned
    from cloudmgr.pools.drivers.kubernetes.settings import KubernetesSettings

Object = dict[str, Any]

_REGISTRY_DIGEST = "cloudmgr.io/registry"
_OWN = "cloudmgr"
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

    def body_beside(self, there: Owned | None) -> Object:
        """The body to write; how many replicas the cluster itself chose is left as it is."""
        if there is None or not self.most or not self.fits(there.replicas):
            return self.body
        return {**self.body, "spec": {**self.body["spec"], COUNTS[self.kind]: there.replicas}}


def room(settings: KubernetesSettings) -> Object:
    """The namespace of the pods that hold room. Tenants have no right in it."""
    labels = {
        MANAGED: "cloudmgr",
        POOL: settings.prefix,
        "pod-security.kubernetes.io/enforce": "restricted",
    }
    metadata = {"name": room_of(settings.prefix), "labels": labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _account(registry: bytes) -> Object:
    account: Object = {"automountServiceAccountToken": False}
    if registry:
        account["imagePullSecrets"] = [{"name": REGISTRY}]
        # Other credentials make another account, and are written with it.
        digest = hashlib.sha256(registry).hexdigest()[:20]
        account["metadata"] = {"annotations": {_REGISTRY_DIGEST: digest}}
    return account


def registry_secret(account: Manifest, registry: bytes) -> Object:
    """The credentials for a registry, beside the ``account`` that has them."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {
            "name": REGISTRY,
            "namespace": account.namespace,
            "labels": account.body["metadata"]["labels"],
        },
        "data": {".dockerconfigjson": base64.b64encode(registry).decode()},
    }


def manifests(
    workload: Workload, settings: KubernetesSettings, settle: float, registry: bytes = b""
) -> tuple[Manifest, ...]:
    """All objects of ``workload``, in the order in which they are to be written.

    :param settle: seconds for which a replica that drains goes on as if nothing were.
    :param registry: what stands in the file of ``settings.registry_config``.
    """
    namespace = namespace_of(settings.prefix, workload.environment_id)
    return tuple(
        _made((kind, name, content), namespace, workload, settings)
        for kind, name, content in _contents(workload, namespace, settings, settle, registry)
    )


def _contents(
    workload: Workload,
    namespace: str,
    settings: KubernetesSettings,
    settle: float,
    registry: bytes,
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
    yield Kind.ACCOUNT, ACCOUNT, _account(registry)
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
        around = bound(workload, component, settings.prefix)
        if around:
            yield Kind.NETWORK, component.name, {"spec": around}
        if component.files:
            yield Kind.CONFIG, component.name, told.configuration(component)
        template = pod(workload, component, settings, settle)
        spec: Object = {
            "replicas": component.replicas,
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": selector},
            "template": template,
        }
        if component.storage_gib:
            yield (
                Kind.STATEFUL,
                component.name,
                {"spec": spec | _stateful(component, settings, template)},
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
    labels = {**labels_of(workload, settings.prefix), **metadata.get("labels", {})}
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
            "runAsUser": VOLUME_GROUP,
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
