"""A cluster that somebody else runs, and that tests may spoil: kind or k3s, of one node.

``KUBECONFIG`` names it, and it says itself that it is disposable:

    kubectl label namespace kube-system cloudmgr.io/disposable=true

The images ``lab/…:1`` are to be on its node (``pods.py`` says what each runs), it has a default
storage class, and this machine reaches its pods. A test that asks for what only the lab has is
skipped, and says for what: the audit log, parts that can be ended, nodes that can be added.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

from tests.labs.kubernetes.apiserver import Apiserver

DISPOSABLE = "cloudmgr.io/disposable"
_PARTS = "its parts are not ours to stop"
# What only the lab can do, and why.
_LACKING = {
    "add_node": "nodes cannot be added to it",
    "requests": "its audit log is not ours to read",
    "serving": "nothing can stand before its apiserver without that one's key",
    **dict.fromkeys(("run", "wait", "end", "freeze", "thaw"), _PARTS),
}


class Borrowed(Apiserver):
    """:param kubeconfig: with a token or a certificate; plugins are not asked."""

    storage_class = ""

    def __init__(self, directory: Path, kubeconfig: Path) -> None:
        said = yaml.safe_load(kubeconfig.read_text())

        def named(kind: str, name: str) -> dict[str, Any]:
            found: dict[str, Any] = next(e for e in said[f"{kind}s"] if e["name"] == name)[kind]
            return found

        context = named("context", said["current-context"])
        cluster, user = named("cluster", context["cluster"]), named("user", context["user"])
        authority = _content(cluster, "certificate-authority").decode()
        super().__init__(directory, cluster["server"], authority)
        if "token" in user:
            self._login = {"token": str(user["token"])}
            return
        self._login = {}
        for name in ("client-certificate", "client-key"):
            path = directory / f"{name}.pem"
            path.touch(mode=0o600)
            path.write_bytes(_content(user, name))
            self._login[name] = str(path)

    def login(self, user: str) -> dict[str, str]:
        assert user == "admin", "only its administrator is known"
        return self._login

    def room(self, name: str, cpu: str, memory: str) -> dict[str, str]:  # noqa: ARG002
        """Its own node, whatever it has."""
        return {}

    def __getattr__(self, name: str) -> NoReturn:
        if name in _LACKING:
            pytest.skip(f"needs the lab (KUBECONFIG is set): {_LACKING[name]}")
        raise AttributeError(name)


def borrow(directory: Path) -> Borrowed | None:
    """The cluster that ``KUBECONFIG`` names; a failure if it does not say that it is disposable."""
    named = os.environ.get("KUBECONFIG")
    if not named:
        return None
    cluster = Borrowed(directory, Path(named))
    with cluster.client() as api:
        labels = api.get("/api/v1/namespaces/kube-system").raise_for_status().json()["metadata"]
    if labels.get("labels", {}).get(DISPOSABLE) != "true":
        pytest.exit(
            f"KUBECONFIG names {cluster.url}, and these tests delete things: unset it for the lab, "
            f"or say that it is disposable: kubectl label namespace kube-system {DISPOSABLE}=true",
            returncode=4,
        )
    return cluster


def _content(said: dict[str, Any], name: str) -> bytes:
    if f"{name}-data" in said:
        return base64.b64decode(said[f"{name}-data"])
    return Path(said[name]).read_bytes()
