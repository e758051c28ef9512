from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.billing.idle.costs import check, counted, in_effect, total
from cloudmgr.errors import Conflict, Invalid, NotFound
from tests.billing.idle.worlds import an_ask, an_entry

if TYPE_CHECKING:
    from cloudmgr.billing.idle.costs import CostEntry


def undoing(number: int, other: str) -> CostEntry:
    return an_entry(number, kind=None, amount=None, undoes=other)


def test_entries_sum_and_nothing_entered_is_not_zero() -> None:
    assert total([]) is None
    assert total([an_entry(1), an_entry(2, amount=Decimal("0.10"))]) == Decimal("1200.10")
    assert total([an_entry(amount=Decimal(0))]) == Decimal("0.00")


def test_a_correction_stands_in_for_what_it_corrects() -> None:
    entries = [an_entry(1), an_entry(2, amount=Decimal(7), replaces="pco_1")]
    assert total(entries) == Decimal("7.00")
    assert [entry.number for entry in in_effect(entries)] == [2]


def test_undoing_a_correction_brings_back_what_it_corrected_and_undoing_that_corrects_again() -> (
    None
):
    entries = [an_entry(1), an_entry(2, amount=Decimal(7), replaces="pco_1"), undoing(3, "pco_2")]
    assert total(entries) == Decimal("1200.00")
    assert total([*entries, undoing(4, "pco_3")]) == Decimal("7.00")


def test_undoing_the_only_cost_leaves_none_known() -> None:
    assert total([an_entry(1), undoing(2, "pco_1")]) is None


@given(st.lists(st.sampled_from(["cost", "correct", "undo"]), max_size=12), st.data())
def test_however_it_is_corrected_undoing_the_last_step_is_as_if_it_had_not_been(
    steps: list[str], data: st.DataObject
) -> None:
    entries: list[CostEntry] = []
    for number, step in enumerate(steps, start=1):
        open_to_it = [e.id for e in entries if _counts(entries, e.id)]
        costs = [e.id for e in in_effect(entries)]
        if step == "correct" and costs:
            entries.append(an_entry(number, replaces=data.draw(st.sampled_from(costs))))
        elif step == "undo" and open_to_it:
            entries.append(undoing(number, data.draw(st.sampled_from(open_to_it))))
        else:
            entries.append(an_entry(number, amount=Decimal(number)))
    if entries:
        taken_back = [*entries, undoing(len(entries) + 1, entries[-1].id)]
        assert in_effect(taken_back) == in_effect(entries[:-1])
        assert in_effect(entries[::-1]) == in_effect(entries)


def _counts(entries: list[CostEntry], entry_id: str) -> bool:
    try:
        counted(entries, entry_id)
    except Conflict:
        return False
    return True


@pytest.mark.parametrize(
    ("changes", "path", "sentence"),
    [
        ({"amount": Decimal(-1)}, "amount", "cannot be negative"),
        ({"amount": Decimal("1.005")}, "amount", "1.005 is not a whole number of cents"),
        ({"amount": Decimal("NaN")}, "amount", "it is not a number"),
        ({"amount": Decimal("Infinity")}, "amount", "it is not a number"),
        ({"amount": Decimal("1e12")}, "amount", "no pool costs more"),
        ({"amount": Decimal("1e400")}, "amount", "no pool costs more"),
        ({"amount": Decimal("1e-90")}, "amount", "whole number of cents"),
        ({"reference": " "}, "reference", "say where the evidence is"),
        ({"reference": "甲" * 501}, "reference", "longer than 500"),
        ({"reason": ""}, "reason", "say why"),
        ({"note": "a\x00b"}, "note", "cannot be seen"),
    ],
)
def test_a_cost_that_cannot_be_is_refused_where_it_is_wrong(
    changes: dict[str, Any], path: str, sentence: str
) -> None:
    with pytest.raises(Invalid) as refused:
        check([], an_ask(**changes))
    assert (refused.value.code, refused.value.path) == ("bad-cost", path)
    assert sentence in refused.value.message


def test_the_same_evidence_is_not_entered_twice_for_the_same_kind_but_may_be_corrected() -> None:
    known = an_entry(1, reference="电费单 2026-06")
    with pytest.raises(Conflict) as refused:
        check([known], an_ask())
    assert refused.value.code == "cost-known"
    assert "number 1" in refused.value.message
    check([known], an_ask(replaces="pco_1"))
    check([known, undoing(2, "pco_1")], an_ask())


def test_what_does_not_count_any_more_is_not_corrected_again() -> None:
    entries = [an_entry(1), an_entry(2, replaces="pco_1")]
    with pytest.raises(Conflict) as void:
        check(entries, an_ask(replaces="pco_1"))
    assert void.value.code == "cost-void"
    with pytest.raises(NotFound) as unknown:
        check(entries, an_ask(replaces="pco_9"))
    assert unknown.value.code == "no-such-cost"
