"""Replicas as the kernel sees them: sessions, pidfds, ``/proc``. Adopted ones are no different."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_log = logging.getLogger(__name__)
_PROC = Path("/proc")
_NICENESS = 5  # the control plane and the gateway go first when the machine is busy
_OOM_SCORE = 500  # and last when it is out of memory
REPLICA = "CLOUDMGR_REPLICA"
POOL = "CLOUDMGR_POOL"


class CannotStartError(Exception):
    """The command cannot be run; the message says why, to a person."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended; both None when nobody but its parent, which is gone, could know."""

    status: int | None = None
    signal: int | None = None

    def __str__(self) -> str:
        if self.signal is not None:
            with suppress(ValueError):
                return f"was ended by {signal.Signals(self.signal).name}"
            return f"was ended by signal {self.signal}"
        if self.status is not None:
            return f"exited with status {self.status}"
        return "ended"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the process table. ``memory`` is the resident set in bytes."""

    pid: int
    parent: int
    session: int
    ticks: int
    memory: int
    zombie: bool


@cache
def boot() -> str:
    """Names the kernel's present run: pids and ticks mean nothing beyond it."""
    return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()


def entry(pid: int) -> Entry | None:
    """What ``/proc/PID/stat`` says; None if there is no such process. Fields: proc(5)."""
    try:
        data = (_PROC / str(pid) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may contain anything, parentheses and spaces included.
    rest = data[data.rindex(b")") + 2 :].split()
    return Entry(
        pid=pid,
        parent=int(rest[1]),
        session=int(rest[3]),
        ticks=int(rest[19]),
        memory=int(rest[21]) * os.sysconf("SC_PAGE_SIZE"),
        zombie=rest[0] in {b"Z", b"X"},
    )


def table() -> dict[int, Entry]:
    """All processes, by pid; those that end meanwhile are left out."""
    found = (entry(pid) for pid in _pids())
    return {e.pid: e for e in found if e is not None}


def family(leader: int, processes: Mapping[int, Entry]) -> list[Entry]:
    """The session of ``leader`` and all descendants, zombies left out."""
    belongs: dict[int, bool] = {leader: True}

    def of(pid: int) -> bool:
        known = belongs.get(pid)
        if known is not None:
            return known
        found = processes.get(pid)
        belongs[pid] = False  # until known better; the table is no snapshot, it may hold a circle
        if found is not None:
            belongs[pid] = found.session == leader or of(found.parent)
        return belongs[pid]

    return [e for e in processes.values() if not e.zombie and of(e.pid)]


def shared_memory_of(pids: Iterable[int]) -> int:
    """Bytes that the processes occupy together: pages shared between n count 1/n for each (PSS)."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            for line in (_PROC / str(pid) / "smaps_rollup").read_text("ascii").splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def marked(pool: str, *, since: int = 0) -> Iterator[tuple[Entry, str]]:
    """Living processes of ``pool`` with their replica's id, as their environment says.

    :param since: leave out processes older than so many ticks, unread.
    """
    mark = f"{POOL}={pool}".encode()
    prefix = f"{REPLICA}=".encode()
    for pid in _pids():
        found = entry(pid)
        if found is None or found.zombie or found.ticks < since:
            continue
        try:
            variables = (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark in variables:
            name = next((v for v in variables if v.startswith(prefix)), prefix)
            yield found, name[len(prefix) :].decode("ascii", "replace")


def _pids() -> Iterator[int]:
    with os.scandir(_PROC) as entries:
        for e in entries:
            if e.name.isdigit():
                yield int(e.name)


class Process:
    """A replica's leading process, held by a pidfd, so that its number cannot come to mean another.

    ``fileno`` becomes readable when it ends, whoever its parent is.
    """

    def __init__(self, pid: int, ticks: int, descriptor: int) -> None:
        self.pid = pid
        self.ticks = ticks
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    @classmethod
    def spawn(
        cls, command: Sequence[str], variables: Mapping[str, str], directory: Path, log: Path
    ) -> Self:
        """Run ``command`` in a session of its own, with these variables and no others.

        :raises CannotStartError: if it cannot be run.
        """
        program = resolve(command[0], variables)
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            child = subprocess.Popen(  # noqa: S603 - running commands is what this pool is for
                command,
                executable=program,
                env=dict(variables),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except OSError as error:
            raise CannotStartError(
                f"the command '{command[0]}' cannot be run: {error.strerror or error}"
            ) from error
        finally:
            os.close(output)
        # It is reaped through the pidfd, as an adopted one is: nobody else may wait for it.
        child.returncode = 0
        descriptor = os.pidfd_open(child.pid)
        found = entry(child.pid)  # at worst a zombie: nobody else reaps it
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, child.pid, _NICENESS)
        with suppress(OSError):
            (_PROC / str(child.pid) / "oom_score_adj").write_text(str(_OOM_SCORE), "ascii")
        return cls(child.pid, found.ticks if found else 0, descriptor)

    @classmethod
    def find(cls, pid: int, ticks: int) -> Self | None:
        """The process that has ``pid`` and was started at ``ticks``; None if it is gone."""
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            return None
        # Looked at after it is held: what is held cannot be replaced by another of the same number.
        found = entry(pid)
        if found is None or found.ticks != ticks or found.zombie:
            # A child of ours that ended while nobody watched must not stay a zombie.
            if found is not None and found.ticks == ticks:
                _reap(descriptor)
            os.close(descriptor)
            return None
        return cls(pid, ticks, descriptor)

    def ask_to_end(self) -> None:
        """SIGTERM to its whole process group."""
        if self._alive():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to its whole process group; :func:`end_rest` gets those who left the group."""
        if self._alive():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            with suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def reap(self) -> Exit:
        """How it ended; call once ``fileno`` is readable."""
        return _reap(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)

    def _alive(self) -> bool:
        # As long as the leader is not reaped, its number names its group and no other.
        try:
            signal.pidfd_send_signal(self._descriptor, 0)
        except OSError:
            return False
        return True


def _reap(descriptor: int) -> Exit:
    try:
        result = os.waitid(os.P_PIDFD, descriptor, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return Exit()  # another's child: adopted
    if result is None:
        return Exit()
    if result.si_code == os.CLD_EXITED:
        return Exit(status=result.si_status)
    return Exit(signal=result.si_status)


def end_rest(leader: int, ticks: int, pool: str, replica_id: str) -> int:
    """SIGKILL whatever a replica's ended leader left: its session, and what bears its mark.

    How many were found. Repeated until there are none, for they may be forking.
    """
    ended = 0
    for _ in range(10):
        rest = {e.pid: e for e in table().values() if e.session == leader and not e.zombie}
        rest |= {e.pid: e for e, name in marked(pool, since=ticks) if name == replica_id}
        # A session's number may be used again once the session is empty: only what is younger.
        rest = {pid: e for pid, e in rest.items() if e.ticks >= ticks}
        if not rest:
            break
        ended += sum(kill_exactly(e) for e in rest.values())
    return ended


def kill_exactly(found: Entry) -> bool:
    """SIGKILL this very process, not another that has got its number since."""
    process = Process.find(found.pid, found.ticks)
    if process is None:
        return False
    try:
        signal.pidfd_send_signal(process.fileno(), signal.SIGKILL)
    except (ProcessLookupError, PermissionError) as error:
        _log.warning("process %d could not be ended: %s", found.pid, error)
        return False
    finally:
        process.close()
    return True


def resolve(program: str, variables: Mapping[str, str]) -> str:
    """The path of ``program``, found as a shell would with the replica's own ``PATH``.

    :raises CannotStartError: in the words a person needs.
    """
    found = shutil.which(program, path=variables.get("PATH"))
    if found is not None:
        return str(Path(found).absolute())  # it will run in a directory of its own
    if "/" in program and Path(program).is_dir():
        raise CannotStartError(f"the command '{program}' is a directory")
    if "/" in program and Path(program).exists():
        raise CannotStartError(f"the command '{program}' may not be executed")
    raise CannotStartError(f"the command '{program}' does not exist on this machine")


def plain_environment() -> dict[str, str]:
    """What a program needs of the machine, and nothing of the control plane's own: no secrets."""
    wanted = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ")
    found = {name: os.environ[name] for name in wanted if name in os.environ}
    found.setdefault("PATH", os.defpath)
    return found
