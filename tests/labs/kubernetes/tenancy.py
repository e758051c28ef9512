"""Puts what binds tenants in force in a lab, and makes tenants to try it with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.labs.kubernetes.apiserver import RBAC
from tests.waiting import until

if TYPE_CHECKING:
    from tests.labs.kubernetes.apiserver import Apiserver

POLICIES = Path(__file__).parents[3] / "deploy" / "kubernetes" / "tenants.yaml"
_WHERE = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}
_PROBE = "probe-of-tenancy"


def install(lab: Apiserver) -> None:
    """Returns once both policies refuse what they ought to: it takes the apiserver a moment."""
    mark = {"cloudmgr.io/pool": "probe"}
    with lab.client() as api:
        for body in yaml.safe_load_all(POLICIES.read_text()):
            where = f"/apis/admissionregistration.k8s.io/v1/{_WHERE[body['kind']]}"
            lab.apply(f"{where}/{body['metadata']['name']}", **body)
        api.post("/api/v1/namespaces", json={"metadata": {"name": _PROBE}}).raise_for_status()
        with lab.client(token=tenant(lab, _PROBE)) as asking:

            def refused(policy: str) -> None:
                body = {"metadata": {"name": "probe", "labels": mark}}
                path = f"/api/v1/namespaces/{_PROBE}/configmaps?dryRun=All"
                until(
                    lambda: policy in asking.post(path, json=body).text,
                    seconds=60,
                    what=f"the policy {policy}",
                )

            refused("cloudmgr-labels")
            api.patch(
                f"/api/v1/namespaces/{_PROBE}",
                json={"metadata": {"labels": mark}},
                headers={"Content-Type": "application/merge-patch+json"},
            ).raise_for_status()
            refused("cloudmgr-tenants")
        api.delete(f"/api/v1/namespaces/{_PROBE}").raise_for_status()


def tenant(lab: Apiserver, namespace: str) -> str:
    """The token of who has the ClusterRole ``admin`` in ``namespace``: as much as is ever given."""
    with lab.client() as api:
        api.post(
            f"/api/v1/namespaces/{namespace}/serviceaccounts", json={"metadata": {"name": "tenant"}}
        ).raise_for_status()
        api.post(
            f"/apis/{RBAC}/v1/namespaces/{namespace}/rolebindings",
            json={
                "metadata": {"name": "tenant"},
                "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "admin"},
                "subjects": [{"kind": "ServiceAccount", "name": "tenant", "namespace": namespace}],
            },
        ).raise_for_status()
        answer = api.post(
            f"/api/v1/namespaces/{namespace}/serviceaccounts/tenant/token",
            json={"spec": {"expirationSeconds": 7200}},
        ).raise_for_status()
    token: str = answer.json()["status"]["token"]
    with lab.client(token=token) as own:
        # The last of the rights that controllers gather in this ClusterRole.
        path = f"/apis/{RBAC}/v1/namespaces/{namespace}/roles"
        until(lambda: own.get(path).is_success, seconds=60, what="the rights of a tenant")
    return token
