"""One pod of a fake node: its container is a process of this machine, with an address of its own.

What a real kubelet does and this does too: variables (also from fields of the pod), probes over
HTTP, restarts with back-off, ``preStop`` sleep, SIGTERM, grace, SIGKILL, logs of this run and the
last, secrets and files of a ConfigMap. Not: isolation, limits, other volumes, more than one
container.
"""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx

from tests.labs.images import PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

# What runs for an image, by its name without the tag.
IMAGES = {f"lab/{name}": argv for name, argv in PROGRAMS.items()}
_PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # probes speak plain HTTP
# Spans that Kubernetes gives in whole seconds pass this much faster here.
HASTE = 10.0
# A variable of every process that runs for a pod.
MARK = "LAB_POD"
FIRST_BACKOFF, LONGEST_BACKOFF = 10.0, 300.0


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Pod:
    """One incarnation.

    :param report: writes a status of the pod; called with the whole of it.
    :param warn: writes an event: reason and message.
    :param claims: the directory of each claim.
    :param fetch: the data of an object of its namespace, by plural and name; None if there is none.
    """

    def __init__(
        self,
        pod: dict[str, Any],
        address: str,
        directory: Path,
        *,
        claims: Callable[[str], Path],
        fetch: Callable[[str, str], Awaitable[dict[str, str] | None]],
        report: Callable[[dict[str, Any]], Awaitable[None]],
        warn: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self.pod = pod
        self.address = address
        self.directory = directory
        self._claims = claims
        self._fetch = fetch
        self._report = report
        self._warn = warn
        self._container: dict[str, Any] = pod["spec"]["containers"][0]
        self._process: asyncio.subprocess.Process | None = None
        self._ending = asyncio.Event()
        self._started_at = stamp()
        self._restarts = 0
        self._ready = False
        self._ready_since = stamp()
        self._started = False
        self._variables: dict[str, str] = {}
        self._state: dict[str, Any] = {"waiting": {"reason": "ContainerCreating"}}
        self._last: dict[str, Any] = {}
        self._saying = asyncio.Lock()

    def log(self, *, previous: bool) -> Path:
        return self.directory / str(self._restarts - 1 if previous else self._restarts)

    def end(self) -> None:
        self._ending.set()

    async def live(self) -> None:
        """Until it has ended; its last status is written by then."""
        self.directory.mkdir(parents=True, exist_ok=True)
        argv = self._argv()
        if argv is None:
            await self._pretend()
            return
        backoff = FIRST_BACKOFF
        while not self._ending.is_set():
            if not await self._told():
                continue
            await self._run(argv)
            if self._ending.is_set():
                break
            self._state = {
                "waiting": {
                    "reason": "CrashLoopBackOff",
                    "message": f"back-off {backoff:.0f}s restarting failed container="
                    f"{self._container['name']}",
                }
            }
            await self.say()
            await self._warn("BackOff", "Back-off restarting failed container")
            await self._pause(backoff)
            backoff = min(2 * backoff, LONGEST_BACKOFF)
            self._restarts += 1
        await self.say(phase="Succeeded")

    # --------------------------------------------------------------------------------- inside

    def _argv(self) -> list[str] | None:
        image = self._container["image"].rsplit(":", 1)[0]
        return IMAGES[image]

    async def _pretend(self) -> None:
        self._state, self._ready, self._started = {"running": {"startedAt": stamp()}}, True, True
        await self.say()
        await self._ending.wait()

    async def _run(self, argv: list[str]) -> None:
        """One run of the container, until it has ended and why is in ``_last``."""
        with self.log(previous=False).open("wb") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                *argv,
                env=self._variables,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        began = stamp()
        self._state = {"running": {"startedAt": began}}
        self._started = "startupProbe" not in self._container
        self._set_ready(ready=self._started and "readinessProbe" not in self._container)
        await self.say()
        probing = asyncio.create_task(self._probe())
        exited = asyncio.create_task(process.wait())
        ending = asyncio.create_task(self._ending.wait())
        await asyncio.wait({exited, ending}, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if self._ending.is_set() and process.returncode is None:
            hook = self._container.get("lifecycle", {}).get("preStop", {}).get("sleep", {})
            await asyncio.wait({exited}, timeout=hook.get("seconds", 0) / HASTE)
            self._kill(signal.SIGTERM)
            await asyncio.wait({exited}, timeout=self._grace() / HASTE)
            self._kill(signal.SIGKILL)
        code = await exited
        probing.cancel()
        self._set_ready(ready=False)
        self._last = {
            "terminated": {
                "exitCode": code if code >= 0 else 128 - code,
                "reason": "Completed" if code == 0 else "Error",
                "startedAt": began,
                "finishedAt": stamp(),
            }
        }
        self._state = self._last

    def _grace(self) -> float:
        return float(self.pod["spec"].get("terminationGracePeriodSeconds", 30))

    def _kill(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            try:
                os.killpg(self._process.pid, how)
            except ProcessLookupError:
                return

    async def _probe(self) -> None:
        startup = self._container.get("startupProbe")
        failures = 0
        while not self._started and startup and not self._ending.is_set():
            await self._pause(startup.get("periodSeconds", 10))
            why = await self._ask(startup)
            if not why:
                self._started = True
                break
            failures += 1
            await self._warn("Unhealthy", f"Startup probe failed: {why}")
            if failures >= startup.get("failureThreshold", 3):
                self._kill(signal.SIGKILL)
                return
        probe = self._container.get("readinessProbe")
        while not self._ending.is_set():
            why = await self._ask(probe) if probe else ""
            if (not why) != self._ready:
                self._set_ready(ready=not why)
                await self.say()
                if why:
                    await self._warn("Unhealthy", f"Readiness probe failed: {why}")
            await self._pause(probe.get("periodSeconds", 10) if probe else 60)

    async def _ask(self, probe: dict[str, Any]) -> str:
        asked = probe["httpGet"]
        try:
            async with httpx.AsyncClient(trust_env=False, verify=_PLAIN) as client:
                port = (
                    asked["port"] if isinstance(asked["port"], int) else self._port(asked["port"])
                )
                answer = await client.get(
                    f"http://{self.address}:{port}{asked['path']}",
                    timeout=probe.get("timeoutSeconds", 1),
                )
        except httpx.TransportError as error:
            return f"{type(error).__name__}: {error}"
        if 200 <= answer.status_code < 400:
            return ""
        return f"HTTP probe failed with statuscode: {answer.status_code}"

    def _port(self, name: str) -> int:
        ports = {p.get("name"): p["containerPort"] for p in self._container.get("ports", [])}
        return int(ports[name])

    async def _told(self) -> bool:
        """Fetch what the container is to be told; without it, it waits and says why."""
        try:
            self._variables = await self._environment()
        except LookupError as missing:
            said = {"reason": "CreateContainerConfigError", "message": str(missing.args[0])}
            if self._state != {"waiting": said}:
                self._state = {"waiting": said}
                await self.say()
            await self._pause(HASTE)
            return False
        return True

    async def _environment(self) -> dict[str, str]:
        """:raises LookupError: in a kubelet's words."""
        paths = {
            mount["mountPath"]: str(self._claims(volume["persistentVolumeClaim"]["claimName"]))
            for mount in self._container.get("volumeMounts", [])
            for volume in self.pod["spec"].get("volumes", [])
            if volume["name"] == mount["name"] and "persistentVolumeClaim" in volume
        }
        await self._mount_files(paths)
        found = {"PATH": os.defpath, "HOST": self.address, MARK: str(self.directory)}
        for variable in self._container.get("env", []):
            kept = variable.get("valueFrom", {})
            field = kept.get("fieldRef", {}).get("fieldPath")
            value = self._field(field) if field else variable.get("value", "")
            if secret := kept.get("secretKeyRef"):
                value = await self._kept("secret", secret["name"], secret["key"])
                value = base64.b64decode(value).decode()
            # There is no file system of its own: a mount is the directory itself.
            found[variable["name"]] = paths.get(value, value)
        return found

    async def _mount_files(self, paths: dict[str, str]) -> None:
        """The files of a ConfigMap: under one directory, by the paths that they are to have."""
        root = self.directory / "files"
        for volume in self.pod["spec"].get("volumes", []):
            for mount in self._container.get("volumeMounts", []):
                if volume["name"] == mount["name"] and "configMap" in volume:
                    name = volume["configMap"]["name"]
                    place = mount["mountPath"].removeprefix("/")
                    file, top = root / place, place.split("/")[0]
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(await self._kept("configmap", name, mount["subPath"]))
                    paths[f"/{top}"] = str(root / top)

    async def _kept(self, kind: str, name: str, key: str) -> str:
        data = await self._fetch(f"{kind}s", name)
        if data is None:
            raise LookupError(f'{kind} "{name}" not found')
        if key not in data:
            place = f"{self.pod['metadata']['namespace']}/{name}"
            raise LookupError(f"couldn't find key {key} in {kind.title()} {place}")
        return data[key]

    def _field(self, path: str) -> str:
        return {"status.podIP": self.address, "status.hostIP": "127.0.0.1"}.get(path) or str(
            self.pod["metadata"][path.removeprefix("metadata.")]
        )

    def _set_ready(self, *, ready: bool) -> None:
        if ready != self._ready:
            self._ready, self._ready_since = ready, stamp()

    async def say(self, phase: str = "Running") -> None:
        """Report how it is."""
        async with self._saying:  # what is said last is what is so
            await self._report(self._status(phase))

    def _status(self, phase: str) -> dict[str, Any]:
        def condition(kind: str, *, holds: bool, since: str) -> dict[str, Any]:
            return {"type": kind, "status": str(holds), "lastTransitionTime": since}

        status = {
            "name": self._container["name"],
            "image": self._container["image"],
            "imageID": "fake",
            "containerID": f"fake://{self._restarts}",
            "ready": self._ready,
            "started": self._started,
            "restartCount": self._restarts,
            "state": {"running": None, "waiting": None, "terminated": None, **self._state},
        }
        if self._last and "terminated" not in self._state:
            status["lastState"] = self._last
        return {
            "phase": phase,
            "hostIP": "127.0.0.1",
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "startTime": self._started_at,
            "containerStatuses": [status],
            "conditions": [
                condition("Initialized", holds=True, since=self._started_at),
                condition("Ready", holds=self._ready, since=self._ready_since),
                condition("ContainersReady", holds=self._ready, since=self._ready_since),
            ],
        }

    async def _pause(self, seconds: float) -> None:
        """So much of the cluster's time, or until it is to end."""
        try:
            async with asyncio.timeout(seconds / HASTE):
                await self._ending.wait()
        except TimeoutError:
            pass
