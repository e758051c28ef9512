"""One guest: a server's program as a process of this machine, with a directory as its disk.

What a real guest does and this does too: cloud-init's ``write_files`` once for each instance, an
EnvironmentFile of systemd, a console, a disk that outlives the power. Not: isolation, limits, a
kernel, any other module of cloud-init.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import signal
import tarfile
import threading
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL
from typing import TYPE_CHECKING, Any

import psutil
import yaml

from tests.labs.images import PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Callable

# A variable of every process that runs in a guest.
MARK = "LAB_GUEST"
# The unit of the image has them as its EnvironmentFiles.
ENVIRONMENTS = ("etc/cloudmgr/environment", "etc/cloudmgr/replica")
# The first line of user data in which cloud-init fills in what it knows of the instance.
_TEMPLATE = "## template: jinja\n"
_FSTAB = "etc/fstab"
_PROVISIONED = "var/lib/cloud/instance-id"
_ASSIGNMENT = re.compile(
    r"""[ \t]*(?:[#;][^\n]*|(?P<name>[A-Za-z_]\w*)="(?P<value>(?:[^"\\]|\\.)*)"[ \t]*)?(?:\n|\Z)""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class Guest:
    """A guest of one host, whether it runs or not.

    :param place: its own directory, which holds everything of it; see :meth:`define`.
    :param ended: called, on a thread of the guest's, when it has gone down by itself.
    """

    def __init__(self, place: Path, ended: Callable[[Guest], None]) -> None:
        self.place = place
        self.root = place / "root"
        self.console = place / "console.log"
        self.said: dict[str, Any] = json.loads((place / "guest.json").read_text())
        self.state = "off"
        self._ended = ended
        self._process: psutil.Process | None = None
        self._gone = threading.Event()
        self._asked_to_end = False
        self._lock = threading.RLock()
        self._adopt()

    @staticmethod
    def define(place: Path, **said: Any) -> None:
        """Make a guest of what its host says of it: its program, uuid, name, sizes."""
        (place / "root").mkdir(parents=True, exist_ok=True)
        (place / "console.log").touch()
        (place / "guest.json").write_text(json.dumps(said))

    # ------------------------------------------------------------------------------- its power

    def start(self, address: str | None) -> None:
        """Power it on, if it is off.

        :param address: that it listens at; None for one without a network.
        """
        with self._lock:
            if self.state != "off":
                return
            argv = PROGRAMS[self.said["program"]]
            self._asked_to_end = False
            self.state = "on"
            if argv is None:
                return
            if missing := self._mount():
                self._say(f"no device {missing}: emergency mode")
                return
            variables = {"PATH": os.defpath, MARK: str(self.place)}
            if address:
                variables["HOST"] = address
            try:
                variables.update(self._environment())
            except ValueError as wrong:
                self._say(str(wrong))
                self._watch(None)
                return
            with self.console.open("ab") as console:
                process = psutil.Popen(
                    argv, cwd=self.root, env=variables, stdin=DEVNULL, stdout=console,
                    stderr=console, start_new_session=True,
                )  # fmt: skip
            (self.place / "pid").write_text(f"{process.pid} {process.create_time()}")
            self._watch(process)

    def end(self, grace: float = 0) -> None:
        """Power it off: at once, or by SIGTERM with so many seconds until it is killed."""
        with self._lock:
            self._asked_to_end = True
            if self._process is None:
                self.state = "off"
                return
            if self.state in {"paused", "suspended"}:
                self._signal(signal.SIGCONT)
        if grace:
            self._signal(signal.SIGTERM)
            self._gone.wait(grace)
        self._signal(signal.SIGKILL)
        self._gone.wait()

    def hold(self, state: str) -> None:
        """Pause it, or suspend it: until :meth:`go_on`."""
        self._signal(signal.SIGSTOP)
        self.state = state

    def go_on(self) -> None:
        self.state = "on"
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        self.end()
        shutil.rmtree(self.place)

    def _watch(self, process: psutil.Process | None) -> None:
        self._process = process
        self._gone = gone = threading.Event()

        def watch() -> None:
            # It tells nobody but its parent how it ended.
            code: int | None = process.wait() if process else 1
            self._sweep()
            shown = "" if code is None else f" with {code if code >= 0 else 128 - code}"
            self._say(f"program ended{shown}")
            with self._lock:
                self._process = None
                self.state = "off"
            gone.set()
            if not self._asked_to_end:
                self._ended(self)

        threading.Thread(target=watch, daemon=True, name=f"guest {self.place.name}").start()

    def _adopt(self) -> None:
        """Go on with the process that was started before the host's service was."""
        with suppress(OSError, psutil.Error):
            number, began = (self.place / "pid").read_text().split()
            process = psutil.Process(int(number))
            if process.create_time() == float(began):
                self.state = "on"
                self._watch(process)

    def _signal(self, how: signal.Signals) -> None:
        process = self._process
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, how)

    def _sweep(self) -> None:
        """When the power is gone, nothing goes on."""
        # More than once: what was killed is there for a moment yet, and may have forked before.
        while left := _running(lambda mark: mark == str(self.place)):
            _kill(left)

    def _say(self, line: str) -> None:
        with suppress(OSError), self.console.open("a") as console:
            console.write(f"{line}\n")

    # ------------------------------------------------------------------------------- its disk

    def provision(self, user_data: str | None) -> None:
        """What cloud-init does on the first boot of an instance.

        :param user_data: in base64, as nova has it.
        """
        done = self.root / _PROVISIONED
        if done.exists() and done.read_text() == self.said["uuid"]:
            return
        try:
            self._write_files(base64.b64decode(user_data or "").decode())
        except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as wrong:
            # As there: it is logged, and the boot goes on.
            self._say(f"cloud-init: {type(wrong).__name__}: {wrong}")
        done.parent.mkdir(parents=True, exist_ok=True)
        done.write_text(self.said["uuid"])

    def _write_files(self, text: str) -> None:
        if text.startswith(_TEMPLATE):
            # Nothing else of the template language is known here.
            text = text.removeprefix(_TEMPLATE).replace("{{ v1.instance_id }}", self.said["uuid"])
        if text and not text.startswith("#cloud-config\n"):
            raise ValueError("user data is no #cloud-config")
        for entry in (yaml.safe_load(text) or {}).get("write_files", []):
            self._write(entry["path"], _content(entry))
        mounts = (yaml.safe_load(text) or {}).get("mounts", [])
        if mounts:
            self._write(_FSTAB, "".join(f"{' '.join(m)}\n" for m in mounts).encode())

    def _write(self, where: str, content: bytes) -> None:
        path = self.root / where.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def _mount(self) -> str:
        """What its fstab says: a volume is a directory beside it. The device that is not there."""
        table = self.root / _FSTAB
        for line in table.read_text().splitlines() if table.exists() else ():
            device, path = line.split()[:2]
            serial = device.rpartition("virtio-")[2]
            volumes = [v for v in self.said.get("volumes", ()) if v[:20] == serial]
            if not volumes:
                return device
            place = self.root / path.lstrip("/")
            place.unlink(missing_ok=True)
            place.symlink_to(Path(os.environ["LAB_VOLUMES"]) / volumes[0])
        return ""

    def pack(self) -> bytes:
        """Its disk, as the data of an image; what is mounted is on another."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(self.root, ".", filter=lambda item: None if item.issym() else item)
        return packed.getvalue()

    def unpack(self, data: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            archive.extractall(self.root, filter="data")

    def _environment(self) -> dict[str, str]:
        """:raises ValueError: where the file is not as systemd would read it."""
        found: dict[str, str] = {}
        for name in ENVIRONMENTS:
            path = self.root / name
            if path.exists():
                found |= read_environment(path.read_text())
        return {name: self._inside(value) for name, value in found.items()}

    def _inside(self, value: str) -> str:
        """There is no file system of its own: a path on its disk is one below its directory."""
        place = self.root / value.lstrip("/")
        known = value.startswith("/") and place != self.root and "\0" not in value
        with suppress(OSError):  # a long text that is no path
            if known and place.exists():
                return str(place)
        return value


def end_all(directory: Path) -> None:
    """Kill whatever runs in a guest below ``directory``."""
    while left := _running(lambda mark: mark.startswith(f"{directory}/")):
        _kill(left)


def _running(chosen: Callable[[str], bool]) -> list[psutil.Process]:
    """The processes of the guests that are chosen by their directory."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if chosen(process.environ().get(MARK, "")):
                found.append(process)
    return found


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


def _content(entry: dict[str, Any]) -> bytes:
    encoding = entry.get("encoding", "text/plain")
    if encoding in {"b64", "base64"}:
        return base64.b64decode(entry["content"])
    if encoding != "text/plain":
        raise ValueError(f"encoding {encoding} of {entry['path']}")
    return str(entry["content"]).encode()


def read_environment(text: str) -> dict[str, str]:
    """The variables of an EnvironmentFile: one assignment a line, values in double quotes.

    :raises ValueError: for what else systemd would read or pass over; nothing writes it.
    """
    found, position = {}, 0
    while position < len(text):
        match = _ASSIGNMENT.match(text, position)
        if match is None:
            line = text[position:].splitlines()[0]
            raise ValueError(f"not an assignment in double quotes: {line[:60]}")
        if match["name"]:
            found[match["name"]] = _ESCAPE.sub(_unescaped, match["value"])
        position = match.end()
    return found


def _unescaped(match: re.Match[str]) -> str:
    """As systemd: other backslashes stand for themselves, and one before a newline joins lines."""
    if match[1] == "\n":
        return ""
    return match[1] if match[1] in '"\\`$' else match[0]
