"""What refuses a request beside policy's rules: that there is no room for it. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cloudmgr.policy.decision import Decision, Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmgr.hosting.assessment import Location


def want_of_a_pool(location: Location) -> tuple[Reason, ...]:
    """Why none of the pools that were considered takes it."""
    return tuple(
        Reason(r.rule, f"资源池 {c.pool_name}：{r.zh}", f"pool {c.pool_name}: {r.en}")
        for c in location.considered
        for r in c.against
    ) or (Reason("no-pool", "该网络域没有资源池", "there is no pool in this zone"),)


def denied(decision: Decision, reasons: Sequence[Reason]) -> Decision:
    """``decision``, refused if there is any of ``reasons``."""
    if not reasons:
        return decision
    return replace(
        decision,
        outcome=Outcome.DENY,
        reasons=(*decision.reasons, *reasons),
        fired=(*decision.fired, *dict.fromkeys(r.rule for r in reasons)),
        steps=(),
    )
