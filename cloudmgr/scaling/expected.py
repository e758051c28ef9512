"""From what people expect of a peak to replicas, by what is known of the system. Pure.

Requests in flight are requests a second times the seconds that one takes (Little's law), and a
replica carries so many as its class says. Capacity is promised for the high end of what is said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid
from cloudmgr.hosting.expected import Expected, Sized, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cloudmgr.hosting.environments import Component
    from cloudmgr.hosting.requests import WindowAsk
    from cloudmgr.scaling.demand import Slot

# Fewer tell nothing of what a request takes, or of what is normal.
LEAST_REQUESTS = 100
LEAST_STEPS = 12
# So many of the steps in which anything was asked ask for no more than what is called normal.
NORMAL = 0.95
MOST = {Unit.REQUESTS: Decimal(10**7), Unit.USERS: Decimal(10**8), Unit.TIMES: Decimal(1000)}
LEAST_SECONDS, MOST_SECONDS = Decimal("0.001"), Decimal(600)
LEAST_PER_USER, MOST_PER_USER = Decimal("0.01"), Decimal(1000)
_MINUTE = Decimal(60)


@dataclass(frozen=True, slots=True)
class Known:
    """What was measured of a system; None where it was not enough to go by.

    :param seconds: that a request takes, the mean. :param normal: requests in flight.
    """

    seconds: Decimal | None = None
    normal: Decimal | None = None


def known(slots: Iterable[Slot]) -> Known:
    """What ``slots``, those of one environment, tell of it."""
    there = [slot for slot in slots if slot.requests > 0 or slot.seconds > 0]
    requests = sum(slot.requests for slot in there)
    seconds = sum(slot.seconds for slot in there)
    taken = None
    if requests >= LEAST_REQUESTS and seconds > 0:
        taken = max(_rounded(seconds / requests), LEAST_SECONDS)
    normal = None
    if len(there) >= LEAST_STEPS:
        ordered = sorted(slot.in_flight for slot in there)
        normal = _rounded(ordered[math.ceil(NORMAL * len(ordered)) - 1])
    return Known(taken, normal or None)


def checked(expected: Expected) -> None:
    """:raises Invalid: ``invalid-expectation`` with every problem: out of bounds, out of order."""
    problems: list[tuple[str, str]] = []
    most = MOST[expected.unit]
    for name in ("low", "likely", "high"):
        value = getattr(expected, name)
        if not value.is_finite() or not 0 < value < most:
            problems.append((name, f"it must be above 0 and below {most:,}"))
    if not problems and not expected.low <= expected.likely <= expected.high:
        problems.append(("high", "give low, likely and high in this order"))
    for name, least, highest in (
        ("seconds_per_request", LEAST_SECONDS, MOST_SECONDS),
        ("requests_per_user_minute", LEAST_PER_USER, MOST_PER_USER),
    ):
        value = getattr(expected, name)
        if value is not None and not (value.is_finite() and least <= value <= highest):
            problems.append((name, f"it must be {least} to {highest}"))
    if problems:
        path, sentence = problems[0]
        raise Invalid(sentence, code="invalid-expectation", path=path, problems=tuple(problems))


def sized(expected: Expected, known: Known, *, per_user_minute: Decimal, target: Decimal) -> Sized:
    """What ``expected`` takes.

    :param per_user_minute: requests of a user in a minute, unless the department says otherwise.
    :param target: requests in flight that one replica carries; above 0.
    :raises Invalid: ``invalid-expectation``; ``nothing-measured`` when neither measurement nor
        department says what it takes.
    """
    checked(expected)
    if expected.unit is Unit.TIMES:
        if known.normal is None:
            raise Invalid(
                "what is normal for it was not measured yet",
                code="nothing-measured",
                path="unit",
                hint="say how many users at once or requests per second you expect",
            )
        return _sized(expected, known.normal, target, normal=known.normal)
    seconds = expected.seconds_per_request or known.seconds
    if seconds is None:
        raise Invalid(
            "how long one of its requests takes was not measured yet",
            code="nothing-measured",
            path="seconds_per_request",
            hint="say how many seconds a request takes, or how many replicas you need",
        )
    measured = expected.seconds_per_request is None
    if expected.unit is Unit.REQUESTS:
        return _sized(expected, seconds, target, seconds=seconds, measured=measured)
    each = expected.requests_per_user_minute or per_user_minute
    return _sized(
        expected,
        each * seconds / _MINUTE,
        target,
        seconds=seconds,
        per_user_minute=each,
        measured=measured,
    )


def rate(expected: Expected) -> Decimal | None:
    """Requests a second that are likely; None where only times the normal are said."""
    if expected.unit is Unit.REQUESTS:
        return expected.likely
    if expected.sized is None or expected.sized.per_user_minute is None:
        return None
    found = expected.likely * expected.sized.per_user_minute / _MINUTE
    return max(found.quantize(Decimal("0.01")), Decimal("0.01"))


def asked(
    asks: Sequence[WindowAsk],
    components: Sequence[Component],
    size: Callable[[Expected], Sized],
) -> tuple[WindowAsk, ...]:
    """``asks`` with the replicas of those that say what they expect instead.

    :param size: as :func:`sized`.
    :raises Invalid: as :func:`sized`, of the first that is wrong; ``above-the-ceiling``: what is
        expected takes more than its component may have. Paths begin with ``windows[0]``.
    """
    return tuple(_asked(ask, f"windows[{n}]", components, size) for n, ask in enumerate(asks))


def _asked(
    ask: WindowAsk,
    path: str,
    components: Sequence[Component],
    size: Callable[[Expected], Sized],
) -> WindowAsk:
    if ask.expected is None:
        return ask
    ceiling = next((c.max_replicas for c in components if c.name == ask.component), None)
    if ceiling is None:
        raise Invalid(
            f"there is no component {ask.component}",
            code="invalid-window",
            path=f"{path}.component",
        )
    try:
        expected = replace(ask.expected, sized=None)
        found = size(expected)
    except Invalid as error:
        told = error.problems or ((error.path, error.message),)
        raise Invalid(
            error.message,
            code=error.code,
            path=f"{path}.expected.{error.path}",
            hint=error.hint,
            problems=tuple((f"{path}.expected.{at}", said) for at, said in told),
        ) from None
    needed = found.replicas[-1]
    if needed > ceiling:
        sentence = (
            f"that takes {needed:,} replicas of {ask.component}, and {ceiling:,} are approved "
            "at most"
        )
        raise Invalid(
            sentence,
            code="above-the-ceiling",
            path=f"{path}.expected.high",
            hint="ask for a resize with a higher ceiling first, or expect less",
            problems=((f"{path}.expected.high", sentence),),
        )
    expected = replace(expected, sized=found)
    return replace(
        ask,
        replicas=needed,
        expected=expected,
        expected_rps=ask.expected_rps if ask.expected_rps is not None else rate(expected),
    )


def _sized(
    expected: Expected,
    each: Decimal,
    target: Decimal,
    *,
    seconds: Decimal | None = None,
    per_user_minute: Decimal | None = None,
    normal: Decimal | None = None,
    measured: bool = False,
) -> Sized:
    """:param each: requests in flight that one of the unit makes."""
    low, likely, high = (
        max(1, math.ceil(round(value * each / target, 9)))
        for value in (expected.low, expected.likely, expected.high)
    )
    return Sized(
        in_flight=round(expected.high * each, 3),
        target=target,
        replicas=(low, likely, high),
        seconds=seconds,
        per_user_minute=per_user_minute,
        normal=normal,
        measured=measured,
    )


def _rounded(value: float) -> Decimal:
    return Decimal(value).quantize(Decimal("0.001"))
