"""The end of the day: the month is closed, everything is worked out again, promises are judged."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

import yaml

from cloudmgr.cli.demo import city, evidence, money, promises, report
from cloudmgr.cli.demo.figures import sleeps, wakes
from cloudmgr.cli.demo.traces import DAY_SECONDS
from cloudmgr.clock import SystemClock
from cloudmgr.policy.default import packaged_policies

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from cloudmgr.cli.demo.day import Day
    from cloudmgr.cli.demo.evidence import Books
    from cloudmgr.cli.demo.figures import Change, Wake
    from cloudmgr.cli.demo.load.schedule import Outcome
    from cloudmgr.cli.demo.promises import Promise

# After the control plane is back: until its predecessor's leases have run out and it works again.
_TAKEOVER_SECONDS = 12.0


def conclude(day: Day, startup: float, console: Console, *, times: bool = True) -> int:
    """Close the month, show and write everything; 1 if a promise is broken.

    :param times: whether promises of seconds count.
    """
    books = _books(day)
    outcomes = day.visitors.outcomes() if day.visitors else []
    own = dict.fromkeys((plan.code for plan in city.PLANS), startup)
    judged = _judged(day, outcomes, books, own)
    lines = list(_lines(day, outcomes, books))
    console.print()
    report.show(console, lines, judged)
    report.write(day.out, lines, judged, books)
    kind = "invoices" if books.closed else "previews of invoices"
    console.print(
        f"{len(books.invoices)} {kind}, raw requests and figures: {day.out}", markup=False
    )
    counted = [promise for promise in judged if times or not promise.timed]
    return 0 if all(promise.kept for promise in counted) else 1


def _books(day: Day) -> Books:
    finance = day.found.remote(city.FINANCE)
    whole = day.until >= DAY_SECONDS
    clock = SystemClock()
    if not whole:
        evidence.await_ledger(finance, city.moment(day.until), clock.monotonic, clock.sleep)
    else:
        closed = evidence.close_month(finance, clock.monotonic, clock.sleep)
        day.say(f"{city.MONTH} is closed by {city.FINANCE.login}, sealed {closed['digest'][:16]}")
    return evidence.books(finance, closed=whole)


def _judged(
    day: Day, outcomes: Sequence[Outcome], books: Books, startup: dict[str, float]
) -> list[Promise]:
    chaos, windows = day.chaos, day.windows
    found = [promises.no_failure(outcomes, chaos.replicas)]
    found += [promises.in_time(w, day.watch.samples(w.system)) for w in windows]
    crowded = {window.system for window in windows}
    found += [
        promises.peak_as_quick([o for o in outcomes if o.system == code], windows)
        for code in sorted(crowded)
    ]
    normal, disturbed = _by_outage(day, _wakes(day, outcomes))
    if normal or day.until - day.since == DAY_SECONDS:  # in an hour or two perhaps nothing sleeps
        found.append(promises.wakes_quickly(normal, startup))
    found.append(promises.on_schedule(outcomes))
    for began, ended in chaos.outages:
        found.append(promises.served_on(outcomes, began, ended))
        changed = [c.at for changes in _changes(day).values() for c in changes]
        found.append(promises.went_on(changed, ended, disturbed))
    for kill in chaos.replicas:
        runs = evidence.runs(day.stage.state / "records", kill.system)
        started = [run.started_at for run in runs]
        found.append(promises.replaced(kill, started, day.watch.samples(kill.system)))
    known = _rates()
    found.append(money.charged(books.usage, books.charges, known, closed=books.closed))
    found.append(money.invoiced(books.invoices, books.charges))
    found.append(money.counted_once(books.usage))
    found.append(_held(day, books))
    found.append(_counted(day, outcomes, books))
    return found


def _rates() -> list[money.Rate]:
    with (packaged_policies() / "prices.yaml").open(encoding="utf-8") as text:
        return money.rates(yaml.safe_load(text))


def _held(day: Day, books: Books) -> Promise:
    # The ledger is cut at full hours, so that is where both sides are compared.
    end = city.moment(day.until)
    stage = day.stage
    said = evidence.vcpu_seconds(stage.state / "records", stage.timeline, day.chaos.replicas, end)
    gone = sum(ended - began for began, ended in day.chaos.outages) * stage.timeline.speed
    unseen = {plan.code: gone * plan.cpu_millis / 1000 for plan in city.PLANS}
    return money.as_applications_say(
        said, evidence.metered(books.usage, day.found, "vcpu", end), unseen
    )


def _counted(day: Day, outcomes: Iterable[Outcome], books: Books) -> Promise:
    end = city.moment(day.until)
    visits: defaultdict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        # Who saw a waiting page came twice: to be told to wait, and when the system was up.
        visits[outcome.system] += [outcome.done] * (2 if outcome.waited else 1)
    metered = evidence.metered(books.usage, day.found, "requests", end)
    return money.visits_counted(visits, metered, day.stage.timeline.machine(end), day.chaos.visits)


def _changes(day: Day) -> dict[str, list[Change]]:
    return {
        code: evidence.changes(decisions, code, day.stage.timeline)
        for code, decisions in day.watch.decisions.items()
    }


def _wakes(day: Day, outcomes: Iterable[Outcome]) -> list[Wake]:
    visits = list(outcomes)
    return [
        wake
        for code, changes in _changes(day).items()
        for wake in wakes([o for o in visits if o.system == code], changes)
    ]


def _by_outage(day: Day, found: Iterable[Wake]) -> tuple[list[Wake], list[Wake]]:
    """Wakes of normal times, and those that fell into an outage of the control plane."""
    normal: list[Wake] = []
    disturbed: list[Wake] = []
    for wake in found:
        inside = any(
            began - 1 <= wake.asked <= ended + _TAKEOVER_SECONDS
            for began, ended in day.chaos.outages
        )
        (disturbed if inside else normal).append(wake)
    return normal, disturbed


def _lines(day: Day, outcomes: Sequence[Outcome], books: Books) -> Iterable[report.Line]:
    changed = _changes(day)
    known = _rates()
    for code, one in day.found.hosted.items():
        visits = [o for o in outcomes if o.system == code]
        changes = changed.get(code, [])
        samples = day.watch.samples(code)
        charged = report.costs(books, one.environment_id)
        first, last = evidence.span_of(books.charges, one.environment_id)
        hours = Fraction((last - first) / timedelta(microseconds=1)) / 3_600_000_000
        yield report.line(
            one.plan,
            visits,
            day.windows,
            samples,
            day.span,
            sleeps(changes, day.span),
            wakes(visits, changes),
            sum(charged.values(), Fraction(0)),
            report.alone(
                one.plan, charged, max((s.ready for s in samples), default=0), hours, known, first
            ),
        )
