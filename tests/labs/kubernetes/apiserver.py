"""How tests speak to a cluster, and how they let cloudmgr and tenants speak to it."""

from __future__ import annotations

import base64
import ssl
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

RBAC = "rbac.authorization.k8s.io"


class Apiserver:
    """One cluster.

    :param directory: where credentials are written.
    :param authority: the certificate that the apiserver's is signed by, as PEM.
    """

    def __init__(self, directory: Path, url: str, authority: str) -> None:
        self.directory = directory
        self.url = url
        self.authority = authority

    def login(self, user: str) -> dict[str, str]:
        """What a kubeconfig says of ``user``: a token, or files of a certificate and its key."""
        raise NotImplementedError

    def client(self, user: str = "admin", token: str | None = None) -> httpx.Client:
        """Speaks to the apiserver as ``user``, or as who has ``token``; to be closed."""
        login = {"token": token} if token else self.login(user)
        context = ssl.create_default_context(cadata=self.authority)
        if "client-certificate" in login:
            context.load_cert_chain(login["client-certificate"], login["client-key"])
        headers = {"Authorization": f"Bearer {login['token']}"} if "token" in login else {}
        return httpx.Client(
            base_url=self.url, verify=context, headers=headers, trust_env=False, timeout=30
        )

    def kubeconfig(self, user: str = "admin", token: str | None = None) -> Path:
        """A file for ``user``, with another ``token`` if one is given."""
        path = self.directory / f"{user.replace(':', '-')}.kubeconfig"
        ca = base64.b64encode(self.authority.encode()).decode()
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [
                        {
                            "name": "lab",
                            "cluster": {"server": self.url, "certificate-authority-data": ca},
                        }
                    ],
                    "users": [
                        {"name": user, "user": {"token": token} if token else self.login(user)}
                    ],
                    "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user}}],
                    "current-context": "lab",
                }
            )
        )
        path.chmod(0o600)
        return path

    def apply(self, path: str, **body: Any) -> None:
        """Write the object at ``path``, whether it is there or not."""
        body = {"metadata": {"name": path.rpartition("/")[2]}, **body}
        with self.client() as api:
            api.patch(
                path,
                params={"fieldManager": "tests", "force": "true"},
                content=yaml.safe_dump(body),
                headers={"Content-Type": "application/apply-patch+yaml"},
            ).raise_for_status()

    def create(self, file: Path) -> None:
        """Apply every object of a YAML file; all are such as belong to no namespace."""
        for body in yaml.safe_load_all(file.read_text()):
            kind, version = body["kind"], body["apiVersion"]
            with self.client() as api:
                found = api.get(f"/apis/{version}").raise_for_status().json()["resources"]
            plural = next(each["name"] for each in found if each["kind"] == kind)
            self.apply(f"/apis/{version}/{plural}/{body['metadata']['name']}", **body)

    def account(self, name: str, rules: list[dict[str, Any]]) -> Path:
        """A file with the credentials of a ServiceAccount that may do ``rules`` and no more."""
        where, group = "/api/v1/namespaces/default/serviceaccounts", f"/apis/{RBAC}/v1"
        self.apply(f"{where}/{name}", apiVersion="v1", kind="ServiceAccount")
        self.apply(
            f"{group}/clusterroles/{name}",
            apiVersion=f"{RBAC}/v1",
            kind="ClusterRole",
            rules=rules,
        )
        self.apply(
            f"{group}/clusterrolebindings/{name}",
            apiVersion=f"{RBAC}/v1",
            kind="ClusterRoleBinding",
            roleRef={"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
            subjects=[{"kind": "ServiceAccount", "name": name, "namespace": "default"}],
        )
        with self.client() as api:
            asked = {"spec": {"expirationSeconds": 7200}}
            answer = api.post(f"{where}/{name}/token", json=asked).raise_for_status().json()
            review = {
                "user": f"system:serviceaccount:default:{name}",
                "resourceAttributes": {
                    "group": rules[0]["apiGroups"][0],
                    "resource": rules[0]["resources"][0],
                    "verb": rules[0]["verbs"][0],
                },
            }
            path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
            # It takes the apiserver a moment to see what it may.
            until(
                lambda: api.post(path, json={"spec": review}).json()["status"]["allowed"],
                what=f"the rights of {name}",
            )
        return self.kubeconfig(name, token=answer["status"]["token"])
