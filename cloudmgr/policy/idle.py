"""Who bears what a pool costs and usage did not pay for, as policy states it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class IdleRule(StrEnum):
    """By what the idle cost of a pool is shared.

    ALLOCATION: by what each held, over time. RESERVATION: by what each was promised for its peaks,
    over time. PEAK: by the most that each held at once. UNIFORM: the same for each department that
    had anything in the pool. CENTRE: not at all.
    """

    ALLOCATION = "allocation"
    RESERVATION = "reservation"
    PEAK = "peak"
    UNIFORM = "uniform"
    CENTRE = "centre"


class Statement(StrEnum):
    """Where departments find their shares. SHOWN: in a statement beside the invoice, unbilled."""

    SHOWN = "shown"


@dataclass(frozen=True, slots=True)
class IdlePolicy:
    """``rule`` holds for every pool that ``pools`` does not name (by its name).

    :param weights: what a unit of a meter (a vCPU, a GiB) counts for where what is held or promised
        is compared; what is not named counts for nothing.
    """

    statement: Statement = Statement.SHOWN
    rule: IdleRule = IdleRule.ALLOCATION
    pools: Mapping[str, IdleRule] = field(default_factory=dict)
    weights: Mapping[str, int] = field(default_factory=lambda: {"vcpu": 4, "memory": 1})

    def rule_of(self, pool: str) -> IdleRule:
        return self.pools.get(pool, self.rule)
