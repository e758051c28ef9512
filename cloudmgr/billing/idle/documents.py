"""A statement as canonical JSON: what is kept, and what is compared byte for byte. Pure."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from cloudmgr.billing.digits import canonical, plain
from cloudmgr.billing.idle.costs import CostEntry, CostKind
from cloudmgr.billing.idle.shares import Promise, Tenant
from cloudmgr.billing.idle.statements import Kept, PoolFacts, PoolStatement, Share, statement
from cloudmgr.billing.invoices import Label
from cloudmgr.interval import Interval
from cloudmgr.policy.idle import IdleRule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudmgr.billing.rating import Charge


def document(found: PoolStatement) -> str:
    """Every input beside the charges, and all that came of them."""
    facts = found.facts
    return canonical(
        {
            "month": facts.month,
            "pool_id": facts.pool_id,
            "pool": facts.name,
            "zone": facts.zone,
            "currency": facts.currency,
            "rule": facts.rule.value,
            "weights": dict(facts.weights),
            "entries": [_entry(entry) for entry in facts.entries],
            "promises": [_promise(promise) for promise in facts.promises],
            "labels": {thing: [label.zh, label.en] for thing, label in facts.labels.items()},
            "cost": _money(found.cost),
            "charged": _money(found.charged),
            "idle": _money(found.idle),
            "kept": found.kept.value if found.kept else None,
            "centre": _money(found.centre),
            "bases": {name: str(basis) for name, basis in found.bases.items()},
            "shares": [
                {
                    "tenant": list(share.tenant.path),
                    "charged": _money(share.charged),
                    "idle": _money(share.idle),
                    "basis": None if share.basis is None else str(share.basis),
                }
                for share in found.shares
            ],
        }
    )


def from_document(text: str) -> PoolStatement:
    """The statement that :func:`document` wrote."""
    content: dict[str, Any] = json.loads(text)
    facts = PoolFacts(
        content["month"],
        content["pool_id"],
        content["pool"],
        content["zone"],
        content["currency"],
        IdleRule(content["rule"]),
        content["weights"],
        tuple(_entry_of(entry, content) for entry in content["entries"]),
        tuple(_promise_of(promise) for promise in content["promises"]),
        {thing: Label(*names) for thing, names in content["labels"].items()},
    )
    return PoolStatement(
        facts,
        _amount(content["cost"]),
        Decimal(content["charged"]),
        _amount(content["idle"]),
        Kept(content["kept"]) if content["kept"] else None,
        Decimal(content["centre"]),
        {name: Fraction(basis) for name, basis in content["bases"].items()},
        tuple(
            Share(
                Tenant(*share["tenant"]),
                Decimal(share["charged"]),
                Decimal(share["idle"]),
                None if share["basis"] is None else Fraction(share["basis"]),
            )
            for share in content["shares"]
        ),
    )


def remade(text: str, charges: Iterable[Charge]) -> str:
    """The document made anew from the inputs that it holds and the charges of its month."""
    return document(statement(from_document(text).facts, charges))


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.2f}"


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _entry(entry: CostEntry) -> dict[str, object]:
    return {
        "id": entry.id,
        "number": entry.number,
        "kind": entry.kind.value if entry.kind else None,
        "amount": _money(entry.amount),
        "reference": entry.reference,
        "note": entry.note,
        "reason": entry.reason,
        "by": entry.by,
        "at": entry.at.isoformat(),
        "replaces": entry.replaces,
        "copied_from": entry.copied_from,
    }


def _entry_of(content: dict[str, Any], of: dict[str, Any]) -> CostEntry:
    return CostEntry(
        content["id"],
        of["month"],
        of["pool_id"],
        content["number"],
        CostKind(content["kind"]),
        Decimal(content["amount"]),
        of["currency"],
        content["reference"],
        content["note"],
        content["reason"],
        content["by"],
        datetime.fromisoformat(content["at"]),
        replaces=content["replaces"],
        copied_from=content["copied_from"],
    )


def _promise(promise: Promise) -> dict[str, object]:
    return {
        "id": promise.id,
        "tenant": list(promise.tenant.path),
        "start": promise.interval.start.isoformat(),
        "end": promise.interval.end.isoformat(),
        "units": plain(promise.units),
    }


def _promise_of(content: dict[str, Any]) -> Promise:
    return Promise(
        content["id"],
        Tenant(*content["tenant"]),
        Interval(datetime.fromisoformat(content["start"]), datetime.fromisoformat(content["end"])),
        Decimal(content["units"]),
    )
