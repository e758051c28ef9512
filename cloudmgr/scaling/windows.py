"""Declared peaks: which there may be, what they ask for now, and when that changes next. Pure.

A window counts from ``lead_time`` before its start, so that capacity is there when it opens, until
its end, which is not part of it. Where windows overlap the largest counts; two that touch leave no
gap, since the second one's lead begins before the first one's end.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid
from cloudmgr.hosting.validation import window_problems
from cloudmgr.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from decimal import Decimal

    from cloudmgr.hosting.environments import Component
    from cloudmgr.hosting.expected import Expected
    from cloudmgr.hosting.requests import WindowAsk

LONGEST = timedelta(days=31)
LONGEST_NOTE = 500


@dataclass(frozen=True, slots=True)
class PeakWindow:
    """``replicas`` of ``component`` during ``interval``; ``expected_rps`` in requests per second.

    ``expected`` tells what the replicas were worked out from, if they were; ``series_id`` which
    series it is a date of.

    A window is never changed: it is cancelled and another one is booked, so that what was promised
    at any moment can be told later.
    """

    id: str
    environment_id: str
    component: str
    interval: Interval
    replicas: int
    expected_rps: Decimal | None
    note: str
    created_by: str
    created_at: datetime
    cancelled_at: datetime | None = None
    request_id: str | None = None
    version: int = 1
    expected: Expected | None = None
    series_id: str | None = None

    def counts(self, now: datetime, lead_time: timedelta) -> bool:
        """Whether it asks for its replicas now."""
        if self.cancelled_at is not None:
            return False
        return self.interval.start - lead_time <= now < self.interval.end


def checked(ask: WindowAsk, components: Sequence[Component], now: datetime) -> Interval:
    """The interval of a window that may be booked.

    :raises Invalid: ``invalid-window`` with every problem: without a time zone, ends before it
        starts, over already, longer than 31 days, too far ahead, more replicas than the ceiling,
        an unknown component, an absurd rate, a note that is too long or not plain text.
    """
    problems = list(_note_problems(ask.note))
    if ask.expected_rps is not None and not ask.expected_rps.is_finite():
        problems.append(("expected_rps", "it is not a number"))
        ask = replace(ask, expected_rps=None)
    naive = [
        (name, "it has no time zone")
        for name, value in (("starts_at", ask.starts_at), ("ends_at", ask.ends_at))
        if value.tzinfo is None
    ]
    problems += naive
    if not naive:
        problems += [
            (path.removeprefix("windows[0]."), sentence)
            for path, sentence in window_problems([ask], components, now)
        ]
        if LONGEST < ask.ends_at - ask.starts_at < LONGEST + timedelta(days=1):
            problems.append(("ends_at", "a window lasts at most 31 days"))
    if problems:
        path, sentence = problems[0]
        raise Invalid(sentence, code="invalid-window", path=path, problems=tuple(problems))
    return Interval(ask.starts_at, ask.ends_at)


def _note_problems(note: str) -> Iterable[tuple[str, str]]:
    if len(note) > LONGEST_NOTE:
        yield "note", f"it has {len(note):,} letters; {LONGEST_NOTE} at most"
    elif any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in note):
        yield "note", "it is not plain text"


def floor(
    windows: Iterable[PeakWindow], component: str, now: datetime, lead_time: timedelta
) -> int:
    """How many replicas of ``component`` the windows ask for now; 0 when none does."""
    return max(
        (w.replicas for w in windows if w.component == component and w.counts(now, lead_time)),
        default=0,
    )


def next_boundary(
    windows: Iterable[PeakWindow], now: datetime, lead_time: timedelta
) -> datetime | None:
    """The first moment after ``now`` at which what :func:`floor` answers may change."""
    moments = (
        moment
        for window in windows
        if window.cancelled_at is None
        for moment in (window.interval.start - lead_time, window.interval.end)
        if moment > now
    )
    return min(moments, default=None)
