"""How objects are called, and the labels and annotations by which they are known. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudmgr.pools.drivers.driver import Workload

MANAGED = "app.kubernetes.io/managed-by"
POOL = "cloudmgr.io/pool"
ENVIRONMENT = "cloudmgr.io/environment"
DEPARTMENT = "cloudmgr.io/department"
SYSTEM = "cloudmgr.io/system"
COMPONENT = "cloudmgr.io/component"
# A pod that bears it runs for nobody: it holds room for this environment.
HOLDS = "cloudmgr.io/holds"
DIGEST = "cloudmgr.io/digest"
TOLD = "cloudmgr.io/told"  # of a pod: names the files and secrets that it was started with
WORKLOAD = "cloudmgr.io/workload"
SIZES = "cloudmgr.io/sizes"  # of a claim: what it had before it grew, as `1@<until>`, oldest first
COST = "controller.kubernetes.io/pod-deletion-cost"
FIRST_TO_GO = "-1"

ACCOUNT = "workload"
# The credentials for a registry, which the account's pods fetch their images with.
REGISTRY = "registry"
_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_PLAIN_ID = re.compile(r"[a-z]+_[a-z0-9]{1,40}")


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


def secret_of(component: str) -> str:
    """The Secret of a component; no other of ours is called so."""
    return f"{component}-secrets"


def binds(service: str) -> str:
    """The label of a pod that is bound to a shared service."""
    return f"cloudmgr.io/binds.{service}"


def labels_of(workload: Workload, prefix: str) -> dict[str, str]:
    """Whose an object is."""
    return {
        MANAGED: "cloudmgr",
        POOL: prefix,
        ENVIRONMENT: workload.environment_id,
        DEPARTMENT: workload.department_id,
        SYSTEM: workload.system_id,
    }
