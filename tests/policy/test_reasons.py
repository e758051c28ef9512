from __future__ import annotations

import pytest

from cloudmgr.policy.facts import flatten
from cloudmgr.policy.reasons import render, template_problem
from cloudmgr.policy.rules import Scope


def test_a_reason_quotes_facts_in_the_units_that_people_read() -> None:
    facts = flatten(
        {
            "system": {"code": "tax"},
            "cost_per_month_cents": 1234567,
            "environment": {"ceiling": {"cpu_millis": 1500, "memory_mib": 1536, "storage_gib": 20}},
        }
    )
    text = (
        "{system.code}: {cost_per_month_cents|yuan}, {environment.ceiling.cpu_millis|cores}, "
        "{environment.ceiling.memory_mib|gib}, {environment.ceiling.storage_gib}"
    )
    assert template_problem(text, Scope.REQUEST) == ""
    assert render(text, facts) == "tax: 12,345.67, 1.5, 1.5, 20"


def test_what_a_person_typed_cannot_blow_up_or_reorder_a_reason() -> None:
    facts = flatten({"system": {"code": "a\n\u202eb" + "x" * 500}})
    shown = render("[{system.code}]", facts)
    assert shown.startswith("[abxx")
    assert len(shown) == 83


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{system.level}", "{system.level} is not a fact"),
        ("{pool.name}", "{pool.name} is not a fact"),
        ("{windows}", "{windows} is not a fact"),
        ("{cost_per_month_cents|dollars}", "there is no format 'dollars'"),
        ("{system.code|yuan}", "only numbers have a format"),
        ("{System}", "a brace that quotes no fact"),
        ("50 }", "a brace that quotes no fact"),
    ],
)
def test_a_reason_that_quotes_what_is_not_there_is_refused(text: str, sentence: str) -> None:
    assert sentence in template_problem(text, Scope.REQUEST)
