"""A tenant of an environment on a Kubernetes pool, and the bodies of what it asks for."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import yaml

from tests.labs.kubernetes.apiserver import RBAC, Apiserver

if TYPE_CHECKING:
    from pathlib import Path

    import httpx


Object = dict[str, Any]
MERGE = {"Content-Type": "application/merge-patch+json"}
CORE, APPS, BATCH = "/api/v1", "/apis/apps/v1", "/apis/batch/v1"
NETWORK, BUDGET = "/apis/networking.k8s.io/v1", "/apis/policy/v1"
AUTOSCALING = "/apis/autoscaling/v2"
# What Pod Security `restricted` asks for.
SAFE: Object = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
GATEWAY = "gateway.networking.k8s.io"
# As little of the Gateway API as it takes to be asked for a route.
ROUTES: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": f"httproutes.{GATEWAY}",
        "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
    },
    "spec": {
        "group": GATEWAY,
        "scope": "Namespaced",
        "names": {"plural": "httproutes", "singular": "httproute", "kind": "HTTPRoute"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }
        ],
    },
}


class Tenant:
    """Speaks to the apiserver from within one environment; what it makes is called `mine`."""

    def __init__(self, api: httpx.Client, namespace: str) -> None:
        self.api = api
        self.namespace = namespace

    def path(self, group: str, plural: str, name: str = "") -> str:
        return f"{group}/namespaces/{self.namespace}/{plural}{'/' if name else ''}{name}"

    def create(self, group: str, plural: str, body: Object) -> httpx.Response:
        return self.api.post(self.path(group, plural), json={"metadata": {"name": "mine"}, **body})

    def change(self, group: str, plural: str, name: str, body: Object) -> httpx.Response:
        return self.api.patch(self.path(group, plural, name), json=body, headers=MERGE)

    def delete(self, group: str, plural: str, name: str = "") -> httpx.Response:
        return self.api.delete(self.path(group, plural, name))

    def pods(self) -> list[Object]:
        items: list[Object] = self.api.get(self.path(CORE, "pods")).json()["items"]
        return items

    def gets(self, lab: Apiserver, group: str, *resources: str) -> None:
        """Somebody gives it every right to ``resources`` in its namespace."""
        rule = {"apiGroups": [group], "resources": resources, "verbs": ["*"]}
        role = {"apiGroup": RBAC, "kind": "Role", "name": "more"}
        subject = {"kind": "ServiceAccount", "name": "tenant", "namespace": self.namespace}
        named = {"metadata": {"name": "more"}}
        where = f"/apis/{RBAC}/v1"
        with lab.client() as api:
            path = self.path(where, "roles")
            api.post(path, json={**named, "rules": [rule]}).raise_for_status()
            path = self.path(where, "rolebindings")
            body = {**named, "roleRef": role, "subjects": [subject]}
            api.post(path, json=body).raise_for_status()


def pod(labels: dict[str, str] | None = None, **spec: Any) -> Object:
    container = {"name": "mine", "image": "lab/nothing:1", "securityContext": SAFE}
    given = {"containers": [container], **spec}
    return {"metadata": {"name": "mine", "labels": labels or {"app": "mine"}}, "spec": given}


def container(**more: Any) -> list[Object]:
    return [{**pod()["spec"]["containers"][0], **more}]


# What a tenant may ask of no pod, and what it is told.
PRIVILEGED = {"privileged": True, "allowPrivilegeEscalation": True}
PODS: dict[str, tuple[Object, str]] = {
    "privileged": (
        pod(containers=container(securityContext=SAFE | PRIVILEGED)),
        "a container is not privileged here",
    ),
    "the node's files": (
        pod(volumes=[{"name": "host", "hostPath": {"path": "/"}}]),
        "a pod has no part of its node",
    ),
    "the node's network": (pod(hostNetwork=True), "a pod has no part of its node"),
    "the node's processes": (pod(hostPID=True), "a pod has no part of its node"),
    "the node's memory": (pod(hostIPC=True), "a pod has no part of its node"),
    "a port of the node": (
        pod(containers=container(ports=[{"containerPort": 80, "hostPort": 80}])),
        "a pod has no part of its node",
    ),
    "in an init container": (
        pod(initContainers=container(ports=[{"containerPort": 80, "hostPort": 80}], name="init")),
        "a pod has no part of its node",
    ),
    "before others": (
        pod(priorityClassName="system-node-critical"),
        "no pod of an environment goes before those of others",
    ),
    "on a node of its choice": (pod(nodeName="another"), "the scheduler says on which node"),
    "where others must not": (
        pod(tolerations=[{"operator": "Exists"}]),
        "the scheduler says on which node",
    ),
    "with our labels": (
        pod(labels={"cloudmgr.io/environment": "env_other"}),
        "labels that begin with cloudmgr.io/",
    ),
}


def deployment(template: Object) -> Object:
    labels = {"app": "mine"}
    template = deepcopy(template)
    template["metadata"] = {"labels": {**labels, **template["metadata"]["labels"]}}
    return {"spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}}


def refused(answer: httpx.Response, said: str) -> None:
    assert answer.status_code == 403, f"{answer.status_code} {answer.text}"
    message = answer.json()["message"]
    assert said in message, message


def token_in(kubeconfig: Path) -> str:
    token: str = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"]
    return token
