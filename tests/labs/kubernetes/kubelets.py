"""The kubelets of all fake nodes, and a provisioner of volumes, in one process.

A node is taken on when it appears with the label ``lab/fake``: its lease is renewed, and the pods
that the real scheduler binds to it run (see ``pods.py``). ``lab/lost`` as a label ends the lease,
as a power cut would.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import logging
import shutil
import ssl
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from tests.labs.kubernetes.logs import serve_logs
from tests.labs.kubernetes.pods import IMAGES, Pod

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("kubelets")
STORAGE_CLASS = "lab"
PROVISIONER = "lab/directories"
_APPLY = {"Content-Type": "application/apply-patch+yaml"}
_MERGE = {"Content-Type": "application/strategic-merge-patch+json"}
Object = dict[str, Any]


class Kubelets:
    """:param block: the addresses of pods are in 127.``block``.0.0/16."""

    def __init__(
        self, api: httpx.AsyncClient, beat: httpx.AsyncClient, directory: Path, block: int
    ) -> None:
        self._api = api
        # Leases do not wait behind what pods have to say.
        self._beat = beat
        self._directory = directory
        self._block = block
        self._addresses = count(1)
        self._nodes: set[str] = set()
        self._lost: set[str] = set()
        self.pods: dict[str, Pod] = {}
        self.by_name: dict[tuple[str, str], Pod] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        await self._send(
            "PATCH",
            f"/apis/storage.k8s.io/v1/storageclasses/{STORAGE_CLASS}?fieldManager=lab&force=true",
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": STORAGE_CLASS},
                "provisioner": PROVISIONER,
                "reclaimPolicy": "Delete",
                "volumeBindingMode": "Immediate",
                "allowVolumeExpansion": True,
            },
            _APPLY,
        )
        await asyncio.gather(
            self._watch("/api/v1/nodes?labelSelector=lab%2Ffake", self._node),
            self._watch("/api/v1/pods?fieldSelector=spec.nodeName!%3D", self._pod),
            self._watch("/api/v1/persistentvolumeclaims?", self._claim),
            self._watch("/api/v1/persistentvolumes?", self._volume),
            self._leases(),
        )

    # ---------------------------------------------------------------------------------- nodes

    def _node(self, kind: str, node: Object) -> None:
        name = node["metadata"]["name"]
        lost = "lab/lost" in node["metadata"].get("labels", {})
        (self._lost.add if lost else self._lost.discard)(name)
        if kind == "DELETED":
            self._nodes.discard(name)
        elif name not in self._nodes:
            self._nodes.add(name)
            self._do(self._renew(name))
        elif not lost and _not_ready(node):
            # The controllers took it for dead: a lease came late.
            self._do(self._revive(name))

    async def _leases(self) -> None:
        while True:
            await asyncio.gather(*(self._renew(name) for name in self._nodes - self._lost))
            await asyncio.sleep(8)

    async def _renew(self, node: str) -> None:
        if node in self._lost:
            return
        namespace = "kube-node-lease"
        await self._send_by(
            self._beat,
            "PATCH",
            f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{node}"
            "?fieldManager=lab&force=true",
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": node, "namespace": namespace},
                "spec": {
                    "holderIdentity": node,
                    "leaseDurationSeconds": 40,
                    "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                },
            },
            _APPLY,
        )

    async def _revive(self, node: str) -> None:
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
        status = {"status": {"conditions": [ready]}}
        await self._send_by(self._beat, "PATCH", f"/api/v1/nodes/{node}/status", status, _MERGE)
        here = [pod for pod in self.pods.values() if pod.pod["spec"]["nodeName"] == node]
        for pod in here:
            await pod.say()

    # ----------------------------------------------------------------------------------- pods

    def _pod(self, kind: str, pod: Object) -> None:
        meta = pod["metadata"]
        uid = meta["uid"]
        known = self.pods.get(uid)
        if kind == "DELETED":
            if known:
                known.end()
        elif meta.get("deletionTimestamp"):
            if known:
                known.end()
            elif pod["spec"].get("nodeName") in self._nodes:
                self._do(self._delete(pod))
        elif (
            known is None
            and pod["spec"].get("nodeName") in self._nodes
            and pod.get("status", {}).get("phase") == "Pending"
        ):
            self._begin(pod)

    def _begin(self, pod: Object) -> None:
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        number = next(self._addresses)
        address = f"127.{self._block}.{number // 250 % 250}.{number % 250 + 1}"

        async def report(status: Object) -> None:
            await self._send("PATCH", f"{path}/status", {"status": status}, _MERGE)

        async def warn(reason: str, message: str) -> None:
            await self._event(pod, reason, message)

        image = pod["spec"]["containers"][0]["image"].rsplit(":", 1)[0]
        if IMAGES.get(image, ()) is None:
            # Nobody reaches it; and the cluster refuses loopback addresses behind a Service.
            address = address.replace("127.", "198.", 1)
        if image not in IMAGES:
            self._do(self._refuse(pod, report))
            return
        made = Pod(
            pod,
            address,
            self._directory / "logs" / meta["uid"],
            claims=lambda claim: self._claim_directory(meta["namespace"], claim),
            fetch=partial(self._fetch, meta["namespace"]),
            report=report,
            warn=warn,
        )
        self.pods[meta["uid"]] = made
        self.by_name[meta["namespace"], meta["name"]] = made
        self._do(self._live(pod, made))

    async def _fetch(self, namespace: str, plural: str, name: str) -> dict[str, str] | None:
        answer = await self._api.get(f"/api/v1/namespaces/{namespace}/{plural}/{name}")
        return answer.json().get("data") or {} if answer.status_code == 200 else None

    async def _live(self, pod: Object, made: Pod) -> None:
        try:
            await made.live()
        finally:
            del self.pods[pod["metadata"]["uid"]]
            await self._delete(pod)

    async def _refuse(self, pod: Object, report: Callable[[Object], Any]) -> None:
        container = pod["spec"]["containers"][0]
        message = f'Back-off pulling image "{container["image"]}"'
        await report({
            "phase": "Pending",
            "containerStatuses": [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": "",
                    "ready": False,
                    "started": False,
                    "restartCount": 0,
                    "state": {"waiting": {"reason": "ImagePullBackOff", "message": message}},
                }
            ],
        })  # fmt: skip
        await self._event(pod, "Failed", message)

    async def _delete(self, pod: Object) -> None:
        meta = pod["metadata"]
        body = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": meta["uid"]},
        }
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        await self._send("DELETE", path, body, {"Content-Type": "application/json"})

    async def _event(self, pod: Object, reason: str, message: str) -> None:
        meta = pod["metadata"]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{meta['name']}.", "namespace": meta["namespace"]},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "namespace": meta["namespace"],
                "name": meta["name"],
                "uid": meta["uid"],
            },
            "type": "Warning",
            "reason": reason,
            "message": message,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": "kubelet"},
        }
        path = f"/api/v1/namespaces/{meta['namespace']}/events"
        await self._send("POST", path, body, {"Content-Type": "application/json"})

    # -------------------------------------------------------------------------------- volumes

    def _claim_directory(self, namespace: str, claim: str) -> Path:
        path = self._directory / "claims" / namespace / claim
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _claim(self, kind: str, claim: Object) -> None:
        meta, spec = claim["metadata"], claim["spec"]
        if kind == "DELETED":
            shutil.rmtree(self._directory / "claims" / meta["namespace"] / meta["name"], True)  # noqa: FBT003
        elif spec.get("storageClassName") == STORAGE_CLASS and not spec.get("volumeName"):
            self._do(self._provision(claim))

    async def _provision(self, claim: Object) -> None:
        meta = claim["metadata"]
        body = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {
                "name": f"pvc-{meta['uid']}",
                "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER},
            },
            "spec": {
                "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
                "accessModes": claim["spec"]["accessModes"],
                "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": STORAGE_CLASS,
                "claimRef": {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "namespace": meta["namespace"],
                    "name": meta["name"],
                    "uid": meta["uid"],
                },
                "hostPath": {"path": str(self._claim_directory(meta["namespace"], meta["name"]))},
            },
        }
        await self._send(
            "POST", "/api/v1/persistentvolumes", body, {"Content-Type": "application/json"}
        )

    def _volume(self, kind: str, volume: Object) -> None:
        if kind != "DELETED" and volume.get("status", {}).get("phase") == "Released":
            self._do(
                self._send("DELETE", f"/api/v1/persistentvolumes/{volume['metadata']['name']}")
            )

    # --------------------------------------------------------------------------------- inside

    def _do(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(
        self, method: str, path: str, body: Object | None = None, headers: Any = None
    ) -> None:
        await self._send_by(self._api, method, path, body, headers)

    async def _send_by(
        self,
        api: httpx.AsyncClient,
        method: str,
        path: str,
        body: Object | None = None,
        headers: Any = None,
    ) -> None:
        """As kubelets do: until it is done, or there is nothing to do it to any more."""
        content = None if body is None else json.dumps(body)
        while True:
            try:
                answer = await api.request(method, path, content=content, headers=headers)
            except httpx.TransportError:
                await asyncio.sleep(0.2)
                continue
            if answer.status_code < 400 or answer.status_code in {404, 409}:
                return
            if answer.status_code not in {429, 500, 503, 504}:
                _log.warning("%s %s: %s %s", method, path, answer.status_code, answer.text[:500])
                return
            await asyncio.sleep(0.2)

    async def _watch(self, path: str, handle: Callable[[str, Object], None]) -> None:
        while True:
            try:
                listed = (await self._api.get(path)).raise_for_status().json()
                for item in listed["items"]:
                    handle("ADDED", item)
                version = listed["metadata"]["resourceVersion"]
                async with self._api.stream(
                    "GET",
                    f"{path}&watch=1&allowWatchBookmarks=true&resourceVersion={version}",
                    timeout=None,
                ) as stream:
                    async for line in stream.aiter_lines():
                        event = json.loads(line)
                        if event["type"] in {"ADDED", "MODIFIED", "DELETED"}:
                            handle(event["type"], event["object"])
                        elif event["type"] == "ERROR":
                            break
            except (httpx.HTTPError, ValueError) as error:
                _log.warning("watch %s: %r", path, error)
                await asyncio.sleep(0.2)


def _not_ready(node: Object) -> bool:
    conditions = node.get("status", {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] != "True" for c in conditions)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--block", type=int, required=True)
    said = parser.parse_args()
    config = yaml.safe_load(said.kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    trusted = ssl.create_default_context(cadata=authority)

    def client(connections: int) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=cluster["server"],
            verify=trusted,
            headers={"Authorization": f"Bearer {user['token']}"},
            trust_env=False,
            limits=httpx.Limits(max_connections=connections),
            timeout=httpx.Timeout(30, pool=None),
        )

    async with client(64) as api, client(8) as beat:
        kubelets = Kubelets(api, beat, said.directory, said.block)
        serve_logs(kubelets.by_name, said.certificate, said.port)
        await kubelets.serve()


if __name__ == "__main__":
    asyncio.run(main())
