"""How many replicas of one component ought to run while its environment is awake. Pure.

The answer is the largest of what is asked for, bounded by the approved ceiling and by the room of
the pool. What traffic asks for is ``ceil(requests in flight / requests in flight that one replica
is to carry)`` (Little's law turned round, as Knative's autoscaler has it), taken from the highest
measurement of the last ``scale_down_after``: so it goes up at once and down only when the lower
value has held that long, and ticks that were missed change nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Term(StrEnum):
    """What may ask for replicas, and what may bound them."""

    WINDOW = "window"
    FORECAST = "forecast"
    MANUAL = "manual"
    WOKEN = "woken"
    HOURS = "hours"
    REACTIVE = "reactive"
    HELD = "held"
    MINIMUM = "minimum"
    CEILING = "ceiling"
    ROOM = "room"
    YIELDED = "yielded"


_ZH = {
    Term.WINDOW: "高峰期",
    Term.FORECAST: "预测",
    Term.MANUAL: "人工指定",
    Term.WOKEN: "唤醒",
    Term.HOURS: "保障时段",
    Term.REACTIVE: "实时负载",
    Term.HELD: "保持（流量未知）",
    Term.MINIMUM: "最低",
    Term.CEILING: "上限",
    Term.ROOM: "资源池可容",
    Term.YIELDED: "让给更关键的系统后",
}
_EN = {term: term.value for term in Term} | {
    Term.HELD: "held (traffic unknown)",
    Term.YIELDED: "after yielding to a more critical system",
}
# What is asked for without a promise: what a pool that has run out takes back first.
_UNPROMISED = frozenset({Term.FORECAST, Term.REACTIVE, Term.HELD})


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is known of one component of an environment that is awake.

    :param current: the target in force now; 0 if it comes out of hibernation.
    :param window_floor: replicas that peak windows ask for now, their lead included; 0 for none.
    :param manual: replicas that a person ordered; then traffic is not asked, windows still are.
    :param woken: replicas that it starts with when it has been woken; 0 when that is over.
    :param hours: replicas that the hours of its class keep awake; 0 outside of them.
    :param measured: whether requests reach this component through the gateway at all.
    :param in_flight: highest mean number of requests in flight at a measurement within the last
        ``scale_down_after``; None when nothing is known.
    :param foretold: requests in flight that history tells to be there for; None when it tells
        nothing, or has not earned trust.
    :param settled: whether traffic was seen without a break for ``scale_down_after``. If not, what
        runs now is held: nobody knows that it is not needed.
    :param target_in_flight: requests in flight that one replica is to carry; above 0.
    :param cap: what may run beyond promises while a more critical system lacks room; None for all.
    :param room: how many replicas more than ``current`` the pool can take.
    """

    minimum: int
    ceiling: int
    current: int
    window_floor: int
    room: int
    manual: int | None = None
    woken: int = 0
    hours: int = 0
    measured: bool = True
    in_flight: float | None = None
    foretold: float | None = None
    settled: bool = True
    target_in_flight: float = 1.0
    cap: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many, said in Chinese and English, with the numbers it was made of.

    ``bounded_by`` is :attr:`Term.CEILING`, :attr:`Term.ROOM` or :attr:`Term.YIELDED` when less is
    given than was asked; ``lacking`` is how many of what is approved the pool has no room for.
    """

    replicas: int
    zh: str
    en: str
    terms: Mapping[str, object]
    bounded_by: Term | None = None
    lacking: int = 0


def reactive(in_flight: float, target_in_flight: float) -> int:
    """Replicas that carry ``in_flight`` requests at ``target_in_flight`` each."""
    # Nine digits: a measurement of 12 / 4 must not become 4 replicas for the noise of a float.
    return math.ceil(round(in_flight / target_in_flight, 9))


def wanted(inputs: Inputs) -> int:
    """What is asked for, before the ceiling and the room of the pool bound it."""
    asked = _asked(inputs)
    return min(max(asked.values()), _yielded(inputs, asked))


def decide(inputs: Inputs) -> Verdict:
    """How many replicas ought to run now."""
    asked = _asked(inputs)
    want = max(asked.values())
    reachable = inputs.current + max(inputs.room, 0)
    yielded = _yielded(inputs, asked)
    bounds = {Term.YIELDED: yielded, Term.ROOM: reachable, Term.CEILING: inputs.ceiling}
    binding = min(bounds, key=lambda term: bounds[term])
    bounded_by = binding if bounds[binding] < want else None
    replicas = min(want, *bounds.values())
    terms: dict[str, object] = {term.value: value for term, value in asked.items()}
    terms[Term.CEILING.value] = inputs.ceiling
    if bounded_by is Term.ROOM:
        terms[Term.ROOM.value] = reachable
    if inputs.measured:
        terms["in_flight"] = inputs.in_flight
        terms["target_in_flight"] = inputs.target_in_flight
        if inputs.foretold is not None:
            terms["foretold"] = inputs.foretold
    shown = _shown(asked, want)
    limit = None if bounded_by is None else (bounded_by, bounds[bounded_by])
    return Verdict(
        replicas,
        zh=f"{replicas} = {_expression(shown, limit, inputs.ceiling, _ZH, '，')}",
        en=f"{replicas} = {_expression(shown, limit, inputs.ceiling, _EN, ', ')}",
        terms=terms,
        bounded_by=bounded_by,
        lacking=max(min(want, yielded, inputs.ceiling) - reachable, 0),
    )


def _yielded(inputs: Inputs, asked: Mapping[Term, int]) -> int:
    """What may be asked for beside a more critical system that lacks room."""
    if inputs.cap is None:
        return max(asked.values())
    firm = max((count for term, count in asked.items() if term not in _UNPROMISED), default=0)
    return max(firm, inputs.cap)


def _asked(inputs: Inputs) -> dict[Term, int]:
    asked: dict[Term, int] = {}
    if inputs.window_floor > 0:
        asked[Term.WINDOW] = inputs.window_floor
    if inputs.manual is not None:
        asked[Term.MANUAL] = inputs.manual
        return asked
    if inputs.measured and inputs.foretold is not None:
        asked[Term.FORECAST] = reactive(inputs.foretold, inputs.target_in_flight)
    if inputs.measured and inputs.in_flight is not None:
        asked[Term.REACTIVE] = reactive(inputs.in_flight, inputs.target_in_flight)
    if inputs.measured and not inputs.settled and inputs.current > 0:
        asked[Term.HELD] = inputs.current
    if inputs.woken > inputs.minimum:
        asked[Term.WOKEN] = inputs.woken
    if inputs.hours > inputs.minimum:
        asked[Term.HOURS] = inputs.hours
    asked[Term.MINIMUM] = inputs.minimum
    return asked


def _shown(asked: Mapping[Term, int], want: int) -> dict[Term, int]:
    """All that was asked for, but for a minimum that decides nothing."""
    return {
        term: value
        for term, value in asked.items()
        if term is not Term.MINIMUM or value == want or len(asked) == 1
    }


def _expression(
    shown: Mapping[Term, int],
    limit: tuple[Term, int] | None,
    ceiling: int,
    words: Mapping[Term, str],
    comma: str,
) -> str:
    """``max(window 6, reactive 3), ceiling 8``, or ``min(window 6, ceiling 4)`` where it bounds."""
    parts = [f"{words[term]} {value}" for term, value in shown.items()]
    text = parts[0] if len(parts) == 1 else f"max({comma.join(parts)})"
    if limit is not None:
        term, value = limit
        text = f"min({text}{comma}{words[term]} {value})"
        if term is Term.CEILING:
            return text
    return f"{text}{comma}{words[Term.CEILING]} {ceiling}"
