"""The kinds of objects that a pool writes or watches: where the apiserver keeps each."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """As in the field ``kind`` of an object."""

    NAMESPACE = "Namespace"
    QUOTA = "ResourceQuota"
    LIMITS = "LimitRange"
    NETWORK = "NetworkPolicy"
    ACCOUNT = "ServiceAccount"
    CONFIG = "ConfigMap"
    SECRET = "Secret"  # noqa: S105 - the name of a kind
    SERVICE = "Service"
    BUDGET = "PodDisruptionBudget"
    DEPLOYMENT = "Deployment"
    STATEFUL = "StatefulSet"
    AUTOSCALER = "HorizontalPodAutoscaler"
    CLAIM = "PersistentVolumeClaim"
    POD = "Pod"
    NODE = "Node"
    EVENT = "Event"


_CORE = "/api/v1"
_WHERE = {
    Kind.NAMESPACE: (_CORE, "namespaces"),
    Kind.QUOTA: (_CORE, "resourcequotas"),
    Kind.LIMITS: (_CORE, "limitranges"),
    Kind.NETWORK: ("/apis/networking.k8s.io/v1", "networkpolicies"),
    Kind.ACCOUNT: (_CORE, "serviceaccounts"),
    Kind.CONFIG: (_CORE, "configmaps"),
    Kind.SECRET: (_CORE, "secrets"),
    Kind.SERVICE: (_CORE, "services"),
    Kind.BUDGET: ("/apis/policy/v1", "poddisruptionbudgets"),
    Kind.DEPLOYMENT: ("/apis/apps/v1", "deployments"),
    Kind.STATEFUL: ("/apis/apps/v1", "statefulsets"),
    Kind.AUTOSCALER: ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
    Kind.CLAIM: (_CORE, "persistentvolumeclaims"),
    Kind.POD: (_CORE, "pods"),
    Kind.NODE: (_CORE, "nodes"),
    Kind.EVENT: (_CORE, "events"),
}
_GLOBAL = frozenset({Kind.NAMESPACE, Kind.NODE})
# Those that have replicas, and are scaled.
SCALABLE = (Kind.DEPLOYMENT, Kind.STATEFUL)
# Secrets are written and never looked at: whoever may list them may read them all.
WATCHED = tuple(kind for kind in Kind if kind is not Kind.SECRET)
# Where each says how many there are to be, at the least where the cluster may add to it.
COUNTS = {Kind.DEPLOYMENT: "replicas", Kind.STATEFUL: "replicas", Kind.AUTOSCALER: "minReplicas"}
# Those of which nothing but names, labels and annotations is looked at.
BARE = frozenset({
    Kind.NAMESPACE, Kind.QUOTA, Kind.LIMITS, Kind.NETWORK, Kind.ACCOUNT, Kind.CONFIG, Kind.SERVICE,
    Kind.BUDGET,
})  # fmt: skip


def collection(kind: Kind) -> str:
    """Where all objects of ``kind`` are listed and watched."""
    group, plural = _WHERE[kind]
    return f"{group}/{plural}"


def collection_in(kind: Kind, namespace: str) -> str:
    """Where those of one namespace are listed."""
    return path(kind, namespace, "").rstrip("/")


def path(kind: Kind, namespace: str, name: str, part: str = "") -> str:
    """Where one object is; ``part`` is a subresource."""
    group, plural = _WHERE[kind]
    within = "" if kind in _GLOBAL else f"/namespaces/{namespace}"
    return f"{group}{within}/{plural}/{name}{'/' if part else ''}{part}"


def api_version(kind: Kind) -> str:
    group = _WHERE[kind][0]
    return group.removeprefix("/apis/").removeprefix("/api/")
