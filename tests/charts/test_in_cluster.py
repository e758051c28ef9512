"""A real apiserver takes every object of the chart, and real controllers bring its pods up."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.charts.rendering import NAMES, Object, objects, of_kind, values
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.labs.kubernetes.controlplane import ControlPlane

pytestmark = pytest.mark.kubernetes

NAMESPACES = count(1)
APPLY = {"Content-Type": "application/apply-patch+yaml"}
STRICT = {"fieldManager": "helm", "fieldValidation": "Strict"}
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "PriorityClass", "CustomResourceDefinition"}
# As much of the Prometheus Operator's resource as the chart uses: a field that it does not have is
# refused. The operator itself is not here, nor is the rest of its schema.
STRING = {"type": "string"}
SERVICE_MONITOR: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
    "spec": {
        "group": "monitoring.coreos.com",
        "scope": "Namespaced",
        "names": {
            "plural": "servicemonitors",
            "singular": "servicemonitor",
            "kind": "ServiceMonitor",
        },
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["endpoints", "selector"],
                                "properties": {
                                    "selector": {
                                        "type": "object",
                                        "properties": {
                                            "matchLabels": {
                                                "type": "object",
                                                "additionalProperties": STRING,
                                            }
                                        },
                                    },
                                    "endpoints": {
                                        "type": "array",
                                        "items": {
                                            "type": "object",
                                            "properties": {
                                                "port": STRING,
                                                "path": STRING,
                                                "interval": STRING,
                                                "authorization": {
                                                    "type": "object",
                                                    "properties": {
                                                        "type": STRING,
                                                        "credentials": {
                                                            "type": "object",
                                                            "required": ["key"],
                                                            "properties": {
                                                                "name": STRING,
                                                                "key": STRING,
                                                            },
                                                        },
                                                    },
                                                },
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}


class Cluster:
    """Applies objects as Helm does. What is refused or warned of is an error."""

    def __init__(self, api: httpx.Client) -> None:
        self.api = api
        self._plurals: dict[tuple[str, str], str] = {}

    def path(self, made: Object) -> str:
        version, kind, metadata = made["apiVersion"], made["kind"], made["metadata"]
        group = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if (group, kind) not in self._plurals:
            for each in self.api.get(group).raise_for_status().json()["resources"]:
                if "/" not in each["name"]:
                    self._plurals[group, each["kind"]] = each["name"]
        inside = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
        return f"{group}{inside}/{self._plurals[group, kind]}/{metadata['name']}"

    def apply(self, made: Object, namespace: str = "", **query: str) -> Object:
        """:raises AssertionError: with what the apiserver said."""
        if namespace and made["kind"] not in CLUSTER_WIDE:
            made = {**made, "metadata": {**made["metadata"], "namespace": namespace}}
        path = self.path(made)
        done = self.api.patch(path, params=STRICT | query, json=made, headers=APPLY)
        assert done.is_success, f"{path}: {done.status_code} {done.text}"
        assert "warning" not in done.headers, f"{path}: {done.headers['warning']}"
        taken: Object = done.json()
        return taken

    def namespace(self) -> str:
        """A new one, under Pod Security `restricted` in all its ways."""
        name = f"chart-{next(NAMESPACES)}"
        ways = ("enforce", "warn", "audit")
        self.apply(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": name,
                    "labels": {f"pod-security.kubernetes.io/{way}": "restricted" for way in ways},
                },
            }
        )
        return name


@pytest.fixture(scope="module")
def cluster(kubernetes_lab: ControlPlane) -> Iterator[Cluster]:
    with kubernetes_lab.client() as api:
        made = Cluster(api)
        made.apply(SERVICE_MONITOR)
        path = "/apis/monitoring.coreos.com/v1"
        until(lambda: api.get(path).is_success, what="the resource ServiceMonitor")
        yield made


@pytest.mark.parametrize("name", NAMES)
def test_the_apiserver_would_take_all_of_it_without_a_warning(cluster: Cluster, name: str) -> None:
    namespace = cluster.namespace()
    made = objects(values(name), namespace=namespace)
    for each in made:
        taken = cluster.apply(each, namespace, dryRun="All")
        _kept(each, taken)
    assert {each["kind"] for each in made} >= {"Deployment", "Service", "ServiceAccount"}


def test_a_field_that_is_misspelt_would_be_refused(cluster: Cluster) -> None:
    """As the test above sees it: otherwise that one could not fail."""
    namespace = cluster.namespace()
    (deployment, *_) = of_kind(objects(values("usual")), "Deployment").values()
    deployment["spec"]["template"]["spec"]["enableServiceLink"] = True
    with pytest.raises(AssertionError, match="enableServiceLink"):
        cluster.apply(deployment, namespace, dryRun="All")


def test_a_pod_that_is_less_restricted_would_be_warned_of(cluster: Cluster) -> None:
    namespace = cluster.namespace()
    (deployment, *_) = of_kind(objects(values("usual")), "Deployment").values()
    del deployment["spec"]["template"]["spec"]["securityContext"]["seccompProfile"]
    with pytest.raises(AssertionError, match=r"would violate PodSecurity.*seccompProfile"):
        cluster.apply(deployment, namespace, dryRun="All")


def test_its_pods_come_up_under_pod_security_restricted(
    cluster: Cluster, kubernetes_lab: ControlPlane
) -> None:
    """The fake nodes pretend to run it: what is tried is all that a cluster does before that."""
    namespace = cluster.namespace()
    kubernetes_lab.add_node(namespace, cpu="4", memory="8Gi", labels={"lab/chart": namespace})
    here = {"lab/chart": namespace}
    given = values(
        "usual",
        image={"repository": "lab/nothing", "tag": "1"},
        controlPlane={"replicas": 2, "nodeSelector": here},
        gateways=[{"zone": zone, "nodeSelector": here} for zone in ("extranet", "intranet")],
        # They belong to the whole cluster: other tests may have theirs.
        priorityClasses={"create": False},
    )
    made = objects(given, namespace=namespace, release=namespace)
    for each in made:
        cluster.apply(each, namespace)

    def running() -> dict[str, int]:
        return {
            name: cluster.api.get(cluster.path(_within(each, namespace)))
            .json()["status"]
            .get("availableReplicas", 0)
            for name, each in of_kind(made, "Deployment").items()
        }

    name = f"{namespace}-cloudmgr"
    wanted = {name: 2, f"{name}-extranet": 1, f"{name}-intranet": 1}
    until(lambda: running() == wanted, what="the pods")
    assert _may(cluster, namespace, name, "deployments", "apps")
    assert not _may(cluster, namespace, name, "secrets", "")


def _within(made: Object, namespace: str) -> Object:
    return {**made, "metadata": {**made["metadata"], "namespace": namespace}}


def _may(cluster: Cluster, namespace: str, account: str, resource: str, group: str) -> bool:
    """Whether the chart's account may list ``resource`` anywhere, once it may do anything."""

    def review(resource: str, group: str) -> bool:
        attributes = {"group": group, "resource": resource, "verb": "list"}
        user = f"system:serviceaccount:{namespace}:{account}"
        answer = cluster.api.post(
            "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            json={"spec": {"user": user, "resourceAttributes": attributes}},
        )
        allowed: bool = answer.raise_for_status().json()["status"]["allowed"]
        return allowed

    until(lambda: review("nodes", ""), what=f"the rights of {account}")
    return review(resource, group)


def _kept(sent: Any, taken: Any) -> None:
    """What was sent is all in what was taken: nothing was dropped or put otherwise."""
    if isinstance(sent, dict):
        for key, value in sent.items():
            # What is false or empty, as it is without being said, need not be kept.
            assert key in taken or not value, f"{key} was dropped"
            _kept(value, taken.get(key, value))
    elif isinstance(sent, list):
        assert len(sent) == len(taken)
        for one, other in zip(sent, taken, strict=True):
            _kept(one, other)
    else:
        # Amounts are put in their shortest form.
        assert str(sent) == str(taken)
