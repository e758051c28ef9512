"""What a pod of a component is made from. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cloudmgr.errors import Permanent
from cloudmgr.pools.drivers.kubernetes import told
from cloudmgr.pools.drivers.kubernetes.names import (
    ACCOUNT,
    COMPONENT,
    ENVIRONMENT,
    TOLD,
    binds,
    is_label,
    labels_of,
)

if TYPE_CHECKING:
    from cloudmgr.pools.drivers.driver import ComponentWorkload, Workload
    from cloudmgr.pools.drivers.kubernetes.settings import KubernetesSettings

Object = dict[str, Any]

_DATA = "/data"
# An image says itself as whom it runs; what it writes to its volume is this group's.
VOLUME_GROUP = 65_532
# By the criticality of a system; where none is told, the cluster's own default holds. They are in
# charts/cloudmgr/files/priority-classes.yaml.
_PRIORITIES = {1: "cloudmgr-low", 2: "cloudmgr-normal", 3: "cloudmgr-high", 4: "cloudmgr-vital"}


def pod(
    workload: Workload, component: ComponentWorkload, settings: KubernetesSettings, settle: float
) -> Object:
    labels = {
        **labels_of(workload, settings.prefix),
        COMPONENT: component.name,
        **{binds(service.name): "true" for service in component.services},
    }
    same = {"matchLabels": {ENVIRONMENT: workload.environment_id, COMPONENT: component.name}}
    spec: Object = {
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": math.ceil(settle) + component.drain_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "fsGroup": VOLUME_GROUP,
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
        "containers": [_container(component, settings, settle)],
    }
    if component.files:
        spec["volumes"] = told.volumes(component)
    if settings.node_selector:
        spec["nodeSelector"] = dict(settings.node_selector)
    if workload.criticality:
        spec["priorityClassName"] = _PRIORITIES[workload.criticality]
    metadata: Object = {"labels": labels}
    if digest := told.digest(component):
        metadata["annotations"] = {TOLD: digest}
    return {"metadata": metadata, "spec": spec}


def _container(component: ComponentWorkload, settings: KubernetesSettings, settle: float) -> Object:
    env: dict[str, Object] = {
        name: {"name": name, "value": value} for name, value in component.variables.items()
    }
    env |= told.variables(component, settings.prefix)
    env["CLOUDMGR_REPLICA"] = {
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
        env["PORT"] = {"name": "PORT", "value": str(component.port)}
        container["ports"] = [{"name": "http", "containerPort": component.port, "protocol": "TCP"}]
        asked = {"httpGet": {"path": component.health_path, "port": "http"}, "timeoutSeconds": 2}
        container["startupProbe"] = {
            **asked, "periodSeconds": 1, "failureThreshold": component.startup_seconds,
        }  # fmt: skip
        container["readinessProbe"] = {**asked, "periodSeconds": 2, "failureThreshold": 3}
        container["livenessProbe"] = {**asked, "periodSeconds": 5, "failureThreshold": 12}
    mounts = told.mounts(component)
    if component.storage_gib:
        env["DATA_DIR"] = {"name": "DATA_DIR", "value": _DATA}
        mounts = [{"name": "data", "mountPath": _DATA}, *mounts]
    if mounts:
        container["volumeMounts"] = mounts
    container["env"] = [env[name] for name in sorted(env)]
    return container


def require_images(workload: Workload) -> None:
    """:raises Permanent: ``unsupported``, or ``invalid-workload`` for what names no object."""
    for index, component in enumerate(workload.components):
        where = f"components[{index}]"
        if not component.image or component.command:
            raise Permanent(
                f"{component.name} is a command, and this pool runs container images",
                code="unsupported",
                hint="give the component an image, or place it on a pool of processes",
                path=f"{where}.command",
            )
        if not is_label(component.name):
            raise Permanent(
                "a component's name has lower-case letters, digits and -, at most 40 here",
                code="invalid-workload",
                path=f"{where}.name",
            )
