"""The pool's directory: where each thing lies, and how it is written whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cloudmgr.errors import Temporary
from cloudmgr.pools.drivers.admission import is_name
from cloudmgr.pools.drivers.local import records
from cloudmgr.pools.drivers.local.records import State, UnreadableError, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudmgr.clock import Clock
    from cloudmgr.pools.drivers.driver import Allocation

_log = logging.getLogger(__name__)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PATIENCE = 5.0
_WANTED, _STATE = "workload.json", "state.json"


@contextmanager
def reaching(pool: str) -> Iterator[None]:
    """Turn what the operating system refuses into :class:`Temporary`.

    :raises Temporary: ``disk-full`` or ``pool-unreachable``.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise Temporary(
                f"the disk of the pool {pool} is full; what was there before is untouched",
                code="disk-full",
                hint="free some space, or give the pool a larger disk; it is tried again by itself",
            ) from error
        raise Temporary(
            f"the files of the pool {pool} cannot be reached: {error.strerror or error}",
            code="pool-unreachable",
        ) from error


class PoolFiles:
    """One pool's directory. Methods raise :class:`OSError`; names have passed :func:`is_name`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        # What is read of each environment again and again is named without making a Path of it.
        self._place = str(directory)
        self.supervisor_lock = directory / "supervisor.lock"
        self.writers_lock = directory / "writers.lock"
        self.bells = directory / "_bells"
        self._ended = directory / "_ended"
        self._new = directory / "_new"
        self.trash = directory / "_trash"

    def prepare(self) -> None:
        """Make the directories; harmless when they are there."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in (self.bells, self._ended, self._new, self.trash):
            path.mkdir(mode=0o700, exist_ok=True)
        for path in (self.supervisor_lock, self.writers_lock):
            path.touch(mode=0o600)

    @property
    def identity(self) -> str:
        """Names this very directory, wherever it is moved; a copy of it has another."""
        found = self.directory.stat()
        return f"{found.st_dev:x}-{found.st_ino:x}"

    # ---------------------------------------------------------------------------------- places

    def home(self, environment_id: str) -> Path:
        return self.directory / environment_id

    def wanted(self, environment_id: str) -> Path:
        return self.home(environment_id) / _WANTED

    def state(self, environment_id: str) -> Path:
        return self.home(environment_id) / _STATE

    def run(self, environment_id: str, replica_id: str) -> Path:
        return self.home(environment_id) / "run" / replica_id

    def data(self, environment_id: str, component: str, slot: int) -> Path:
        return self.home(environment_id) / "data" / f"{component}.{slot}"

    def log(self, environment_id: str, component: str, slot: int) -> Path:
        return self.home(environment_id) / "logs" / f"{component}.{slot}.log"

    # ----------------------------------------------------------------------------- environments

    def environments(self) -> list[str]:
        """The ids of all environments that have a directory, sorted."""
        try:
            with os.scandir(self.directory) as entries:
                return sorted(e.name for e in entries if is_name(e.name) and e.is_dir())
        except FileNotFoundError:
            return []

    def read_wanted(self, environment_id: str) -> Wanted | None:
        """:raises UnreadableError: if the file is damaged."""
        data = _read(f"{self._place}/{environment_id}/{_WANTED}")
        return None if data is None else records.load_wanted(data)

    def stamp(self, environment_id: str) -> tuple[int, int, int]:
        """Another one once somebody has written what is wanted of it; zeros where nobody has."""
        try:
            found = os.stat(f"{self._place}/{environment_id}/{_WANTED}")  # noqa: PTH116 - see _place
        except OSError:
            return (0, 0, 0)
        return (found.st_ino, found.st_mtime_ns, found.st_size)

    def write_wanted(self, environment_id: str, wanted: Wanted, clock: Clock) -> None:
        """Write it whole or not at all.

        :raises Temporary: ``pool-busy`` if another process holds the pool's files for seconds.
        """
        fresh = self._fresh(records.dump(wanted), durable=True)
        try:
            with self._writing(clock):
                self.home(environment_id).mkdir(mode=0o700, exist_ok=True)
                fresh.replace(self.wanted(environment_id))
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        _sync_directory(self.home(environment_id))
        _sync_directory(self.directory)

    def read_state(self, environment_id: str) -> State | None:
        """:raises UnreadableError: if the file is damaged."""
        data = _read(f"{self._place}/{environment_id}/{_STATE}")
        return None if data is None else records.load_state(data)

    def write_state(self, state: State, *, durable: bool) -> None:
        fresh = self._fresh(records.dump(state), durable=durable)
        try:
            fresh.replace(self.state(state.environment_id))
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise

    def discard(self, environment_id: str) -> bool:
        """Take the directory of a removed environment out of sight, to be deleted from ``trash``.

        False when it has been applied anew meanwhile, or somebody is writing just now.
        """
        with self._lock_writers() as locked:
            if not locked:
                return False
            wanted = self.read_wanted(environment_id)
            if wanted is not None and not wanted.removed:
                return False
            with suppress(FileNotFoundError):
                target = self.trash / f"{environment_id}.{uuid.uuid4().hex[:8]}"
                self.home(environment_id).rename(target)
            return True

    def empty_trash(self) -> None:
        """Delete what was discarded; what resists is logged and left for the next time."""
        _empty(self.trash)

    def clear_new(self) -> None:
        """Delete what writers that died left behind: whatever lies there for a minute.

        Age is told by the file system's own clock, from a file made now.
        """
        fresh = self._fresh(b"", durable=False)
        now = fresh.stat().st_mtime
        fresh.unlink()
        for path in list(self._new.iterdir()):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < now - 60:
                    path.unlink()

    # ------------------------------------------------------------------------ ended allocations

    def write_ended(self, allocation: Allocation) -> None:
        fresh = self._fresh(records.dump(allocation), durable=True)
        fresh.replace(self._ended / f"{allocation.id}.json")

    def read_ended(self) -> Iterator[Allocation]:
        try:
            names = sorted(entry.name for entry in os.scandir(self._ended))
        except FileNotFoundError:
            return
        for name in names:
            data = _read(str(self._ended / name))
            if data is None:
                continue
            try:
                yield records.load_allocation(data)
            except UnreadableError as error:
                _log.error("the ended allocation %s cannot be read: %s", name, error)

    def forget_ended(self, allocation_id: str) -> None:
        if is_name(allocation_id):
            (self._ended / f"{allocation_id}.json").unlink(missing_ok=True)

    # ---------------------------------------------------------------------------------- writing

    def _fresh(self, data: bytes, *, durable: bool) -> Path:
        path = self._new / uuid.uuid4().hex
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            if durable:
                os.fsync(descriptor)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        return path

    @contextmanager
    def _writing(self, clock: Clock) -> Iterator[None]:
        for _ in range(int(_PATIENCE / 0.01)):
            with self._lock_writers() as locked:
                if locked:
                    yield
                    return
            clock.sleep(0.01)
        raise Temporary("another process holds the files of this pool", code="pool-busy")

    @contextmanager
    def _lock_writers(self) -> Iterator[bool]:
        with held(self.writers_lock) as descriptor:
            yield descriptor is not None


@contextmanager
def held(path: Path) -> Iterator[int | None]:
    """The lock on ``path`` for as long as the block runs; None if another holds it."""
    descriptor = lock(path)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def lock(path: Path) -> int | None:
    """Take the exclusive lock on ``path`` without waiting; closing the descriptor gives it back."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock on ``path``."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def delete_tree(path: Path) -> None:
    """Delete ``path`` and all below it, whatever modes a program left there."""

    def insist(_: object, name: str, __: object) -> None:
        with suppress(OSError):
            Path(name).parent.chmod(0o700)
            if Path(name).is_dir() and not Path(name).is_symlink():
                shutil.rmtree(name)
            else:
                Path(name).unlink(missing_ok=True)

    with suppress(FileNotFoundError):
        shutil.rmtree(path, onerror=insist)
    if path.exists():
        _log.warning("%s could not be deleted", path)


def _empty(directory: Path) -> None:
    with suppress(FileNotFoundError):
        for path in list(directory.iterdir()):
            delete_tree(path)


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as source:  # noqa: PTH123 - see _place
            return source.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _sync_directory(path: Path) -> None:
    """Make a rename last through a power cut."""
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
