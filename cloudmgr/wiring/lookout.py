"""Looks for what people are to be told: duties that compare what is with what was told of it.

A turn that was missed, or came twice, changes nothing: a notice is put as often as it is true, and
told once. What a person does is told in the transaction in which it is done: see
:meth:`Lookout.request`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.conditions import Status
from cloudmgr.errors import NotFound
from cloudmgr.hosting.requests import RequestState
from cloudmgr.hosting.workload import readiness
from cloudmgr.interval import Interval
from cloudmgr.notices import words
from cloudmgr.notices.notice import Kind, Subject
from cloudmgr.scaling.readiness import Word
from cloudmgr.scaling.wakes import Fate
from cloudmgr.wiring.duties import Duty

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.hosting.environments import Environment, System
    from cloudmgr.hosting.requests import HostingRequest
    from cloudmgr.notices.notice import Notice
    from cloudmgr.planning.holders import Promise
    from cloudmgr.planning.promise_words import PoolRisk
    from cloudmgr.scaling.readiness import Readiness
    from cloudmgr.scaling.wakes import Wake
    from cloudmgr.scaling.windows import PeakWindow
    from cloudmgr.wiring.control_plane import ControlPlane

# Elapsed seconds between two turns.
_OFTEN, _SELDOM = 60.0, 300.0
# What is older is not news any more, even to a control plane that was down.
_NEWS = timedelta(days=7)
# Not Ready for as long is worth a word; a wake that is late by less has its own end told soon.
LONG = timedelta(minutes=30)
GRACE = timedelta(minutes=1)
_AT_ONCE = 500


class Lookout:
    """See above. Whatever it reads or writes is a control plane's own."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._stores = plane.stores
        self._database = plane.database
        self._clock = plane.clock
        self._zone = plane.settings.zone
        self.duties = (
            Duty("lookout-promises", _OFTEN, self.promises),
            Duty("lookout-windows", _OFTEN, self.windows),
            Duty("lookout-checks", _OFTEN, self.checks),
            Duty("lookout-wakes", _OFTEN, self.wakes),
            Duty("lookout-series", _SELDOM, self.series),
            Duty("lookout-readiness", _SELDOM, self.environments),
        )

    # ------------------------------------------------------------------------------- requests

    def request(self, tx: Connection, request: HostingRequest) -> None:
        """Tell what was decided on ``request``, in the transaction that decides it."""
        subject, now = self._of_request(tx, request), self._clock.now()
        kind = request.kind.value
        if request.state is RequestState.FULFILLED:
            told = words.approved(subject, request.id, kind, now)
        elif request.state in {RequestState.DENIED, RequestState.REJECTED, RequestState.FAILED}:
            told = words.refused(subject, request.id, kind, _why(request), now)
        else:
            return
        self._stores.notices.put(tx, told)

    def _of_request(self, tx: Connection, request: HostingRequest) -> Subject:
        system = self._stores.systems.get(tx, request.system_id)
        if request.ask is not None:
            return _subject(system, "", request.ask.name)
        if request.environment_id is None:
            return _subject(system, "", "")
        there = self._stores.environments.by_ids(tx, [request.environment_id])
        return _subject(system, request.environment_id, there[0].name if there else "")

    # ------------------------------------------------------------------------------- promises

    def promises(self) -> None:
        """Tell which promises have come to be at risk, and which are safe again."""
        now = self._clock.now()
        with self._database.read() as tx:
            risks = [risk for risk in self._plane.promises.all_at_risk(tx) if risk.risk]
            standing = {
                notice.about_id: notice
                for notice in self._stores.notices.standing(tx, [Kind.AT_RISK], now)
            }
            told = [*self._lost(tx, risks, standing, now), *self._safe(tx, risks, standing, now)]
        self._tell(told)

    def _lost(
        self,
        tx: Connection,
        risks: Iterable[PoolRisk],
        standing: Mapping[str, Notice],
        now: datetime,
    ) -> list[Notice]:
        fresh = [(risk, lost) for risk in risks for lost in risk.lost if lost.id not in standing]
        subjects = self._subjects(tx, (lost.environment_id for _, lost in fresh))
        return [
            self._at_risk(subjects[lost.environment_id], risk, lost, now)
            for risk, lost in fresh
            if lost.environment_id in subjects
        ]

    @staticmethod
    def _at_risk(subject: Subject, risk: PoolRisk, lost: Promise, now: datetime) -> Notice:
        said = risk.told(lost, now)
        promise = lost.component, lost.replicas, said.interval
        return words.at_risk(subject, lost.id, promise, (said.reason.zh, said.reason.en), now)

    def _safe(
        self,
        tx: Connection,
        risks: Iterable[PoolRisk],
        standing: Mapping[str, Notice],
        now: datetime,
    ) -> list[Notice]:
        lost = {promise.id for risk in risks for promise in risk.lost}
        # Of a pool that does not answer nobody can tell.
        answered = {risk.pool.id for risk in risks}
        found = []
        for window_id in standing.keys() - lost:
            window = self._window(tx, window_id)
            if window is None or window.cancelled_at is not None:
                continue
            (environment, subject) = self._named(tx, window.environment_id)
            if environment is None or subject is None or environment.pool_id not in answered:
                continue
            found.append(words.safe(subject, window_id, window.interval, now, self._zone))
        return found

    # -------------------------------------------------------------------------------- windows

    def windows(self) -> None:
        """Tell which peaks were booked without a request; of a series, its first."""
        now = self._clock.now()
        with self._database.read() as tx:
            booked = self._stores.scaling.windows.booked(tx, now - _NEWS, now)
            groups: dict[str, list[PeakWindow]] = {}
            for window in booked:
                groups.setdefault(window.series_id or window.id, []).append(window)
            subjects = self._subjects(tx, (window.environment_id for window in booked))
        self._tell(
            words.booked(
                subjects[first.environment_id],
                first.id,
                (first.component, first.replicas, first.interval),
                first.created_at,
                self._zone,
                series_id=first.series_id,
                alike=len(rest),
            )
            for first, *rest in groups.values()
            if first.environment_id in subjects
        )

    def checks(self) -> None:
        """Tell what was seen of the peaks of the next week: that all is ready, or what is not."""
        now = self._clock.now()
        with self._database.read() as tx:
            ahead = self._stores.scaling.windows.list(
                tx, hosted=True, during=Interval(now, now + _NEWS), cancelled=False
            )
            windows = {window.id: window for window in ahead if window.interval.start > now}
            seen = self._stores.scaling.readiness.latest(tx, windows)
            subjects = self._subjects(tx, (windows[key].environment_id for key in seen))
        told = (
            self._of_check(subjects[windows[key].environment_id], windows[key], one)
            for key, one in seen.items()
            if windows[key].environment_id in subjects
        )
        self._tell(notice for notice in told if notice is not None)

    def _of_check(self, subject: Subject, window: PeakWindow, seen: Readiness) -> Notice | None:
        """None for what is not known: of that nobody is to be woken."""
        if seen.word in {Word.READY, Word.WARNED}:
            warned = [check for check in seen.checks if check.word is Word.WARNED]
            but = "".join(f"{one.zh}。" for one in warned), " ".join(one.en for one in warned)
            return words.prepared(subject, window.id, window.interval, seen.at, self._zone, but=but)
        bad = [check for check in seen.checks if check.word is Word.AT_RISK]
        if not bad:
            return None
        why = (
            "".join(check.zh + check.do_zh for check in bad),
            " ".join(f"{check.en} {check.do_en}".strip() for check in bad),
        )
        return words.unprepared(subject, window.id, window.interval, seen.at, self._zone, why=why)

    # ---------------------------------------------------------------------------------- wakes

    def wakes(self) -> None:
        """Tell which wakes are late, which have missed their promise, and which tests failed."""
        now = self._clock.now()
        with self._database.read() as tx:
            broken = self._stores.scaling.wakes.broken(tx, now - _NEWS, now)
            tests = self._stores.scaling.wakes.tests_broken(tx, now - _NEWS)
            subjects = self._subjects(tx, (wake.environment_id for wake in (*broken, *tests)))
        self._tell(
            words.test_failed(
                subjects[test.environment_id],
                test.id,
                test.promised_by,
                test.ready_at or test.ended_at or now,
                self._zone,
                ready_at=test.ready_at,
            )
            for test in tests
            if test.environment_id in subjects
        )
        told = (
            self._of_wake(subjects[wake.environment_id], wake, now)
            for wake in broken
            if wake.environment_id in subjects
        )
        self._tell(notice for notice in told if notice is not None)

    def _of_wake(self, subject: Subject, wake: Wake, now: datetime) -> Notice | None:
        if wake.fate(now) is Fate.MISSED:
            over, ready_at = wake.ready_at or wake.ended_at or now, wake.ready_at
            return words.missed(
                subject, wake.id, wake.promised_by, over, self._zone, ready_at=ready_at
            )
        if now - wake.promised_by < GRACE:
            return None
        return words.late(subject, wake.id, wake.promised_by, now, self._zone)

    # --------------------------------------------------------------------------------- series

    def series(self) -> None:
        """Tell which dates of series their pools cannot promise."""
        now = self._clock.now()
        with self._database.read() as tx:
            short = [
                (series, date)
                for series in self._stores.scaling.series.list(tx, ended=False)
                for date in series.unmet
                if date.interval.end > now
            ]
            subjects = self._subjects(tx, (series.environment_id for series, _ in short))
        self._tell(
            words.unmet(
                subjects[series.environment_id],
                series.id,
                date.interval,
                date.since,
                self._zone,
                why=(date.zh, date.en),
            )
            for series, date in short
            if series.environment_id in subjects
        )

    # ------------------------------------------------------------------------------ readiness

    def environments(self) -> None:
        """Tell what is not Ready for long, what is so again, and what is so for the first time."""
        now = self._clock.now()
        after: str | None = None
        with self._database.read() as tx:
            standing = {
                notice.about_id
                for notice in self._stores.notices.standing(tx, [Kind.NOT_READY], now)
            }
        while True:
            with self._database.read() as tx:
                some = self._stores.environments.list(tx, after=after, limit=_AT_ONCE)
                worth = [e for e in some if self._worth(e, standing, now)]
                subjects = self._subjects(tx, (environment.id for environment in worth))
            self._tell(self._of_readiness(e, subjects[e.id], now) for e in worth)
            if len(some) < _AT_ONCE:
                return
            after = some[-1].id

    @staticmethod
    def _worth(environment: Environment, standing: set[str], now: datetime) -> bool:
        if environment.retiring or environment.hibernated:
            return False
        found = readiness(environment)
        if found.status is Status.TRUE:
            return environment.id in standing or now - environment.created_at < _NEWS
        since = max(found.since, environment.created_at)
        return environment.id not in standing and now - since >= LONG

    def _of_readiness(self, environment: Environment, subject: Subject, now: datetime) -> Notice:
        found = readiness(environment)
        since = max(found.since, environment.created_at)
        if found.status is Status.TRUE:
            return words.ready(subject, since, now, self._zone)
        return words.not_ready(subject, since, now, self._zone)

    # ------------------------------------------------------------------------------ the parts

    def _tell(self, told: Iterable[Notice]) -> None:
        told = list(told)
        if not told:
            return
        with self._database.write() as tx:
            for notice in told:
                self._stores.notices.put(tx, notice)

    def _window(self, tx: Connection, window_id: str) -> PeakWindow | None:
        try:
            return self._stores.scaling.windows.get(tx, window_id)
        except NotFound:
            return None

    def _named(
        self, tx: Connection, environment_id: str
    ) -> tuple[Environment | None, Subject | None]:
        found = self._stores.environments.by_ids(tx, [environment_id])
        if not found:
            return None, None
        return found[0], self._subjects(tx, [environment_id]).get(environment_id)

    def _subjects(self, tx: Connection, ids: Iterable[str]) -> Mapping[str, Subject]:
        """Those of ``ids`` that there are, by id."""
        environments = self._stores.environments.by_ids(tx, ids)
        systems = self._stores.systems.by_ids(tx, sorted({e.system_id for e in environments}))
        return {e.id: _subject(systems[e.system_id], e.id, e.name) for e in environments}


def _subject(system: System, environment_id: str, name: str) -> Subject:
    zh = system.name_zh or system.name_en or system.code
    en = system.name_en or system.name_zh or system.code
    return Subject(
        environment_id,
        system.department_id,
        f"{zh}（{name}）" if name else zh,
        f"{en} ({name})" if name else en,
    )


def _why(request: HostingRequest) -> tuple[str, str]:
    """By whom, or by what, it was refused."""
    if request.state is RequestState.REJECTED and request.approvals:
        last = request.approvals[-1]
        return f"{last.login} 的意见：{last.reason}", f"{last.login}: {last.reason}"
    reasons = request.decision.reasons
    if request.state is RequestState.FAILED:
        # What came of it last; in Chinese too where that is said.
        last_zh = next((r.zh for r in reversed(reasons) if r.en == request.message), "")
        return f"批准后未能办理：{last_zh or request.message}", (
            f"It was approved and could not be carried out: {request.message}"
        )
    return "；".join(r.zh for r in reasons), "; ".join(r.en for r in reasons)
