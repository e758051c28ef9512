"""The promises of the demo, each held against what was seen. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.cli.demo.figures import percentile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloudmgr.cli.demo.figures import Sample, Wake, Window
    from cloudmgr.cli.demo.load.schedule import Outcome

PEAK_FACTOR = 3.0
WAKE_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Promise:
    """What was promised, whether it was kept, and what says so.

    ``timed``: it is of seconds, which a machine that is busy with other things may spoil.
    """

    sentence: str
    kept: bool
    evidence: str
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Killed:
    """A replica that the demo killed: requests in flight on it then may have failed.

    ``at``: when it was killed; ``gone``: when it was seen to have ended. Between the two, a few
    milliseconds if the machine is busy, its sockets still take requests that nothing answers.
    """

    system: str
    at: float
    gone: float
    pid: int = 0


def no_failure(outcomes: Sequence[Outcome], killed: Iterable[Killed]) -> Promise:
    """No 5xx and no refused connection, but for requests in flight on a killed replica."""
    kills = tuple(killed)
    failed = [o for o in outcomes if o.failed]
    excused = [o for o in failed if _in_flight(o, kills)]
    broken = [o for o in failed if o not in excused]
    evidence = f"{len(outcomes):,} requests, {len(broken)} failed"
    if excused:
        evidence += f"; {len(excused)} more were in flight on a replica that was killed"
    if broken:
        worst = broken[0]
        evidence += f"; the first: {worst.system} {worst.act.value} {worst.status} {worst.error}"
    return Promise(
        "No error and no refused connection reaches a visitor while the platform scales, "
        "hibernates and wakes",
        kept=not broken and bool(outcomes),
        evidence=evidence,
    )


def _in_flight(outcome: Outcome, kills: Iterable[Killed]) -> bool:
    return any(
        kill.system == outcome.system and outcome.sent <= kill.gone and kill.at <= outcome.done
        for kill in kills
    )


def in_time(window: Window, samples: Iterable[Sample]) -> Promise:
    """Capacity Ready before the window opens, and held until it does.

    :param samples: of the window's system.
    """
    seen = [s for s in samples if s.at <= window.span.start]
    since = None
    for sample in sorted(seen, key=lambda s: s.at, reverse=True):
        if sample.ready < window.replicas:
            break
        since = sample.at
    sentence = f"{window.name}: {window.replicas} replicas are Ready before it opens"
    if since is None:
        have = max(seen, key=lambda s: s.at, default=None)
        return Promise(sentence, kept=False, evidence=f"{have.ready if have else 0} were Ready")
    early = (window.span.start - since) * window.span.speed / 60
    return Promise(sentence, kept=True, evidence=f"Ready {early:.0f} minutes ahead")


def peak_as_quick(outcomes: Iterable[Outcome], windows: Sequence[Window]) -> Promise:
    """p95 within the declared windows under three times the p95 outside them.

    :param outcomes: of the system that has the windows.
    """
    peak: list[float] = []
    quiet: list[float] = []
    for outcome in outcomes:
        inside = any(outcome.due in window.span for window in windows)
        (peak if inside else quiet).append(outcome.latency)
    high, low = percentile(peak, 0.95), percentile(quiet, 0.95)
    sentence = f"p95 in the peak stays under {PEAK_FACTOR:g} × the quiet p95"
    if high is None or low is None:
        return Promise(sentence, kept=False, evidence="there was no traffic to compare")
    return Promise(
        sentence,
        kept=high < PEAK_FACTOR * low,
        evidence=f"{high * 1000:.0f} ms against {low * 1000:.0f} ms: {high / low:.2f} ×",
        timed=True,
    )


def wakes_quickly(found: Sequence[Wake], startup: Mapping[str, float]) -> Promise:
    """The first request to a sleeping system: answered within 1.5 s and its own start-up.

    :param startup: seconds that each application takes to start by itself, measured in this run.
    """
    sentence = f"Waking takes under {WAKE_SECONDS:g} s and the application's own start-up"
    if not found:
        return Promise(sentence, kept=False, evidence="nothing slept, so nothing was woken")
    late = [w for w in found if w.seconds >= WAKE_SECONDS + startup[w.system]]
    worst = max(found, key=lambda w: w.seconds - startup[w.system])
    evidence = (
        f"{len(found)} wakes, the slowest {worst.seconds:.2f} s ({worst.system}, whose own "
        f"start-up is {startup[worst.system]:.2f} s)"
    )
    if late:
        evidence += f"; {len(late)} late"
    return Promise(sentence, kept=not late, evidence=evidence, timed=True)


def on_schedule(outcomes: Sequence[Outcome]) -> Promise:
    """The visitors came when they were due: what was measured is the open model that was meant."""
    late = percentile((o.sent - o.due for o in outcomes), 0.99)
    sentence = "The visitors came when the schedule says (99 % within 50 ms)"
    if late is None:
        return Promise(sentence, kept=False, evidence="nobody came")
    evidence = f"99 % within {late * 1000:.1f} ms"
    return Promise(sentence, kept=late < 0.05, evidence=evidence, timed=True)


def served_on(outcomes: Iterable[Outcome], began: float, ended: float) -> Promise:
    """While the control plane was gone, what ran went on serving.

    :param began: when it was killed; ``ended``: when another one answered.
    """
    meanwhile = [o for o in outcomes if began <= o.sent < ended]
    failed = sum(o.failed for o in meanwhile)
    return Promise(
        "Replicas go on serving while the control plane is gone (kill -9 in the peak)",
        kept=bool(meanwhile) and not failed,
        evidence=f"{ended - began:.1f} s without one, {len(meanwhile)} requests, {failed} failed",
    )


def went_on(changed: Iterable[float], ended: float, disturbed: Sequence[Wake]) -> Promise:
    """After a restart the control plane goes on deciding.

    :param changed: when decisions were made.
    :param disturbed: wakes that fell into the outage; how long they took is told, not promised.
    """
    after = sorted(at - ended for at in changed if at > ended)
    evidence = f"{len(after)} decisions since"
    if after:
        evidence += f", the first after {after[0]:.1f} s"
    if disturbed:
        slowest = max(wake.seconds for wake in disturbed)
        evidence += f"; {len(disturbed)} wakes fell into it, the slowest took {slowest:.1f} s"
    return Promise("The plan goes on after the restart", kept=bool(after), evidence=evidence)


def replaced(kill: Killed, started: Iterable[float], samples: Iterable[Sample]) -> Promise:
    """A replica that was killed is replaced.

    :param started: when replicas of that system began, by their own account.
    :param samples: of that system: as many are Ready again as before.
    """
    seen = sorted(samples, key=lambda s: s.at)
    before = next((s.ready for s in reversed(seen) if s.at <= kill.at), 0)
    began = min((at for at in started if at > kill.at), default=None)
    sentence = "A replica that is killed (kill -9) is replaced"
    if began is None:
        return Promise(sentence, kept=False, evidence="no other was started")
    again = next((s.at for s in seen if s.at > began and s.ready >= before), None)
    evidence = f"another one ran {began - kill.at:.2f} s later"
    if again is not None:
        evidence += f", {before} were Ready after {again - kill.at:.2f} s"
    return Promise(sentence, kept=again is not None, evidence=evidence)
