"""The statement of a pool and month: what it cost, what was charged, who bears the rest. Pure.

Charged and borne together are the pool's cost, to the cent:
cost = Σ charged + Σ idle + what the centre keeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from cloudmgr.billing.idle.costs import total
from cloudmgr.billing.idle.shares import ZERO, Tenant, divide, measure, spent, tenant_of
from cloudmgr.billing.rating import Category, exact_cost
from cloudmgr.money import EXACT, exact_sum, to_cents
from cloudmgr.policy.idle import IdleRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from cloudmgr.billing.idle.costs import CostEntry
    from cloudmgr.billing.idle.shares import Promise
    from cloudmgr.billing.invoices import Label
    from cloudmgr.billing.rating import Charge


class Kept(StrEnum):
    """Why the idle cost stays with the centre.

    RULE: policy says so. EMPTY: the pool hosted nothing. NO_BASIS: nobody held, or was promised,
    any of what the rule counts. SURPLUS: more was charged than it cost; that is carried by the
    centre, and gives nothing back to anybody.
    """

    RULE = "rule"
    EMPTY = "empty"
    NO_BASIS = "no-basis"
    SURPLUS = "surplus"


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """What a statement is made of, beside charges: copied into it, so that it can be made again.

    ``entries`` are those in effect. ``promises`` are there only where the rule asks for them.
    ``labels`` are what departments, accounts and environments are called.
    """

    month: str
    pool_id: str
    name: str
    zone: str
    currency: str
    rule: IdleRule
    weights: Mapping[str, int]
    entries: tuple[CostEntry, ...]
    promises: tuple[Promise, ...]
    labels: Mapping[str, Label]


@dataclass(frozen=True, slots=True)
class Share:
    """What a tenant was charged in the pool, and its part of the idle cost, both in cents.

    ``basis`` is what it counts for by the rule; None where nothing is divided.
    """

    tenant: Tenant
    charged: Decimal
    idle: Decimal
    basis: Fraction | None

    @property
    def cost(self) -> Decimal:
        return EXACT.add(self.charged, self.idle)


@dataclass(frozen=True, slots=True)
class PoolStatement:
    """``cost`` and ``idle`` are None where no cost is entered: that is not known, and not zero.

    ``idle`` is negative for a surplus. ``centre`` is what nobody else bears. ``bases`` is what each
    department counts for; its share of the idle cost is that of their sum.
    """

    facts: PoolFacts
    cost: Decimal | None
    charged: Decimal
    idle: Decimal | None
    kept: Kept | None
    centre: Decimal
    bases: Mapping[str, Fraction]
    shares: tuple[Share, ...]

    @property
    def basis(self) -> Fraction:
        return sum(self.bases.values(), Fraction(0))


@dataclass(frozen=True, slots=True)
class DepartmentShare:
    """A department's part of a statement; ``basis`` as in :class:`PoolStatement`."""

    department_id: str
    charged: Decimal
    idle: Decimal
    basis: Fraction | None
    shares: tuple[Share, ...]

    @property
    def cost(self) -> Decimal:
        return EXACT.add(self.charged, self.idle)


def statement(facts: PoolFacts, charges: Iterable[Charge]) -> PoolStatement:
    """Of the charges of the month, whatever their order: those of this pool count.

    Late usage of months before is an adjustment: it was not used in this month, and does not count.
    """
    own = [
        charge
        for charge in charges
        if charge.pool_id == facts.pool_id and charge.category is Category.USAGE
    ]
    hosted = {tenant_of(charge) for charge in own}
    cost = total(facts.entries)
    charged = to_cents(exact_cost(own))
    paid = divide(charged, hosted, spent(own)) or {}
    if cost is None:
        shares = tuple(Share(t, paid.get(t, ZERO), ZERO, None) for t in sorted(hosted))
        return PoolStatement(facts, None, charged, None, None, ZERO, {}, shares)
    idle = EXACT.subtract(cost, charged)
    tenants = hosted | {promise.tenant for promise in facts.promises}
    measured = measure(facts.rule, own, facts.promises, facts.weights)
    borne: Mapping[Tenant, Decimal] | None = None
    kept: Kept | None = None
    if idle < 0:
        kept = Kept.SURPLUS
    elif facts.rule is IdleRule.CENTRE:
        kept = Kept.RULE
    elif not tenants:
        kept = Kept.EMPTY
    else:
        borne = divide(idle, tenants, measured)
        kept = Kept.NO_BASIS if borne is None else None
    shares = tuple(
        Share(
            tenant,
            paid.get(tenant, ZERO),
            borne[tenant] if borne is not None else ZERO,
            measured(tenant.path) if borne is not None else None,
        )
        for tenant in sorted(tenants)
    )
    names = sorted({tenant.department_id for tenant in tenants}) if borne is not None else []
    bases = {name: measured((name,)) for name in names}
    return PoolStatement(
        facts, cost, charged, idle, kept, idle if borne is None else ZERO, bases, shares
    )


def departments(found: PoolStatement) -> tuple[DepartmentShare, ...]:
    """By department id."""
    by_department: dict[str, list[Share]] = {}
    for share in found.shares:
        by_department.setdefault(share.tenant.department_id, []).append(share)
    return tuple(
        DepartmentShare(
            name,
            exact_sum([share.charged for share in shares]),
            exact_sum([share.idle for share in shares]),
            found.bases.get(name),
            tuple(shares),
        )
        for name, shares in sorted(by_department.items())
    )
