"""One environment as its supervisor keeps it: what is wanted, what runs, and the way there."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.driver import ReplicaState
from cloudmgr.pools.drivers.local import files as filing
from cloudmgr.pools.drivers.local import making, ports, process
from cloudmgr.pools.drivers.local.alarms import Alarms
from cloudmgr.pools.drivers.local.life import Life
from cloudmgr.pools.drivers.local.plan import Discard, Drain, Revive, Start, plan
from cloudmgr.pools.drivers.local.records import State, UnreadableError
from cloudmgr.pools.drivers.local.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudmgr.pools.drivers.driver import Allocation, Workload
    from cloudmgr.pools.drivers.local.floor import Floor
    from cloudmgr.pools.drivers.local.process import Entry, Exit, Process
    from cloudmgr.pools.drivers.local.records import Replica, Wanted

_log = logging.getLogger(__name__)
_RETRY = 1.0  # seconds until what the operating system refused is tried again


class Hosted:
    """Lives on the event loop; nothing in it waits, so that each step is whole."""

    def __init__(self, environment_id: str, floor: Floor) -> None:
        self.id = environment_id
        self.waiting: tuple[str, ...] = ()  # sentences on what found no room
        self.replicas: dict[str, Replica] = {}
        self.lives: dict[str, Life] = {}
        self.shelf = Shelf(environment_id)
        self._floor = floor
        self._wanted: Wanted | None = None
        self._damaged = ""
        self._ended: list[Allocation] = []
        self._published: State | None = None
        self._released = False
        self._due: set[str] = set()
        self._alarms = Alarms()

    # ----------------------------------------------------------------------- for the supervisor

    def held(self) -> Resources:
        """What its replicas hold, running or about to, and what its slots keep."""
        replicas = (r.component.size for r in self.replicas.values() if r.holds)
        slots = (Resources(storage_gib=s.gib) for s in self.shelf.kept)
        return sum((*replicas, *slots), start=Resources())

    def adopt(self, state: State, found: Mapping[str, Entry]) -> None:
        """Go on from what the last supervisor wrote down.

        :param found: leaders of this pool's living replicas, by the id that they are marked with.
        """
        self._published = state
        self._ended = list(state.ended)
        self.shelf = Shelf(self.id, state.storage)
        self.replicas = {r.id: r for r in state.replicas}
        for replica in state.replicas:
            if replica.state is ReplicaState.BACKOFF:
                self._retry(replica.id, self._floor.timing.backoff(replica.failures))
                continue
            leader = _leader(replica, found.get(replica.id))
            if leader is not None:
                self._live(replica, leader)
            elif not replica.pid:
                del self.replicas[replica.id]  # recorded, never made
            else:
                self._fallen(replica, "ended while nobody watched", stable=False)

    def look(self) -> None:
        """Read what is wanted and converge."""
        if self._released:
            return
        try:
            self._wanted = self._floor.files.read_wanted(self.id)
            self._damaged = ""
        except UnreadableError as error:
            self._damaged = f"its workload file is damaged and was not followed: {error}"
            _log.error("%s: %s", self.id, self._damaged)
        except OSError as error:
            _log.warning("%s: what is wanted cannot be read: %s", self.id, error)
            self._again()
            return
        self.converge()

    def converge(self) -> None:
        """Take every step that can be taken now."""
        wanted = self._wanted
        if self._released:
            return
        if wanted is None and self._damaged:
            self.publish()
            return
        workload = None if wanted is None or wanted.removed else wanted.workload
        revivable = {life.id for life in self.lives.values() if not life.asked}
        starts: list[Start] = []
        self.waiting = ()
        for action in plan(workload, self.replicas.values(), self._due, revivable):
            match action:
                case Start():
                    starts.append(action)
                case Drain(replica_id):
                    self._drain(replica_id)
                case Revive(replica_id):
                    self._revive(replica_id)
                case Discard(replica_id):
                    self._drop(replica_id)
        if workload is not None:
            self._start(starts, workload)
        self.publish()
        self._file_ended()
        if workload is None and not self.replicas:
            self._leave()

    def publish(self, *, durable: bool = False) -> bool:
        """Write down what is so; False if that failed, in which case it is tried again."""
        state = State(
            self.id,
            tuple(sorted(self.replicas.values(), key=lambda r: (r.component.name, r.slot, r.id))),
            self.shelf.kept,
            tuple(self._ended),
            tuple(self._problems()),
            tuple(self._limitations()),
        )
        if state == self._published:
            return True
        try:
            self._floor.files.write_state(state, durable=durable)
        except OSError as error:
            _log.warning("%s: its state cannot be written: %s", self.id, error)
            self._again()
            return False
        self._published = state
        self._floor.changed(self.id)
        return True

    def release(self) -> None:
        """Let go of everything; what runs keeps running."""
        self._released = True
        self._alarms.cancel_all()
        for life in self.lives.values():
            life.release()

    # ------------------------------------------------------------------------------- for a life

    def record(self, replica_id: str) -> Replica:
        return self.replicas[replica_id]

    def moved(self, replica_id: str, state: ReplicaState, message: str) -> None:
        ready_at = self.replicas[replica_id].ready_at
        if state is ReplicaState.READY and ready_at is None:
            ready_at = self._floor.clock.now()
        self._set(replica_id, state=state, message=message, ready_at=ready_at)
        self.converge()

    def gone(self, life: Life, how: Exit) -> None:
        replica = self.replicas[life.id]
        del self.lives[life.id]
        out_of_memory = self._floor.limits.finish(life.id)
        if replica.state is ReplicaState.DRAINING:
            self._end(replica)
            del self.replicas[replica.id]
        else:
            message = life.verdict or str(how)
            if out_of_memory:
                message = over_memory(replica)
            starting = replica.state is ReplicaState.STARTING
            port = replica.port
            taken = life.stranger or (
                starting and not life.verdict and port is not None and not ports.is_free(port)
            )
            self._fallen(replica, message, stable=life.stable, taken=taken)
        self._floor.spawn(self._clear(life.id))
        self.publish(durable=True)
        self._floor.freed()
        self.converge()

    # ---------------------------------------------------------------------------------- starting

    def _start(self, starts: list[Start], workload: Workload) -> None:
        """Record all of them, and only then make their processes."""
        floor = self._floor
        before = dict(self.replicas), self.shelf.kept, list(self._ended)
        born: list[Replica] = []
        for start in starts:
            component, slot = start.component, start.slot
            lack = floor.lack(replace(component.size, storage_gib=self.shelf.more(component, slot)))
            if lack:
                self.waiting += (f"{component.name}/{slot} waits for room: {lack}",)
                continue
            self._ended += self.shelf.keep(component, slot, workload, floor.clock.now())
            after = self.replicas.pop(start.after, None)
            replica = making.recorded(component, slot, after, workload, floor)
            self.replicas[replica.id] = replica
            born.append(replica)
        if not born:
            return
        if not self.publish(durable=True):
            # What is not written down must not run: a successor would not know of it.
            self.replicas, self.shelf, self._ended = before[0], Shelf(self.id, before[1]), before[2]
            return
        for start in starts:
            if start.after not in self.replicas:
                self._forget_retry(start.after)
        for replica in born:
            self._make(replica)

    def _make(self, replica: Replica) -> None:
        try:
            leader = making.make(replica, self.id, self._floor)
        except process.CannotStartError as error:
            self._floor.limits.finish(replica.id)
            self._floor.spawn(self._clear(replica.id))
            # It never held anything, so that no allocation is ended.
            self._back_off(replica, str(error), stable=False)
            return
        self._live(replica, leader)

    def _live(self, replica: Replica, leader: Process) -> None:
        """Watch ``replica``, new or adopted, from the state that it is in."""
        self.replicas[replica.id] = replace(
            replica, pid=leader.pid, ticks=leader.ticks, boot=process.boot()
        )
        floor = self._floor
        life = Life(
            replica.id,
            leader,
            self,
            pool=floor.pool,
            timing=floor.timing,
            checker=floor.checker,
            spawn=floor.spawn,
        )
        self.lives[replica.id] = life
        life.watch()
        if replica.state is ReplicaState.DRAINING:
            life.drain(floor.timing.settle, self._drain_seconds(replica))

    # ------------------------------------------------------------------------------------ ending

    def _drain(self, replica_id: str) -> None:
        replica = self.replicas[replica_id]
        # Only one that may be getting requests must wait for the gateway to hear of it.
        served = replica.port is not None and replica.ready_at is not None
        self._set(replica_id, state=ReplicaState.DRAINING, message="")
        settle = self._floor.timing.settle if served else 0.0
        self.lives[replica_id].drain(settle, self._drain_seconds(replica))

    def _revive(self, replica_id: str) -> None:
        replica = self.replicas[replica_id]
        state = ReplicaState.STARTING if replica.ready_at is None else ReplicaState.READY
        self._set(replica_id, state=state, message=replica.note)
        self.lives[replica_id].revive()

    def _drain_seconds(self, replica: Replica) -> float:
        """As wanted now: no part of the template, a change of it reaches what runs already."""
        components = self._wanted.workload.components if self._wanted is not None else ()
        name = replica.component.name
        return next((c for c in components if c.name == name), replica.component).drain_seconds

    def _fallen(self, replica: Replica, message: str, *, stable: bool, taken: bool = False) -> None:
        """It ended and nobody had wanted that."""
        self._end(replica)
        self._back_off(replica, message, stable=stable, taken=taken)

    def _back_off(
        self, replica: Replica, message: str, *, stable: bool, taken: bool = False
    ) -> None:
        failures = 1 if stable else replica.failures + 1
        delay = self._floor.timing.backoff(failures)
        note = ""
        if taken:
            note = message = f"port {replica.port} was taken by another program"
            # Nothing is wrong with the replica; but where every port is taken, haste is no help.
            delay = 0.0 if failures <= 3 else delay
        if delay > 0:
            message += f"; the next try follows in {delay:g} s"
        self.replicas[replica.id] = replace(
            replica,
            state=ReplicaState.BACKOFF,
            message=message,
            note=note,
            failures=failures,
            pid=0,
        )
        self._retry(replica.id, delay)

    def _end(self, replica: Replica) -> None:
        if replica.pid:
            self._ended.append(replica.allocation(self.id, self._floor.clock.now()))

    def _drop(self, replica_id: str) -> None:
        """Give up a slot that waits for its next try."""
        del self.replicas[replica_id]
        self._forget_retry(replica_id)

    def _file_ended(self) -> None:
        """Move ended allocations into files of their own, once the published state has them."""
        published = () if self._published is None else self._published.ended
        if not self._ended or published != tuple(self._ended):
            return
        try:
            for allocation in self._ended:
                self._floor.files.write_ended(allocation)
        except OSError as error:
            _log.warning("%s: what it held cannot be written down: %s", self.id, error)
            self._again()
            return
        self._ended = []
        self.publish()

    def _leave(self) -> None:
        """Nothing runs and nothing is wanted: give back storage, then the directory itself."""
        if self.shelf.kept:
            self._ended += self.shelf.clear(self._floor.clock.now())
            self.publish(durable=True)
            self._file_ended()
            self._floor.freed()
        if self._ended:
            return  # not written down yet; it is tried again
        try:
            done = self._floor.files.discard(self.id)
        except (OSError, UnreadableError) as error:
            _log.warning("%s cannot be deleted yet: %s", self.id, error)
            done = False
        if done:
            self.release()
            self._floor.left(self.id)
        else:
            self._again()

    async def _clear(self, replica_id: str) -> None:
        await asyncio.to_thread(filing.delete_tree, self._floor.files.run(self.id, replica_id))

    # ------------------------------------------------------------------------------------- small

    def _set(self, replica_id: str, **changes: object) -> None:
        self.replicas[replica_id] = replace(self.replicas[replica_id], **changes)  # type: ignore[arg-type]

    def _problems(self) -> Iterator[str]:
        if self._damaged:
            yield self._damaged
        yield from self.waiting

    def _limitations(self) -> Iterator[str]:
        if self._floor.limits.problem:
            yield self._floor.limits.problem
        if self.shelf.kept:
            yield "the size of storage is promised and charged here, but not enforced"
        wanted = self._wanted
        names = {c.name for c in wanted.workload.components} if wanted is not None else set()
        for name in sorted({s.component for s in self.shelf.kept} - names):
            yield f"the storage of {name}, which is no longer wanted, is kept until all is removed"

    def _retry(self, replica_id: str, delay: float) -> None:
        def due() -> None:
            self._due.add(replica_id)
            self.converge()

        self._alarms.set(replica_id, delay, due)

    def _again(self) -> None:
        """Look once more in a moment; the operating system may have changed its mind."""
        self._alarms.set("", _RETRY, self.look)

    def _forget_retry(self, replica_id: str) -> None:
        self._due.discard(replica_id)
        self._alarms.cancel(replica_id)


def over_memory(replica: Replica) -> str:
    return f"over its memory limit of {replica.component.memory_mib} MiB"


def _leader(replica: Replica, found: Entry | None) -> Process | None:
    """The process of ``replica``, if it lives: by its number or, before that is known, its mark."""
    if replica.pid:
        if replica.boot != process.boot():
            return None
        return process.Process.find(replica.pid, replica.ticks)
    return process.Process.find(found.pid, found.ticks) if found is not None else None
