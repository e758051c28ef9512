"""Sends what people are told to those who do not look at the pages.

A duty of one control plane. It makes out to whom each notice goes, then has one message sent to
each target, of all that waits for it: nobody wants a hundred mails when a pool is lost. Nothing is
sent inside a transaction, and a target that does not answer delays no other.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from cloudmgr.clock import SystemClock
from cloudmgr.errors import NotFound
from cloudmgr.identity.user import Locale
from cloudmgr.notices.delivery import (
    Officer,
    State,
    by_target,
    dropped,
    mailed,
    spread,
    tried,
)
from cloudmgr.notices.message import Tongue, compose, trial
from cloudmgr.notices.sender import Sender
from cloudmgr.wiring.duties import Duty
from cloudmgr.wiring.lookout import Lookout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from zoneinfo import ZoneInfo

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.notices.message import Message
    from cloudmgr.notices.notice import Notice
    from cloudmgr.notices.sender import Target
    from cloudmgr.wiring.control_plane import ControlPlane
    from cloudmgr.wiring.metrics import Metrics
    from cloudmgr.wiring.stores import Stores

log = logging.getLogger(__name__)

# How long a notice is kept.
KEPT = timedelta(days=400)
# Of one message; the rest goes with the next.
_TOGETHER = 20
_SPREAD_AT_ONCE = 500
# Elapsed seconds that a turn waits for all targets; who takes longer has failed.
_PATIENCE = 60.0
_AT_ONCE = 8
_DAY = timedelta(days=1)
_TONGUES = {Locale.ZH_CN: Tongue.ZH, Locale.EN: Tongue.EN}


@dataclass(frozen=True, slots=True)
class _Way:
    """How a target is reached, and in which languages."""

    tongue: Tongue
    send: Callable[[Message], str | None]


def noticing(plane: ControlPlane) -> Notices:
    """The notices of one control plane. :raises Invalid: ``invalid-settings``."""
    settings = plane.settings
    sender = Sender(
        [target.get_secret_value() for target in settings.notice_targets],
        settings.notice_mail.get_secret_value(),
    )
    made = Notices(plane.database, plane.stores, sender, plane.clock, settings.zone)
    made.measure(plane.metrics)
    made.duties += Lookout(plane).duties
    return made


class Notices:
    """See above.

    :param clock: by which old notices are forgotten.
    """

    def __init__(
        self,
        database: Database,
        stores: Stores,
        sender: Sender,
        clock: Clock,
        zone: ZoneInfo,
        *,
        machine: Clock | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        self._database = database
        self._stores = stores
        self._sender = sender
        self._clock = clock
        # Servers of mail have the machine's time, however fast business runs.
        self._machine = machine or SystemClock()
        self._zone = zone
        self._patience = patience
        self.duties: tuple[Duty, ...] = (
            Duty("notices", 15.0, self.send),
            Duty("old-notices", 3600.0, self.purge),
        )

    @property
    def targets(self) -> tuple[Target, ...]:
        return self._sender.targets

    @property
    def mails(self) -> bool:
        return self._sender.mails

    def send(self) -> None:
        """One turn: what is due goes out, and how that went is kept."""
        self._spread()
        now = self._machine.now()
        with self._database.read() as tx:
            due = self._stores.deliveries.due(tx, now, _TOGETHER)
            told = self._stores.notices.by_ids(tx, [one.notice_id for one in due])
            ways = {
                target: (some, self._way(tx, target)) for target, some in by_target(due).items()
            }
        if not ways:
            return
        work: dict[str, Callable[[], str | None]] = {}
        for target, (some, way) in ways.items():
            notices = [told[one.notice_id] for one in some if one.notice_id in told]
            if way is not None and notices:
                work[target] = self._sending(way, notices)
        failures = self._all(work)
        now = self._machine.now()
        with self._database.write() as tx:
            for target, (some, _) in ways.items():
                for one in some:
                    if target not in work or one.notice_id not in told:
                        after = dropped(one, "there is nowhere to send it to any more", now)
                    else:
                        after = tried(one, failures[target], now)
                    self._stores.deliveries.change(tx, after)
        for target, failure in failures.items():
            if failure is not None:
                log.warning("what was sent to %s did not arrive: %s", target, failure)

    def test(self) -> list[tuple[Target, str | None]]:
        """Send a test to every target of the operators now: why each failed, or None."""
        message = trial(Tongue.BOTH)
        found = self._all(
            {
                target.id: partial(self._sender.send, target.id, message)
                for target in self._sender.targets
            }
        )
        return [(target, found[target.id]) for target in self._sender.targets]

    def purge(self) -> None:
        """Forget what was told long ago."""
        with self._database.write() as tx:
            self._stores.notices.purge(tx, self._clock.now() - KEPT)
            self._stores.deliveries.purge(tx)

    def measure(self, metrics: Metrics) -> None:
        """Have Prometheus told of what does not arrive."""

        def waiting() -> float:
            with self._database.read() as tx:
                return float(self._stores.deliveries.count(tx)[State.WAITING])

        def given_up() -> float:
            since = self._machine.now() - _DAY
            with self._database.read() as tx:
                return float(self._stores.deliveries.given_up(tx, since))

        metrics.gauge(
            "cloudmgr_notices_waiting", "Deliveries of notices that are still to be made.", waiting
        )
        metrics.gauge(
            "cloudmgr_notices_given_up",
            "Deliveries of notices that were given up in the last 24 hours.",
            given_up,
        )

    # ------------------------------------------------------------------------------ the parts

    def _spread(self) -> None:
        now = self._machine.now()
        targets = [target.id for target in self._sender.targets]
        with self._database.read() as tx:
            if not self._stores.notices.unspread(tx, 1):
                return
        with self._database.write() as tx:
            fresh = self._stores.notices.unspread(tx, _SPREAD_AT_ONCE)
            officers = self._officers(tx) if self._sender.mails else []
            for notice in fresh:
                self._stores.deliveries.add(tx, spread(notice, targets, officers, now))
            self._stores.notices.set_spread(tx, [notice.id for notice in fresh])

    def _officers(self, tx: Connection) -> list[Officer]:
        users = self._stores.users.with_mail(tx)
        muted = self._stores.notices.muted(tx, [user.id for user in users])
        return [
            Officer(user.id, user.department_id, muted.get(user.id, frozenset()))
            for user in users
            if user.department_id is not None
        ]

    def _way(self, tx: Connection, target: str) -> _Way | None:
        """How to reach ``target`` now; None: no more."""
        if self._sender.knows(target):
            return _Way(Tongue.BOTH, partial(self._sender.send, target))
        user_id = mailed(target)
        if user_id is None or not self._sender.mails:
            return None
        try:
            user = self._stores.users.get(tx, user_id)
        except NotFound:
            return None
        if not user.active or not user.email:
            return None
        return _Way(_TONGUES[user.locale], partial(self._sender.mail, user.email))

    def _sending(self, way: _Way, notices: Sequence[Notice]) -> Callable[[], str | None]:
        message = compose(notices, way.tongue, self._zone)
        return partial(way.send, message)

    def _all(self, work: dict[str, Callable[[], str | None]]) -> dict[str, str | None]:
        """Do all of it side by side, with patience for all of it together."""
        if not work:
            return {}
        workers = ThreadPoolExecutor(min(_AT_ONCE, len(work)), thread_name_prefix="notices")
        futures: dict[str, Future[str | None]] = {
            target: workers.submit(send) for target, send in work.items()
        }
        wait(futures.values(), timeout=self._patience)
        workers.shutdown(wait=False, cancel_futures=True)
        return {target: self._outcome(future) for target, future in futures.items()}

    def _outcome(self, future: Future[str | None]) -> str | None:
        if not future.done() or future.cancelled():
            return f"it took longer than {self._patience:g} seconds"
        return future.result()
