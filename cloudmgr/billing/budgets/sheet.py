"""Budgets as a table for spreadsheets. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.billing.sheets import Column, Kind, Sheet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloudmgr.billing.budgets.budget import Budget
    from cloudmgr.billing.sheets import Cell, Language

_HEAD = (
    ("预算编号", "Budget", Kind.TEXT),
    ("年度", "Year", Kind.NUMBER),
    ("委办局编号", "Department id", Kind.TEXT),
    ("委办局", "Department", Kind.TEXT),
    ("业务系统编号", "System id", Kind.TEXT),
    ("业务系统", "System", Kind.TEXT),
    ("预算金额", "Amount", Kind.MONEY),
    ("已用", "Used", Kind.MONEY),
    ("已承诺", "Encumbered", Kind.MONEY),
    ("其中高峰期", "Of it peaks", Kind.MONEY),
    ("剩余", "Left", Kind.MONEY),
    ("本月预计", "This month is to come to", Kind.MONEY),
    ("全年预计", "The year is to come to", Kind.MONEY),
    ("币种", "Currency", Kind.TEXT),
    ("测算时间", "Worked out at", Kind.TEXT),
    ("未计价项", "Without a price", Kind.NUMBER),
)
_NAME = {"zh": "预算", "en": "Budgets"}


def budgets_sheet(
    budgets: Iterable[Budget], names: Mapping[str, tuple[str, str]], language: Language
) -> Sheet:
    """A row for each budget, as it was worked out last.

    :param names: of departments and systems by id, Chinese and English; unknown ones stay empty.
    """
    chosen = 0 if language == "zh" else 1

    def name(thing: str | None) -> str | None:
        known = None if thing is None else names.get(thing)
        return None if known is None else known[chosen]

    return Sheet(
        _NAME[language],
        tuple(Column(head[chosen], head[2]) for head in _HEAD),
        tuple(
            (
                one.id,
                one.key.year,
                one.key.department_id,
                name(one.key.department_id),
                one.key.system_id,
                name(one.key.system_id),
                one.amount,
                *_standing(one),
            )
            for one in budgets
        ),
    )


def _standing(one: Budget) -> tuple[Cell, ...]:
    found, currency = one.standing, one.entry.currency
    if found is None:
        return (None, None, None, None, None, None, currency, None, None)
    return (
        found.used,
        found.encumbered,
        found.peaks,
        None if one.amount is None else found.left(one.amount),
        found.month_end,
        found.projected,
        currency,
        found.at.isoformat(),
        len(found.unpriced),
    )
