"""The cost of a pool shared among those that it hosted, in cents that sum to it. Pure.

A sum is divided step by step: among departments, each one's part among the accounts that pay for
it, then among systems, then among environments, each time by largest remainder. So nobody is more
than a cent away from the exact share of what is divided, and whatever is asked for (a department, a
system, an account) is a sum of environments: parts sum to the whole under any filter.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from cloudmgr.money import largest_remainder
from cloudmgr.policy.idle import IdleRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from cloudmgr.billing.rating import Charge
    from cloudmgr.interval import Interval

    # The beginning of a tenant: (department), (department, account) and so on.
    Prefix = tuple[str, ...]

ZERO = Decimal("0.00")
_DEPTH = 4


@dataclass(frozen=True, slots=True, order=True)
class Tenant:
    """An environment in the pool, its system and department, and who paid for it."""

    department_id: str
    account_id: str
    system_id: str
    environment_id: str

    @property
    def path(self) -> Prefix:
        return (self.department_id, self.account_id, self.system_id, self.environment_id)


@dataclass(frozen=True, slots=True, order=True)
class Promise:
    """``units`` (weighted: see IdlePolicy) promised to a tenant for ``interval`` by a peak window.

    ``id`` is the window's.
    """

    id: str
    tenant: Tenant
    interval: Interval
    units: Decimal


class Measure(Protocol):
    """What each counts for, at every step: zero or more."""

    def __call__(self, prefix: Prefix) -> Fraction: ...


def tenant_of(charge: Charge) -> Tenant:
    return Tenant(charge.department_id, charge.account_id, charge.system_id, charge.environment_id)


def measure(
    rule: IdleRule,
    charges: Iterable[Charge],
    promises: Iterable[Promise],
    weights: Mapping[str, int],
) -> Measure:
    """What ``rule`` says that each counts for.

    ALLOCATION: Σ weight × quantity held (weighted unit-seconds). PEAK: the most weighted units held
    at once. RESERVATION: Σ units promised × seconds. UNIFORM: 1. CENTRE: 0.
    """
    match rule:
        case IdleRule.ALLOCATION:
            return _summed(
                (tenant_of(c), Fraction(c.quantity) * weights[c.meter])
                for c in charges
                if weights.get(c.meter)
            )
        case IdleRule.RESERVATION:
            return _summed(
                (p.tenant, Fraction(p.units) * Fraction(p.interval.seconds)) for p in promises
            )
        case IdleRule.PEAK:
            return _most(charges, weights)
        case IdleRule.UNIFORM:
            return lambda _prefix: Fraction(1)
        case IdleRule.CENTRE:
            return lambda _prefix: Fraction(0)


def spent(charges: Iterable[Charge]) -> Measure:
    """What each was charged, exactly."""
    return _summed((tenant_of(charge), charge.cost) for charge in charges)


def divide(
    amount: Decimal, tenants: Iterable[Tenant], measured: Measure
) -> dict[Tenant, Decimal] | None:
    """``amount`` (whole cents, zero or more) among ``tenants``, to the last cent.

    None where none of them counts for anything. The order of ``tenants`` does not matter; ties go
    to the smaller id.
    """
    everyone = sorted(set(tenants))
    if not any(measured(tenant.path[:1]) for tenant in everyone):
        return None
    shares: dict[Prefix, Decimal] = {(): amount}
    for depth in range(1, _DEPTH + 1):
        below: dict[Prefix, list[Prefix]] = {}
        for prefix in dict.fromkeys(tenant.path[:depth] for tenant in everyone):
            below.setdefault(prefix[:-1], []).append(prefix)
        shares = {
            prefix: share
            for parent, children in below.items()
            for prefix, share in zip(
                children, _apart(shares[parent], [measured(c) for c in children]), strict=True
            )
        }
    return {tenant: shares[tenant.path] for tenant in everyone}


def _apart(amount: Decimal, weights: Sequence[Fraction]) -> Sequence[Decimal]:
    # Who counts for nothing got nothing, and has nothing to divide by.
    return largest_remainder(amount, weights) if any(weights) else [ZERO] * len(weights)


def _summed(counts: Iterable[tuple[Tenant, Fraction]]) -> Measure:
    sums: dict[Prefix, Fraction] = {}
    leaves: dict[Tenant, Fraction] = {}
    for tenant, count in counts:
        leaves[tenant] = leaves.get(tenant, Fraction(0)) + count
    for tenant, count in leaves.items():
        for depth in range(1, _DEPTH + 1):
            prefix = tenant.path[:depth]
            sums[prefix] = sums.get(prefix, Fraction(0)) + count
    return lambda prefix: sums.get(prefix, Fraction(0))


def _most(charges: Iterable[Charge], weights: Mapping[str, int]) -> Measure:
    """A department's most is not the sum of its systems': their peaks may take turns."""
    moves: dict[Prefix, dict[datetime, Fraction]] = {}
    for charge in charges:
        weight = weights.get(charge.meter)
        if not weight:
            continue
        rate = weight * Fraction(charge.quantity) / Fraction(charge.interval.seconds)
        path = tenant_of(charge).path
        for depth in range(1, _DEPTH + 1):
            steps = moves.setdefault(path[:depth], {})
            for moment, step in ((charge.interval.start, rate), (charge.interval.end, -rate)):
                steps[moment] = steps.get(moment, Fraction(0)) + step
    most = {prefix: _highest(steps) for prefix, steps in moves.items()}
    return lambda prefix: most.get(prefix, Fraction(0))


def _highest(steps: Mapping[datetime, Fraction]) -> Fraction:
    """What ends where another begins does not overlap it."""
    held = highest = Fraction(0)
    for moment in sorted(steps):
        held += steps[moment]
        highest = max(highest, held)
    return highest
