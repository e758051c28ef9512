"""Whether an announced peak will find what it needs, looked at a week and a day ahead. Pure.

A verdict is what can be seen at that time, and no more: what nothing tells of is not known, and is
said to be so, with what would tell it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from cloudmgr.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import tzinfo

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.scaling.lead import Lead
    from cloudmgr.scaling.wakes import Wake
    from cloudmgr.scaling.windows import PeakWindow


class Moment(StrEnum):
    """When it was looked at."""

    WEEK = "week"
    DAY = "day"
    ASKED = "asked"  # by somebody


BEFORE = {Moment.WEEK: timedelta(days=7), Moment.DAY: timedelta(days=1)}


class Word(StrEnum):
    """How one thing stands, the worst last."""

    READY = "ready"
    WARNED = "warned"  # the peak will have what it needs, and somebody is to know something
    NOT_KNOWN = "not-known"
    AT_RISK = "at-risk"


class Kind(StrEnum):
    """What is looked at."""

    CAPACITY = "capacity"
    HEALTH = "health"
    IMAGES = "images"
    LEAD = "lead"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class Check:
    """One verdict, in a sentence of each language, and what to do; empty if there is nothing."""

    kind: Kind
    word: Word
    zh: str
    en: str
    do_zh: str = ""
    do_en: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What was seen of a window at one time.

    :param actor: who asked for it; None for the control plane.
    """

    window_id: str
    moment: Moment
    at: datetime
    checks: tuple[Check, ...]
    actor: str | None = None
    id: str = ""

    @property
    def word(self) -> Word:
        """The worst of its checks; where nobody made a budget, no peak waits for one."""
        counts = (
            one.word for one in self.checks if (one.kind, one.word) != (Kind.BUDGET, Word.NOT_KNOWN)
        )
        return max(counts, key=list(Word).index, default=Word.NOT_KNOWN)


@dataclass(frozen=True, slots=True)
class Promised:
    """What its pool answers: whether it can keep the promise; None if it does not answer."""

    kept: bool | None
    zh: str = ""
    en: str = ""


@dataclass(frozen=True, slots=True)
class Spending:
    """A budget of the year that a peak lies in, and where that year is going.

    :param of_system: it is its system's; otherwise its department's.
    :param exceeds: whether more will be spent than there is; None if that is not known.
    :param percent: what will be spent, of what there is, rounded up; None where that says nothing.
    """

    of_system: bool
    exceeds: bool | None
    percent: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a check takes in.

    :param wakes: of its environment, the newest first.
    :param zone: in which sentences tell days.
    :param spending: its budgets; none where nobody made one.
    """

    window: PeakWindow
    environment: Environment
    promised: Promised
    wakes: Sequence[Wake]
    lead: Lead
    zone: tzinfo
    spending: Sequence[Spending] = ()


def due(window: PeakWindow, done: Collection[Moment], now: datetime) -> Moment | None:
    """The moment for which ``window`` is to be looked at now; None if for none.

    Once the day has come, the week is past: what it would have said is said by the day.
    """
    if window.cancelled_at is not None or window.interval.start <= now:
        return None
    passed = [m for m, ahead in BEFORE.items() if window.interval.start - ahead <= now]
    if not passed:
        return None
    last = min(passed, key=BEFORE.__getitem__)
    return None if last in done else last


def next_at(window: PeakWindow, now: datetime) -> datetime | None:
    """When it is looked at next by itself; None if never again."""
    if window.cancelled_at is not None:
        return None
    moments = (window.interval.start - ahead for ahead in BEFORE.values())
    return min((at for at in moments if at > now), default=None)


def check_ahead(window: PeakWindow, now: datetime) -> None:
    """:raises Conflict: ``window-cancelled``, ``window-begun``."""
    if window.cancelled_at is not None:
        raise Conflict("the peak was cancelled", code="window-cancelled")
    if window.interval.start <= now:
        raise Conflict(
            "the peak has begun: there is nothing to get ready for any more",
            code="window-begun",
            hint="look at its environment, or look back on it when it is over",
        )
