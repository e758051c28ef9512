from __future__ import annotations

from enum import IntEnum, StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.errors import Invalid
from cloudmgr.policy.facts import SCHEMA, flatten


class Colour(StrEnum):
    EXTRANET = "extranet"


class Grade(IntEnum):
    THREE = 3


def refusal(facts: dict[str, object]) -> str:
    with pytest.raises(Invalid) as caught:
        flatten(facts)
    assert caught.value.code == "bad-facts"
    return "; ".join(f"{path}: {sentence}" for path, sentence in caught.value.problems)


def test_what_is_missing_is_empty() -> None:
    flat = flatten({"environment": {"components": [{"name": "web"}]}})
    assert set(flat) == set(SCHEMA)
    assert flat["system.zone"] == ""
    assert flat["system.protection_level"] == 0
    assert flat["actor.roles"] == flat["windows"] == []
    assert flat["environment.components"] == [
        {
            "name": "web", "cpu_millis": 0, "memory_mib": 0, "min_replicas": 0, "max_replicas": 0,
            "storage_gib": 0, "port": 0, "image": "", "bindings": [],
        }
    ]  # fmt: skip


def test_enumerations_become_plain_values() -> None:
    flat = flatten({"system": {"zone": Colour.EXTRANET, "criticality": Grade.THREE}})
    assert type(flat["system.zone"]) is str
    assert type(flat["system.criticality"]) is int


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"sistem": {}}, "sistem: there is no such fact"),
        ({"system": {"level": 3}}, "system.level: there is no such fact"),
        ({"system": "tax"}, "system: it must be a mapping, not text"),
        ({"system": {"protection_level": "3"}}, "it must be a whole number, not text"),
        ({"system": {"protection_level": True}}, "it must be a whole number, not true or false"),
        ({"system": {"protection_level": 6}}, "6 is outside 0 to 5"),
        ({"system": {"zone": "internet"}}, "'internet' is none of intranet, extranet"),
        ({"system": {"code": None}}, "it must be text, not nothing"),
        ({"system": {"code": "x" * 10_001}}, "longer than 10,000"),
        ({"system": {"code": "\ud800"}}, "it is not text"),
        ({"cost_per_month_cents": 1.5}, "not a number with decimals"),
        ({"cost_per_month_cents": -1}, "-1 is outside 0"),
        ({"cost_per_month_cents": 2**63}, "is outside"),
        ({"windows": {}}, "windows: it must be a list, not a mapping"),
        ({"windows": [1]}, "windows[0]: it must be a mapping"),
        ({"windows": [{}, {"hour": 1}]}, "windows[1].hour: there is no such fact"),
        ({"windows": [{}] * 129}, "at most 128 entries are possible, not 129"),
        ({"actor": {"roles": "operator"}}, "actor.roles: it must be a list, not text"),
        ({"actor": {"roles": [1]}}, "actor.roles[0]: it must be text"),
        (
            {"environment": {"components": [{}, {"bindings": ["sso", 1]}]}},
            "environment.components[1].bindings[1]: it must be text",
        ),
        (
            {"environment": {"components": [{"bindings": "sso"}]}},
            "environment.components[0].bindings: it must be a list, not text",
        ),
    ],
)
def test_a_fact_of_the_wrong_kind_is_refused_with_its_path(
    facts: dict[str, object], sentence: str
) -> None:
    assert sentence in refusal(facts)


def test_every_fault_is_told_at_once() -> None:
    assert refusal({"pool": {"zone": 1}, "windows": [{"hours": "x"}]}).count(";") == 1


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*SCHEMA, "system", "zone", "components"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["system", "environment", "windows", "pool", "actor", "other"]), _JSON
    )
)
def test_any_facts_are_filled_in_or_refused(facts: dict[str, object]) -> None:
    refused: tuple[tuple[str, str], ...] = ()
    filled: set[str] = set()
    try:
        filled = set(flatten(facts))
    except Invalid as error:
        refused = error.problems
    assert refused or filled == set(SCHEMA)
