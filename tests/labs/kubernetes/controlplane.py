"""A Kubernetes control plane on this machine: etcd, apiserver, controllers, scheduler, fake nodes.

Each part is a process of its own, so that a test can take one away. All listen on 127.0.0.1, on
free ports, and keep what they have in one directory.
"""

from __future__ import annotations

import json
import secrets
import signal
import ssl
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import trustme
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.conftest import free_port
from tests.labs.kubernetes.apiserver import Apiserver
from tests.labs.kubernetes.kubelets import STORAGE_CLASS
from tests.labs.kubernetes.pods import MARK
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

# Users of the lab by static token, with their groups. `system:masters` may do everything.
USERS = {
    "admin": "system:masters",
    "kubelets": "system:masters",
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
}
_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
}


class ControlPlane(Apiserver):
    """One cluster. :meth:`start` it, and :meth:`stop` it whatever happened.

    :param directory: its own, empty.
    :param binary: what :func:`tests.labs.kubernetes.build.binary` built.
    :param audit: how much of each request is logged; without bodies it is enough to tell who asked
        for what, and how often.
    """

    storage_class = STORAGE_CLASS

    def __init__(self, directory: Path, binary: Path, audit: str = "Metadata") -> None:
        self._audit = {**_AUDIT, "rules": [{"level": audit}]}
        self._binary = binary
        self._tokens = {user: secrets.token_hex(16) for user in USERS}
        self._authority = trustme.CA(organization_name="cloudmgr tests")
        self._ports = {
            part: free_port()
            for part in ("etcd", "peer", "apiserver", "controllers", "scheduler", "kubelets")
        }
        url = f"https://127.0.0.1:{self._ports['apiserver']}"
        super().__init__(directory, url, self._authority.cert_pem.bytes().decode())
        # Pods have addresses in 127.block.0.0/16, so that two labs keep out of each other's way.
        self.block = 20 + self._ports["kubelets"] % 200
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, list[str]] = {}

    # -------------------------------------------------------------------------------- its life

    def start(self) -> ControlPlane:
        """Returns once all parts are healthy."""
        self._write_secrets()
        self._commands = self._all_commands()
        for part in self._commands:
            self.run(part)
            self.wait(part)
        return self

    def stop(self) -> None:
        """End all parts, last started first."""
        for part in reversed(list(self._processes)):
            self.end(part)
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.environ().get(MARK, "").startswith(f"{self.directory}/"):
                    process.kill()

    def run(self, part: str) -> None:
        """Start one part again that was ended."""
        with (self.directory / f"{part}.log").open("ab") as log:
            self._processes[part] = subprocess.Popen(
                self._commands[part], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def end(self, part: str, how: signal.Signals = signal.SIGTERM) -> None:
        process = self._processes.pop(part, None)
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def freeze(self, part: str) -> None:
        """It answers nothing any more, but its connections stay open."""
        self._processes[part].send_signal(signal.SIGSTOP)

    def thaw(self, part: str) -> None:
        self._processes[part].send_signal(signal.SIGCONT)

    # ------------------------------------------------------------------------ how to speak to it

    def login(self, user: str) -> dict[str, str]:
        return {"token": self._tokens[user]}

    @property
    def serving(self) -> Path:
        """The certificate of its apiserver, with the key: for what stands before it in a test."""
        return self.directory / "serving.pem"

    def room(self, name: str, cpu: str, memory: str) -> dict[str, str]:
        """What selects a node of this size that nobody else has."""
        labels = {"lab/pool": name}
        self.add_node(name, cpu=cpu, memory=memory, labels=labels)
        return labels

    def add_node(
        self, name: str, *, cpu: str, memory: str, labels: dict[str, str] | None = None
    ) -> None:
        """A node whose pods run as processes of this machine; see ``kubelets.py``."""
        with self.client() as api:
            api.post(
                "/api/v1/nodes",
                json=_node(name, cpu, memory, labels or {}, self._ports["kubelets"]),
            ).raise_for_status()

    def requests(self) -> list[dict[str, Any]]:
        """The audit log so far: one entry for each request that is over."""
        lines = (self.directory / "audit.log").read_text().splitlines()
        # What is not known who it is from is over when its answer starts.
        return [
            entry
            for entry in map(json.loads, lines)
            if entry["stage"] != "ResponseStarted" or entry["responseStatus"]["code"] == 401
        ]

    # --------------------------------------------------------------------------------- inside

    def _write_secrets(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        d = self.directory
        self._authority.cert_pem.write_to_path(d / "ca.crt")
        self._authority.private_key_pem.write_to_path(d / "ca.key")
        leaf = self._authority.issue_cert(
            "127.0.0.1", "localhost", "kubernetes.default.svc", common_name="kube-apiserver"
        )
        leaf.private_key_and_cert_chain_pem.write_to_path(d / "serving.pem")
        key = rsa.generate_private_key(65537, 2048)
        (d / "sa.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        (d / "sa.pub").write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        rows = [f'{token},{user},{user},"{USERS[user]}"' for user, token in self._tokens.items()]
        (d / "tokens.csv").write_text("\n".join(rows) + "\n")
        (d / "audit.yml").write_text(yaml.safe_dump(self._audit))

    def _all_commands(self) -> dict[str, list[str]]:
        d, ports = self.directory, self._ports
        etcd = f"http://127.0.0.1:{ports['etcd']}"
        fast = ["--kube-api-qps=1000", "--kube-api-burst=2000", "--leader-elect=false"]

        def identity(user: str) -> list[str]:
            path = str(self.kubeconfig(user))
            return [
                f"--kubeconfig={path}",
                f"--authentication-kubeconfig={path}",
                f"--authorization-kubeconfig={path}",
                "--bind-address=127.0.0.1",
            ]

        return {
            "etcd": [
                str(self._binary), "etcd", "--data-dir", str(d / "etcd"),
                "--client-url", etcd, "--peer-url", f"http://127.0.0.1:{ports['peer']}",
            ],
            "apiserver": [
                str(self._binary), "kube-apiserver",
                f"--etcd-servers={etcd}",
                "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
                f"--secure-port={ports['apiserver']}",
                # There is no address that it could write into the Service `kubernetes`.
                "--endpoint-reconciler-type=none",
                f"--tls-cert-file={d / 'serving.pem'}",
                f"--tls-private-key-file={d / 'serving.pem'}",
                f"--client-ca-file={d / 'ca.crt'}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={d / 'sa.pub'}",
                f"--service-account-signing-key-file={d / 'sa.key'}",
                f"--token-auth-file={d / 'tokens.csv'}",
                "--authorization-mode=RBAC",
                "--allow-privileged",  # as everywhere: it is policies that say who may not
                "--service-cluster-ip-range=10.0.0.0/16",
                "--kubelet-preferred-address-types=InternalIP",
                f"--kubelet-client-certificate={d / 'serving.pem'}",
                f"--kubelet-client-key={d / 'serving.pem'}",
                f"--audit-policy-file={d / 'audit.yml'}",
                f"--audit-log-path={d / 'audit.log'}",
                "--audit-log-maxsize=4096",  # MiB: one file, so that all of it can be counted
            ],
            "controllers": [
                str(self._binary), "kube-controller-manager",
                *identity("system:kube-controller-manager"), *fast,
                f"--secure-port={ports['controllers']}",
                f"--cert-dir={d / 'controllers'}",
                "--use-service-account-credentials",
                f"--service-account-private-key-file={d / 'sa.key'}",
                f"--root-ca-file={d / 'ca.crt'}",
                f"--cluster-signing-cert-file={d / 'ca.crt'}",
                f"--cluster-signing-key-file={d / 'ca.key'}",
            ],
            "scheduler": [
                str(self._binary), "kube-scheduler",
                *identity("system:kube-scheduler"), *fast,
                f"--secure-port={ports['scheduler']}",
                f"--cert-dir={d / 'scheduler'}",
            ],
            "kubelets": [
                sys.executable, "-m", "tests.labs.kubernetes.kubelets",
                "--kubeconfig", str(self.kubeconfig("kubelets")),
                "--directory", str(d / "pods"),
                "--certificate", str(d / "serving.pem"),
                "--port", str(ports["kubelets"]),
                "--block", str(self.block),
            ],
        }  # fmt: skip

    def wait(self, part: str) -> None:
        """Until ``part`` is healthy."""
        paths = {"apiserver": "/readyz", "controllers": "/healthz", "scheduler": "/healthz"}
        path = paths.get(part)
        if path is None:
            return
        address = f"https://127.0.0.1:{self._ports[part]}{path}"

        def healthy() -> bool:
            code = self._processes[part].poll()
            said = (self.directory / f"{part}.log").read_text(errors="replace")[-3000:]
            assert code is None, f"{part} ended with {code}:\n{said}"
            try:
                # The controllers and the scheduler serve a certificate that they made themselves.
                headers = {"Authorization": f"Bearer {self._tokens['admin']}"}
                with httpx.Client(verify=_unverified(), trust_env=False) as client:
                    return client.get(address, headers=headers).is_success
            except httpx.TransportError:
                return False

        until(healthy, seconds=120, what=part)


def _node(name: str, cpu: str, memory: str, labels: dict[str, str], port: int) -> dict[str, Any]:
    room = {"cpu": cpu, "memory": memory, "pods": "500", "ephemeral-storage": "500Gi"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "lab/fake": "true",
                **labels,
            },
        },
        "status": {
            "capacity": room,
            "allocatable": room,
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
            ],
            "nodeInfo": {
                "machineID": name,
                "systemUUID": name,
                "bootID": name,
                "kernelVersion": "fake",
                "osImage": "fake",
                "containerRuntimeVersion": "fake://0",
                "kubeletVersion": "v0.0.0-fake",
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
        },
    }


def _unverified() -> ssl.SSLContext:
    """For a certificate that its server has just made itself."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
