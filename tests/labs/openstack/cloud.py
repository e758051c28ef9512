"""An OpenStack on this machine: its six services, and guests that run.

Each service is a process of its own, so that a test can take one away. All listen on 127.0.0.1, on
free ports, and keep what they have in one directory. Servers are processes of this machine at their
fixed addresses: see ``inside/guests.py``.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx

from tests.labs.images import PROGRAMS
from tests.labs.openstack import configuration
from tests.labs.openstack.api import OpenStack
from tests.labs.openstack.configuration import SERVICES, address
from tests.labs.openstack.inside.guests import end_all
from tests.ports import free_block, free_port
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.labs.openstack.build import Built

_PLAIN = re.compile(
    r" INFO | DEBUG |python binding code in neutronclient|synchronizing instance"
    r"|Truncating password|DeprecationWarning|does not have free threads"
)


def _line(entry: Mapping[str, Any]) -> str:
    """A request, in few words."""
    moment = datetime.fromtimestamp(entry["time"], UTC).time()
    asked = f"{entry['path']}?{entry['query']}"[:120]
    return f"{moment} {entry['service']} {entry['method']} {asked} {entry['status']}"


@dataclass(frozen=True)
class Host:
    """What a host has, and how often each of it may be given away."""

    vcpus: int = 16
    memory_mib: int = 65536
    storage_gib: int = 1000
    vcpu_ratio: float = 1.0
    memory_ratio: float = 1.0


class Cloud(OpenStack):
    """One cloud. :meth:`start` it, and :meth:`stop` it whatever happened.

    :param directory: its own, empty.
    :param hosts: how many it begins with, ``host1`` and on.
    """

    def __init__(self, directory: Path, built: Built, hosts: int = 3) -> None:
        self._built = built
        self._ports = {service: free_port() for service in SERVICES}
        login = {
            "auth_url": address(self._ports["keystone"]) + "/v3",
            "username": "admin",
            "password": configuration.PASSWORD,
            "project_name": "admin",
            "user_domain_id": "default",
            "project_domain_id": "default",
        }
        super().__init__(directory, {"auth": login, "region_name": configuration.REGION})
        self.block, self._claim = free_block()
        self._hosts = {f"host{number}": Host() for number in range(1, hosts + 1)}
        self._lost: set[str] = set()
        self._faults: list[dict[str, Any]] = []
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    # -------------------------------------------------------------------------------- its life

    def start(self) -> Cloud:
        """Returns once all parts answer, with images to boot and a pool of addresses."""
        self._lay_out()
        for part in SERVICES:
            self.run(part)
        for part in SERVICES:
            self.wait(part)
        for program in PROGRAMS:
            self.upload(f"lab-{program}:1")
        self._make_networks()
        return self

    def stop(self) -> None:
        """End all parts, last started first, and all guests."""
        self.close()
        for part in reversed(list(self._processes)):
            self.end(part)
        end_all(self.directory)
        self._claim.close()

    def run(self, part: str) -> None:
        """Start one part again that was ended."""
        with (self.directory / f"{part}.log").open("ab") as log:
            self._processes[part] = subprocess.Popen(
                self._command(part),
                cwd=self.directory,
                env=configuration.variables(self.directory),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def end(self, part: str, how: signal.Signals = signal.SIGTERM) -> None:
        """Guests go on when nova ends, and are found again."""
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

    def wait(self, part: str) -> None:
        """Until ``part`` answers; for nova, until its hosts are up."""

        def answers() -> bool:
            code = self._processes[part].poll()
            said = (self.directory / f"{part}.log").read_text(errors="replace")[-3000:]
            assert code is None, f"{part} ended with {code}:\n{said}"
            with suppress(httpx.TransportError), self._client(address(self._ports[part])) as asking:
                return asking.get("/").status_code < 500
            return False

        until(answers, seconds=180, what=part)
        if part == "nova":
            for name in self._hosts.keys() - self._lost:
                self._until_state(name, "up")

    def archive(self) -> None:
        """Nova's database is cleared of what is deleted, as its operators do now and then."""
        program = self._built.environment / "bin" / "nova-manage"
        given = ["--config-file", str(configuration.file(self.directory, "nova"))]
        subprocess.run(
            [program, *given, "db", "archive_deleted_rows", "--until-complete", "--all-cells"],
            cwd=self.directory,
            env=configuration.variables(self.directory),
            check=False,  # 1 says that there was something
            stdout=subprocess.DEVNULL,
        )

    def said(self, lines: int = 5) -> Iterator[tuple[str, str]]:
        """What cloudmgr asked last, and was refused; and of each part its name, whether it runs,
        and the last that it complained of.
        """
        asked = [entry for entry in self.requests() if entry["agent"].startswith("cloudmgr")]
        refused = [entry for entry in asked if entry["status"] >= 400]
        yield "requests", "\n".join(map(_line, asked[-5 * lines :]))
        yield "refused requests", "\n".join(map(_line, refused[-2 * lines :]))
        for part in SERVICES:
            process = self._processes.get(part)
            code = "ended" if process is None else process.poll()
            log = self.directory / f"{part}.log"
            text = log.read_text(errors="replace") if log.exists() else ""
            # What neither a client asked nor a service tells as it goes; tracebacks stand bare.
            bad = [line[:400] for line in text.splitlines() if not _PLAIN.search(line)]
            yield f"{part} ({'runs' if code is None else code})", "\n".join(bad[-lines:])

    # ----------------------------------------------------------------------------- its hosts

    def add_host(self, name: str, vcpus: int, memory_mib: int, **more: float) -> None:
        """:param more: see :class:`Host`."""
        self._hosts[name] = Host(vcpus, memory_mib, **more)  # type: ignore[arg-type]
        self._follow_hosts()
        self._until_state(name, "up")

    def spare_host(self, name: str, vcpus: int, memory_mib: int) -> str:
        """The name of a host that nobody uses yet: one more."""
        self.add_host(name, vcpus, memory_mib)
        return name

    def lose_host(self, name: str) -> None:
        """Its power is cut, and that of its guests; returns once nova says that it is down."""
        self._lost.add(name)
        self._follow_hosts()
        self._until_state(name, "down")

    def host_back(self, name: str) -> None:
        """It starts again; nova soon says that the guests which it had are shut off."""
        self._lost.discard(name)
        self._follow_hosts()
        self._until_state(name, "up")

    def remove_host(self, name: str) -> None:
        """Nova and placement forget it; it has no servers any more."""
        self.lose_host(name)
        (service,) = self.find("compute", "os-services", binary="nova-compute", host=name)
        self.api("compute").delete(f"/os-services/{service['id']}").raise_for_status()
        del self._hosts[name]
        self._lost.discard(name)
        self._follow_hosts()

    def _tell_hosts(self) -> None:
        said = {
            name: {**asdict(host), "up": name not in self._lost}
            for name, host in self._hosts.items()
        }
        self._tell("hosts.json", said)

    def _follow_hosts(self) -> None:
        """Nova has the hosts that it is to have."""
        self._tell_hosts()
        told, seen = self.directory / "hosts.json", self.directory / "hosts.seen"
        until(lambda: told.read_text() == seen.read_text(), seconds=60, what="hosts as told")

    def _until_state(self, name: str, state: str) -> None:
        asked = {"binary": "nova-compute", "host": name}

        def is_so() -> bool:
            found = self.find("compute", "os-services", **asked)
            return [each["state"] for each in found] == [state]

        until(is_so, seconds=60, what=f"{name} {state}")

    # ------------------------------------------------------------------------------ its edge

    def requests(self) -> list[dict[str, Any]]:
        """One entry for each request that is over, of any service, by whoever asked."""
        lines = (self.directory / "requests.log").read_text().splitlines()
        return [json.loads(line) for line in lines]

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Meanwhile the entries hold the whole `body` of a request too, and its `token`."""
        (self.directory / "listening").touch()
        try:
            yield
        finally:
            (self.directory / "listening").unlink()

    def fault(
        self,
        service: str | None = None,
        *,
        method: str | None = None,
        path: str = "",
        status: int | None = None,
        lose_answer: bool = False,
        delay: float = 0,
        agent: str = "cloudmgr",
        times: int | None = None,
    ) -> None:
        """Answer badly what a client asks; what the services ask each other is left alone.

        :param path: an expression that is searched in path and query, as ``/servers?all=1``.
        :param status: answered instead of doing the work.
        :param lose_answer: the work is done, and then the connection is cut.
        :param delay: seconds before anything else is done.
        :param agent: how the user agent begins of whom it hits.
        :param times: how often; for ever if it is not said.
        """
        said = {
            "id": f"{len(self._faults)}-{free_port()}",
            "service": service,
            "method": method,
            "path": path,
            "status": status,
            "lose_answer": lose_answer,
            "delay": delay,
            "agent": agent,
            "times": times,
        }
        self._faults.append(said)
        self._tell("faults.json", self._faults)

    def no_faults(self) -> None:
        self._faults.clear()
        self._tell("faults.json", self._faults)

    def policy(self, service: str) -> Path:
        """The rules of this service; it reads them again as soon as they are written."""
        return configuration.file(self.directory, service).parent / "policy.yaml"

    def _tell(self, name: str, what: Any) -> None:
        fresh = self.directory / f"{name}.new"
        fresh.write_text(json.dumps(what))
        fresh.replace(self.directory / name)

    # ---------------------------------------------------------------------------- what is in it

    def upload(self, name: str, **properties: str) -> str:
        """A public image that runs what the last word of its name says; its id."""
        api = self.api("image")
        about = {"name": name, "disk_format": "raw", "container_format": "bare"}
        answer = api.post("/images", json={**about, "visibility": "public", **properties})
        number = str(answer.raise_for_status().json()["id"])
        api.put(
            f"/images/{number}/file",
            content=b"lab",
            headers={"Content-Type": "application/octet-stream"},
        ).raise_for_status()
        return number

    def _make_networks(self) -> None:
        pool = {
            "name": "lab",
            "shared": True,
            "prefixes": [f"127.{self.block}.0.0/16"],
            "default_prefixlen": 26,
        }
        outside = {
            "name": "outside",
            "router:external": True,
            "provider:network_type": "flat",
            "provider:physical_network": "outside",
        }
        self.make("network", "subnetpool", pool)
        self.make("network", "network", outside)

    # --------------------------------------------------------------------------------- inside

    def _lay_out(self) -> None:
        """A copy of the empty cloud, at its own addresses."""
        d = self.directory
        d.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copytree(self._built.template, d, dirs_exist_ok=True)
        for name in (
            "images",
            "guests",
            "state/staging",
            "state/tasks",
            "state/neutron",
            "state/cinder",
        ):
            (d / name).mkdir(parents=True)
        configuration.write(d, self._built.environment, self._ports)
        self._tell_hosts()
        self.no_faults()
        (d / "requests.log").touch()
        with closing(sqlite3.connect(d / "db" / "keystone.db")) as database:
            for service, (kind, path) in SERVICES.items():
                database.execute(
                    "UPDATE endpoint SET url = ?"
                    " WHERE service_id IN (SELECT id FROM service WHERE type = ?)",
                    (address(self._ports[service]) + path, kind),
                )
            database.commit()
        with closing(sqlite3.connect(d / "db" / "nova_api.db")) as database:
            for cell in ("cell0", "cell1"):
                kept = "nova_cell1_cell0" if cell == "cell0" else "nova_cell1"
                database.execute(
                    "UPDATE cell_mappings SET database_connection = ? WHERE name = ?",
                    (configuration.database(d, kept), cell),
                )
            database.commit()

    def _command(self, part: str) -> list[str]:
        inside = "tests.labs.openstack.inside"
        port, place = str(self._ports[part]), str(self.directory)
        if part == "cinder":
            return [str(self._built.python), "-m", f"{inside}.storage", port, place]
        if part != "nova":
            return [str(self._built.python), "-m", f"{inside}.serve", part, port, place]
        after = [str(self._ports[first]) for first in ("keystone", "placement")]
        return [str(self._built.python), "-m", f"{inside}.compute", port, place, *after]
