"""Requests for peaks that come round: what is wrong with them, and what refuses them. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid
from cloudmgr.hosting.requests import RequestKind, WindowAsk
from cloudmgr.hosting.validation import window_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from cloudmgr.hosting.assessment import Draft
    from cloudmgr.hosting.environments import Component
    from cloudmgr.hosting.requests import Coming, SeriesAsk
    from cloudmgr.hosting.validation import Problem
    from cloudmgr.planning.promise_words import Told
    from cloudmgr.policy.decision import Reason


def series_problems(
    draft: Draft, coming: Sequence[Coming], components: Sequence[Component], now: datetime
) -> list[Problem]:
    """Each with its path, and each sentence once."""
    problems: list[Problem] = []
    if draft.series and draft.kind is not RequestKind.PEAK:
        problems.append(("series", f"a request to {draft.kind.value} announces no peak"))
    for number, one in enumerate(coming):
        path = f"series[{number}]"
        if not one.windows and not one.waits_for:
            sentence = "it does not come round within the time that is booked ahead"
            problems.append((f"{path}.peak", sentence))
        found = {
            # Of its dates only what holds for all has a field of its own.
            (f"{path}.{name if name in {'component', 'replicas'} else 'peak'}", sentence): None
            for at, sentence in window_problems(one.windows, components, now)
            for name in [at.rpartition(".")[2]]
        }
        problems += found
    return problems


def sized(
    asks: Sequence[SeriesAsk],
    now: datetime,
    size: Callable[[Sequence[WindowAsk]], tuple[WindowAsk, ...]],
) -> tuple[SeriesAsk, ...]:
    """``asks`` with the replicas of those that say what they expect instead.

    :param size: the same of windows. :raises Invalid: as ``size``, with paths of series.
    """
    windows = [
        WindowAsk(a.component, now, now, a.replicas, a.expected_rps, a.note, a.expected)
        for a in asks
    ]
    try:
        found = size(windows)
    except Invalid as error:
        raise Invalid(
            error.message,
            code=error.code,
            path=_of_series(error.path),
            hint=error.hint,
            problems=tuple((_of_series(path), said) for path, said in error.problems),
        ) from None
    return tuple(
        replace(a, replicas=w.replicas, expected=w.expected, expected_rps=w.expected_rps)
        for a, w in zip(asks, found, strict=True)
    )


def refused(
    promises: Sequence[Told], windows: Sequence[WindowAsk], coming: Sequence[Coming]
) -> list[Reason]:
    """Why it cannot be promised: a window that does not fit, or a series of which nothing does.

    :param promises: of ``windows``, and then of all that is ``coming``.
    """
    reasons = [told.reason for told in promises[: len(windows)] if not told.fits]
    left = promises[len(windows) :]
    for one in coming:
        own, left = left[: len(one.windows)], left[len(one.windows) :]
        if own and not any(told.fits for told in own):
            reasons.append(own[0].reason)
    return reasons


def _of_series(path: str) -> str:
    return path.replace("windows[", "series[", 1)
