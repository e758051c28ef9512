"""CPU and memory limits: by cgroup v2 where it may be had, else memory is watched.

Written after the kernel's ``Documentation/admin-guide/cgroup-v2.rst``. A delegated directory is one
whose ``cgroup.controllers`` names cpu and memory and in which this account may make directories
(systemd: ``Delegate=cpu memory``, with ``KillMode=process``, or stopping the service ends what it
hosts). A cgroup whose children have controllers may hold no process itself, so the control plane
moves into a leaf of its own.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cloudmgr.pools.drivers.local import process

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudmgr.pools.capacity import Resources
    from cloudmgr.pools.drivers.local.records import Replica

_log = logging.getLogger(__name__)
_MOUNTS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
_NEEDED = frozenset({"cpu", "memory"})
_PERIOD = 100_000  # microseconds, the kernel's default
_MIB = 2**20
# It enters its cgroup before it becomes the program: not one instruction of it runs outside.
_ENTER = 'echo 0 > "$1" && shift && exec "$@"'


class Limits(Protocol):
    """How a replica is kept to its size."""

    problem: str
    """What cannot be enforced here, as a sentence; empty when everything is."""

    def enter(self, replica_id: str, size: Resources, command: Sequence[str]) -> Sequence[str]:
        """Prepare the limits of a replica; the command to run in place of ``command``.

        :raises OSError: if its limits cannot be set.
        """
        ...

    def over(self, replicas: Iterable[Replica]) -> list[str]:
        """The ids of those that hold more memory than they may and must be ended by the caller."""
        ...

    def finish(self, replica_id: str) -> bool:
        """End what is left of it, forget its limits; whether the kernel ended it for its memory."""
        ...

    def keep_only(self, replica_ids: frozenset[str]) -> None:
        """Forget the limits of all others, left by a supervisor that died."""
        ...


class Watched:
    """No cgroup: memory is looked at from time to time, CPU is shared by priority alone."""

    def __init__(self, reason: str) -> None:
        self.problem = (
            "CPU limits are not enforced, and memory limits are checked once a second, because "
            f"{reason}"
        )

    def enter(self, _id: str, _size: Resources, command: Sequence[str]) -> Sequence[str]:
        return command

    def over(self, replicas: Iterable[Replica]) -> list[str]:
        """The resident set is read first, being cheap; it counts shared pages several times over,
        so that only what it accuses is measured properly.
        """
        processes = process.table()
        found = []
        for replica in replicas:
            limit = replica.component.memory_mib * _MIB
            members = process.family(replica.pid, processes)
            if sum(m.memory for m in members) <= limit:
                continue
            if process.shared_memory_of(m.pid for m in members) > limit:
                found.append(replica.id)
        return found

    def finish(self, _id: str) -> bool:
        return False

    def keep_only(self, _ids: frozenset[str]) -> None:
        return


class Cgroups:
    """cgroup v2 below ``directory``, which is prepared and holds nothing but replicas."""

    def __init__(self, directory: Path) -> None:
        self.problem = ""
        self._directory = directory
        self._late: set[str] = set()  # groups whose last process was still on its way out

    def enter(self, replica_id: str, size: Resources, command: Sequence[str]) -> Sequence[str]:
        group = self._directory / replica_id
        group.mkdir(exist_ok=True)
        # cpu_millis thousandths of the period, in microseconds; the kernel takes no less than 1 ms.
        _set(group / "cpu.max", f"{max(1000, size.cpu_millis * _PERIOD // 1000)} {_PERIOD}")
        _set(group / "memory.max", str(size.memory_mib * _MIB))
        # All of a replica or none: a server without some of its workers is a riddle.
        _set(group / "memory.oom.group", "1")
        with suppress(OSError):  # a kernel without swap accounting
            _set(group / "memory.swap.max", "0")
        return ("/bin/sh", "-c", _ENTER, "sh", str(group / "cgroup.procs"), *command)

    def over(self, _replicas: Iterable[Replica]) -> list[str]:
        return []

    def finish(self, replica_id: str) -> bool:
        for late in list(self._late):
            self._tidy(late)
        group = self._directory / replica_id
        killed = _events(group / "memory.events").get("oom_kill", 0) > 0
        with suppress(OSError):
            _set(group / "cgroup.kill", "1")
        self._tidy(replica_id)
        return killed

    def keep_only(self, replica_ids: frozenset[str]) -> None:
        for group in list(self._directory.iterdir()):
            if group.is_dir() and group.name not in replica_ids:
                self.finish(group.name)

    def _tidy(self, replica_id: str) -> None:
        self._late.discard(replica_id)
        try:
            (self._directory / replica_id).rmdir()
        except FileNotFoundError:
            pass
        except OSError as error:
            _log.debug("cgroup of %s stays for now: %s", replica_id, error)
            self._late.add(replica_id)


def find(setting: str, pool: str) -> Limits:
    """The best this machine allows.

    :param setting: a delegated cgroup v2 directory, or empty to try the control plane's own.
    :param pool: names the directory for this pool's replicas.
    """
    try:
        if setting:
            return Cgroups(prepare(Path(setting), pool))
        return Cgroups(prepare(_own(), pool))
    except ValueError as error:
        return Watched(str(error))
    except OSError as error:
        return Watched(f"the kernel refuses a cgroup: {error.strerror or error}")


def _own() -> Path:
    """The cgroup v2 directory of this process.

    :raises ValueError: with a reason for a person.
    """
    mount = next((m for m in _MOUNTS if (m / "cgroup.controllers").exists()), None)
    if mount is None:
        raise ValueError("this machine has no cgroup v2")
    lines = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
    path = next((line[3:] for line in lines if line.startswith("0::")), "/")
    own = mount / path.lstrip("/")
    # A control plane that has moved into its leaf finds itself there when it starts again.
    return own.parent if own.name == "cloudmgr-control" else own


def prepare(root: Path, pool: str) -> Path:
    """Make the directory for a pool's replicas below the delegated ``root``, with controllers on.

    :raises ValueError: with a reason for a person.
    :raises OSError: when the kernel refuses.
    """
    try:
        offered = set((root / "cgroup.controllers").read_text("ascii").split())
    except FileNotFoundError as error:
        raise ValueError(f"{root} is no cgroup v2 directory") from error
    if missing := sorted(_NEEDED - offered):
        raise ValueError(f"cgroup v2 offers no {' and no '.join(missing)} controller here")
    if not os.access(root, os.W_OK) or not os.access(root / "cgroup.subtree_control", os.W_OK):
        raise ValueError(f"the cgroup {root} is not delegated to this account")
    inside = (root / "cgroup.procs").read_text("ascii").split()
    # The root of all is exempt from the rule that a cgroup with controllers holds no process.
    if (root / "cgroup.type").exists() and inside not in ([], [str(os.getpid())]):
        raise ValueError(f"other programs run in the cgroup {root}")
    if str(os.getpid()) in inside:
        leaf = root / "cloudmgr-control"
        leaf.mkdir(exist_ok=True)
        _set(leaf / "cgroup.procs", str(os.getpid()))
    directory = root / f"cloudmgr-{pool}"
    _set(root / "cgroup.subtree_control", "+cpu +memory")
    directory.mkdir(exist_ok=True)
    _set(directory / "cgroup.subtree_control", "+cpu +memory")
    return directory


def _set(path: Path, value: str) -> None:
    # Without O_CREAT: a cgroup's files are the kernel's, and a missing one is a missing feature.
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode("ascii"))
    finally:
        os.close(descriptor)


def _events(path: Path) -> dict[str, int]:
    """A flat keyed file: ``oom_kill 1``."""
    try:
        lines = path.read_text("ascii").splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines)
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
