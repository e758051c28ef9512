"""Budgets at rest: entries are added and never changed; how each stands is worked out anew."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from sqlalchemy import (
    JSON,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    insert,
    select,
    update,
)

from cloudmgr.billing.budgets.budget import Budget, BudgetKey, Entry, Standing
from cloudmgr.db.types import ExactDecimal, UtcDateTime, metadata
from cloudmgr.errors import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row, Select

budgets = Table(
    "budget",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("department_id", String(40), nullable=False),
    # Empty for all of the department: of NULLs no key holds that there is one.
    Column("system_id", String(40), nullable=False),
    Column("year", Integer, nullable=False, index=True),
    # The entry in force; what two who decide at once are kept apart by.
    Column("number", Integer, nullable=False),
    Column("standing", JSON),
    UniqueConstraint("department_id", "system_id", "year"),
)

entries = Table(
    "budget_entry",
    metadata,
    Column("budget_id", ForeignKey("budget.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("amount", ExactDecimal),
    Column("currency", String(3), nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", String(40), nullable=False),
    Column("actor_login", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

_STANDING = TypeAdapter(Standing)


class BudgetStore:
    """Budgets, with what was decided and how they stand."""

    def decide(self, tx: Connection, key: BudgetKey, entry: Entry) -> Budget:
        """Add ``entry``, which gets the next number.

        :raises Conflict: ``stale-version`` when somebody decides at the same time; the database's
            ``already-exists`` when that is the first time.
        """
        found = self.find(tx, key)
        number = 1 if found is None else found.entry.number + 1
        if found is None:
            tx.execute(
                insert(budgets).values(
                    id=key.id,
                    department_id=key.department_id,
                    system_id=key.system_id or "",
                    year=key.year,
                    number=number,
                )
            )
        else:
            c = budgets.c
            changed = tx.execute(
                update(budgets)
                .where(c.id == key.id, c.number == found.entry.number)
                .values(number=number)
            )
            if changed.rowcount != 1:
                raise Conflict(
                    "somebody decided on this budget at the same time",
                    code="stale-version",
                    hint="read it again, then decide",
                )
        made = replace(entry, number=number)
        tx.execute(insert(entries).values(budget_id=key.id, **_entry_values(made)))
        return Budget(key, made, found.standing if found else None)

    def find(self, tx: Connection, key: BudgetKey) -> Budget | None:
        row = tx.execute(_query().where(budgets.c.id == key.id)).one_or_none()
        return None if row is None else _budget(row)

    def get(self, tx: Connection, budget_id: str) -> Budget:
        """:raises NotFound: ``no-such-budget``."""
        row = tx.execute(_query().where(budgets.c.id == budget_id)).one_or_none()
        if row is None:
            raise NotFound(f"there is no budget {budget_id}", code="no-such-budget")
        return _budget(row)

    def list(
        self,
        tx: Connection,
        *,
        year: int | None = None,
        department_id: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Budget]:
        """By id, after the id ``after``."""
        c = budgets.c
        query = _query().order_by(c.id).limit(limit)
        if year is not None:
            query = query.where(c.year == year)
        if department_id is not None:
            query = query.where(c.department_id == department_id)
        if after is not None:
            query = query.where(c.id > after)
        return [_budget(row) for row in tx.execute(query)]

    def history(
        self,
        tx: Connection,
        budget_id: str,
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Entry]:
        """The newest first; ``before`` is the number that was shown last."""
        c = entries.c
        query = (
            select(entries).where(c.budget_id == budget_id).order_by(c.number.desc()).limit(limit)
        )
        if before is not None:
            query = query.where(c.number < before)
        return [_entry(row) for row in tx.execute(query)]

    def stood(self, tx: Connection, budget_id: str, found: Standing) -> None:
        """Keep how it stands."""
        tx.execute(
            update(budgets)
            .where(budgets.c.id == budget_id)
            .values(standing=_STANDING.dump_python(found, mode="json"))
        )


def _query() -> Select[Any]:
    b, e = budgets.c, entries.c
    return select(
        b.id,
        b.department_id,
        b.system_id,
        b.year,
        b.standing,
        *(e[name] for name in ("number", "amount", "currency", "reason")),
        *(e[name] for name in ("actor", "actor_login", "at")),
    ).join(entries, and_(e.budget_id == b.id, e.number == b.number))


def _budget(row: Row[Any]) -> Budget:
    return Budget(
        BudgetKey(row.department_id, row.system_id or None, row.year),
        _entry(row),
        None if row.standing is None else _STANDING.validate_python(row.standing),
    )


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        row.number,
        row.amount,
        row.currency,
        row.reason,
        row.actor,
        row.actor_login,
        row.at,
    )


def _entry_values(entry: Entry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "amount": entry.amount,
        "currency": entry.currency,
        "reason": entry.reason,
        "actor": entry.actor,
        "actor_login": entry.actor_login,
        "at": entry.at,
    }
