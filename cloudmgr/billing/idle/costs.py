"""What a pool cost in a month, entry by entry: nothing is changed, only followed by more. Pure."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from cloudmgr.errors import Conflict, Invalid, NotFound
from cloudmgr.money import CENT, exact_sum

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

MOST = Decimal("999999999999.99")
LONGEST = 500


class CostKind(StrEnum):
    """What the money was spent on."""

    HARDWARE = "hardware"
    POWER = "power"
    LICENCES = "licences"
    STAFF = "staff"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class CostAsk:
    """A cost that somebody wants to enter.

    :param amount: in whole cents of the city's currency, zero or more.
    :param reference: where the evidence is: a file number, a contract, an address.
    :param reason: why it is entered. :param replaces: the entry that it stands in for.
    """

    kind: CostKind
    amount: Decimal
    reference: str
    note: str
    reason: str
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class CostEntry:
    """One line of what is on record of a pool and month; ``number`` counts them from 1.

    It states a cost, perhaps in place of another (``replaces``); or it takes another one back
    (``undoes``), and has neither kind nor amount then. ``copied_from`` is the entry of the month
    before that it repeats.
    """

    id: str
    month: str
    pool_id: str
    number: int
    kind: CostKind | None
    amount: Decimal | None
    currency: str
    reference: str
    note: str
    reason: str
    by: str
    at: datetime
    replaces: str | None = None
    undoes: str | None = None
    copied_from: str | None = None


def void(entries: Sequence[CostEntry]) -> frozenset[str]:
    """The ids of those that do not count: replaced, or taken back.

    The later one wins, so it is read from the end. What undoes an entry brings back what that one
    had replaced; what undoes an undoing brings back what that had taken.
    """
    gone: set[str] = set()
    for entry in sorted(entries, key=lambda entry: entry.number, reverse=True):
        if entry.id not in gone:
            gone |= {other for other in (entry.replaces, entry.undoes) if other is not None}
    return frozenset(gone)


def in_effect(entries: Sequence[CostEntry]) -> tuple[CostEntry, ...]:
    """The costs that count, in the order in which they were entered."""
    gone = void(entries)
    return tuple(
        entry
        for entry in sorted(entries, key=lambda entry: entry.number)
        if entry.id not in gone and entry.amount is not None
    )


def total(entries: Sequence[CostEntry]) -> Decimal | None:
    """What they sum to; None where nothing is known, which is not zero."""
    counted = [entry.amount for entry in in_effect(entries) if entry.amount is not None]
    return exact_sum(counted).quantize(CENT) if counted else None


def ask_problems(ask: CostAsk) -> Iterator[tuple[str, str]]:
    """(field, sentence) of all that is wrong with it by itself."""
    amount = ask.amount
    if not amount.is_finite():
        yield "amount", "it is not a number"
    elif amount < 0:
        yield "amount", "a cost cannot be negative: correct the entry that was too high"
    elif amount > MOST:
        yield "amount", f"no pool costs more than {MOST} a month"
    elif amount != amount.quantize(CENT):
        yield "amount", f"{amount} is not a whole number of cents"
    for name, text, needed in (
        ("reference", ask.reference, "say where the evidence is"),
        ("reason", ask.reason, "say why"),
        ("note", ask.note, ""),
    ):
        if needed and not text.strip():
            yield name, needed
        if len(text) > LONGEST:
            yield name, f"it is longer than {LONGEST} characters"
        if any(unicodedata.category(letter) in {"Cc", "Cs", "Cf"} for letter in text):
            yield name, "it holds characters that cannot be seen"


def check(entries: Sequence[CostEntry], ask: CostAsk) -> None:
    """May it be entered after ``entries``, all that is on record of that pool and month?

    :raises Invalid: ``bad-cost`` with every problem. :raises NotFound: ``no-such-cost`` for what it
        replaces. :raises Conflict: ``cost-void`` when that does not count any more, ``cost-known``
        when the same evidence is entered for the same kind already.
    """
    problems = tuple(ask_problems(ask))
    if problems:
        path, sentence = problems[0]
        raise Invalid(sentence, code="bad-cost", path=path, problems=problems)
    if ask.replaces is not None:
        counted(entries, ask.replaces)
    known = twin(entries, ask)
    if known is not None and known.id != ask.replaces:
        raise Conflict(
            f"{ask.kind} of {ask.reference} is entered already, as number {known.number}",
            code="cost-known",
            hint="correct that entry, or say in the reference what this one is for",
        )


def twin(entries: Sequence[CostEntry], ask: CostAsk) -> CostEntry | None:
    """The entry that counts for the same kind by the same evidence."""
    wanted = (ask.kind, ask.reference.strip())
    found = (e for e in in_effect(entries) if (e.kind, e.reference.strip()) == wanted)
    return next(found, None)


def counted(entries: Sequence[CostEntry], entry_id: str) -> CostEntry:
    """The entry of that id, if it counts; it may be one that undoes.

    :raises NotFound: ``no-such-cost``. :raises Conflict: ``cost-void``.
    """
    entry = next((entry for entry in entries if entry.id == entry_id), None)
    if entry is None:
        raise NotFound(f"there is no cost {entry_id} of this pool and month", code="no-such-cost")
    if entry_id in void(entries):
        raise Conflict(
            f"number {entry.number} does not count any more",
            code="cost-void",
            hint="look again at what is entered",
        )
    return entry
