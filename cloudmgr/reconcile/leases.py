"""Who works on what, when several control planes share one database.

Work is cut into named shards. A control plane holds a shard by a lease that it renews; one that
stops renewing loses it after ``ttl`` seconds of the *observer's* clock. A holder that could not
renew for two thirds of that time stops by itself, before anyone else may begin. Each change of
holder raises the fencing token, which every write checks inside its own transaction, so that a
control plane that was only asleep cannot overwrite what its successor did. Who could not look
itself for that long (the database was away) judges nobody by it, and begins to watch anew.
"""

from __future__ import annotations

import logging
import threading
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.errors import CloudmgrError, Conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.reconcile.store import LeaseRow, LeaseStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lease:
    """A shard held: its name, the holder and the fencing token; a Fence."""

    name: str
    holder: str
    token: int
    store: LeaseStore

    def check(self, tx: Connection) -> None:
        """:raises Conflict: ``lease-lost`` when another control plane has taken over."""
        if not self.store.holds(tx, self.name, self.holder, self.token):
            raise Conflict(f"another control plane has taken over {self.name}", code="lease-lost")


@dataclass(slots=True)
class _Seen:
    token: int
    beat: int
    at: float


class Leases:
    """The leases of one control plane, kept alive by a thread of its own.

    :param shards: how many shards environments are hashed into.
    :param singles: names of work that is not sharded (``gateway:extranet``).
    :param ttl: elapsed seconds without a sign of life after which a holder is given up.
    :param gained: called with a shard's name when this control plane begins to hold it, or may act
        on it again after it could not renew: what was to be done meanwhile was left undone.
    """

    def __init__(
        self,
        database: Database,
        store: LeaseStore,
        clock: Clock,
        holder: str,
        *,
        shards: int = 16,
        singles: Sequence[str] = (),
        ttl: float = 8.0,
        gained: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._holder = holder
        self._shards = shards
        self._singles = tuple(singles)
        self._ttl = ttl
        self._gained = gained
        self._held: dict[str, Lease] = {}
        self._untold: set[str] = set()
        self._seen: dict[str, _Seen] = {}
        self._members: dict[str, _Seen] = {}
        self._living = 0
        self._renewed = clock.monotonic()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    @property
    def names(self) -> list[str]:
        return [*(f"shard:{n:02}" for n in range(self._shards)), *self._singles]

    def start(self) -> None:
        """Take what is free now, then go on in the background."""
        with self._database.write() as tx:
            self._store.ensure(tx, self.names)
        self.tick()
        self._thread.start()

    def stop(self) -> None:
        """Give everything back, so that others need not wait for the time to run out."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        with self._lock:
            held, self._held = self._held, {}
        with self._database.write() as tx:
            for name in held:
                self._store.release(tx, name, self._holder)
            self._store.leave(tx, self._holder)

    def shard_of(self, key: str) -> str:
        return f"shard:{zlib.crc32(key.encode()) % self._shards:02}"

    def fence(self, key: str) -> Lease | None:
        """The right to work on ``key`` now, or None."""
        return self.single(self.shard_of(key))

    def single(self, name: str) -> Lease | None:
        """The right to do the unsharded work ``name`` now, or None."""
        with self._lock:
            return None if self._lapsed(self._clock.monotonic()) else self._held.get(name)

    @property
    def count(self) -> int:
        """How many shards and singles are held now."""
        with self._lock:
            return 0 if self._lapsed(self._clock.monotonic()) else len(self._held)

    @property
    def alone(self) -> bool:
        """Whether no other control plane has given a sign of life lately, so far as is known."""
        with self._lock:
            return self._living == 1 and not self._lapsed(self._clock.monotonic())

    def tick(self) -> None:
        """One round: renew what is held, note who else is alive, take what is due to us."""
        began = self._clock.monotonic()
        lapsed = self._lapsed(began)
        if began - self._renewed > self._ttl:
            self._seen.clear()
            self._members.clear()
        with self._database.write() as tx:
            self._store.beat(tx, self._holder)
            rows = self._store.all(tx)
            alive = self._alive(self._store.members(tx), began)
            for gone in alive.gone:
                self._store.leave(tx, gone)
            mine = {row.name: row for row in rows if row.holder == self._holder}
            taken = self._take_due(tx, rows, mine, len(alive.living), began)
            surplus = self._surplus(mine, len(alive.living)) if not taken else []
            for name in surplus:
                self._store.release(tx, name, self._holder)
        held = {
            row.name: Lease(row.name, self._holder, row.token, self._store)
            for row in (*mine.values(), *taken)
            if row.name not in surplus
        }
        with self._lock:
            self._untold |= held.keys() if lapsed else held.keys() - self._held.keys()
            self._untold &= held.keys()
            self._held = held
            self._living = len(alive.living)
            self._renewed = began
        for name in sorted(self._untold):
            self._gained(name)
            self._untold.discard(name)  # not before: a call that fails is repeated

    def _lapsed(self, now: float) -> bool:
        """Whether it renewed so long ago that others may soon begin."""
        return now - self._renewed > self._ttl * 2 / 3

    def _run(self) -> None:
        while not self._stop.wait(self._ttl / 4):
            try:
                self.tick()
            except CloudmgrError as error:
                log.warning("leases cannot be renewed: %s", error)
            except Exception:
                log.exception("leases cannot be renewed")

    def _alive(self, beats: dict[str, int], now: float) -> _Membership:
        for member, beat in beats.items():
            known = self._members.get(member)
            if known is None or known.beat != beat:
                self._members[member] = _Seen(0, beat, now)
        for member in set(self._members) - set(beats):
            del self._members[member]
        gone = [m for m, seen in self._members.items() if now - seen.at > self._ttl]
        return _Membership([m for m in beats if m not in gone], gone)

    def _take_due(
        self,
        tx: Connection,
        rows: list[LeaseRow],
        mine: dict[str, LeaseRow],
        living: int,
        now: float,
    ) -> list[LeaseRow]:
        shares = [r for r in mine.values() if r.name.startswith("shard:")]
        room = self._share(living) - len(shares)
        taken: list[LeaseRow] = []
        for row in rows:
            if row.holder == self._holder or row.name not in self.names:
                continue
            known = self._seen.get(row.name)
            if known is None or (known.token, known.beat) != (row.token, row.beat):
                known = self._seen[row.name] = _Seen(row.token, row.beat, now)
            if row.holder and now - known.at <= self._ttl:
                continue
            sharded = row.name.startswith("shard:")
            # A dead holder's shards are taken beyond the fair share if need be: better late
            # evened out than left alone.
            if sharded and not row.holder and room <= 0:
                continue
            if self._store.take(tx, row, self._holder):
                room -= sharded
                taken.append(type(row)(row.name, self._holder, row.token + 1, row.beat + 1))
        return taken

    def _share(self, living: int) -> int:
        return -(-self._shards // max(living, 1))

    def _surplus(self, mine: dict[str, LeaseRow], living: int) -> list[str]:
        shares = sorted(name for name in mine if name.startswith("shard:"))
        return shares[self._share(living) :]


@dataclass(frozen=True, slots=True)
class _Membership:
    living: list[str]
    gone: list[str]
