from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from cloudmgr.api.values import Code, Entry, Id, Login, Moment, Name, Reason, Remark

NAME: TypeAdapter[str] = TypeAdapter(Name)
REASON: TypeAdapter[str] = TypeAdapter(Reason)
MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


class Anything(Entry):
    content: dict[str, Any]


def why(kind: Any, value: object) -> str:
    adapter = kind if isinstance(kind, TypeAdapter) else TypeAdapter(kind)
    with pytest.raises(ValidationError) as refused:
        adapter.validate_python(value)
    return str(refused.value.errors()[0]["msg"])


def test_a_name_is_trimmed_and_put_into_one_form() -> None:
    assert NAME.validate_python("  教育考试院 ") == "教育考试院"
    assert NAME.validate_python("e\u0301cole") == "école"


@pytest.mark.parametrize("value", ["a\nb", "a\x00", "a\x7f", "\u202egnp.exe", "a\u2028b", "\x85"])
def test_a_name_with_control_characters_is_refused(value: str) -> None:
    assert why(NAME, value) == "must not hold control characters"


def test_a_name_of_ten_thousand_letters_is_refused_with_both_numbers() -> None:
    assert why(NAME, "a" * 10_000) == "must have at most 200 characters, not 10000"
    assert NAME.validate_python("院" * 200)


def test_a_name_is_measured_in_the_form_in_which_it_is_kept() -> None:
    """U+0958 becomes two letters, which a column of 200 would not hold."""
    assert why(NAME, "\u0958" * 200) == "must have at most 200 characters, not 400"


@pytest.mark.parametrize("value", ["", "   ", "\u3000"])
def test_a_blank_name_is_refused(value: str) -> None:
    assert why(NAME, value) == "must not be blank"


def test_a_reason_may_have_lines() -> None:
    assert REASON.validate_python("一\r\n二\t三\n") == "一\r\n二\t三"
    assert "control" in why(REASON, "a\x1b[31m")
    assert "2000" in why(REASON, "a" * 2001)


def test_a_remark_may_be_left_empty_but_holds_no_controls_either() -> None:
    remark: TypeAdapter[str] = TypeAdapter(Remark)
    assert remark.validate_python("  ") == ""
    assert "control" in why(remark, "\x07")
    assert "2000" in why(remark, "a" * 2001)


@pytest.mark.parametrize("value", ["a", "gaokao", "a-1", "9", "x" * 40])
def test_a_code_is_a_dns_label(value: str) -> None:
    assert TypeAdapter(Code).validate_python(value) == value


@pytest.mark.parametrize("value", ["", "-a", "a-", "A", "a_b", "a.b", "高考", "x" * 41, "a\n"])
def test_what_is_no_dns_label_is_no_code(value: str) -> None:
    assert "small letters" in why(Code, value)


@pytest.mark.parametrize("value", ["", "Li", "li wei", "@li", "x" * 65, "李"])
def test_what_is_no_login_is_refused(value: str) -> None:
    assert "small letters" in why(Login, value)


@pytest.mark.parametrize("value", ["", "a b", "a\x00", "a/b", "x" * 81, "编"])
def test_what_is_no_id_is_refused(value: str) -> None:
    assert "must be an id" in why(Id, value)


def test_a_moment_is_kept_in_utc() -> None:
    found = MOMENT.validate_python("2026-06-01T08:00:00+08:00")
    assert found == datetime(2026, 6, 1, tzinfo=UTC)
    assert found.tzinfo is UTC
    assert MOMENT.validate_python("2026-06-01t00:00:00.5z").microsecond == 500_000


@pytest.mark.parametrize(
    "value",
    [
        "2026-06-01",
        "2026-06-01T08:00:00",
        "1780272001",
        1780272000,
        1.5,
        None,
        True,
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-02-30T00:00:00Z",
        "2026-06-01T24:00:01Z",
        "2026-06-01T08:00:00+25:00",
    ],
)
def test_what_is_no_instant_with_a_zone_is_refused(value: object) -> None:
    assert "time with its zone" in why(MOMENT, value)


@pytest.mark.parametrize(
    "content",
    [
        {"a": "x\x00"},
        {"a\x00": 1},
        {"a": [{"b": "\ud800"}]},
        {"a": {"b": ["\udfff!"]}},
    ],
)
def test_what_no_database_stores_is_refused_wherever_it_stands(content: dict[str, Any]) -> None:
    assert why(Anything, {"content": content}) == "must not hold NUL or half characters"


def test_what_no_database_stores_is_refused_by_its_place() -> None:
    with pytest.raises(ValidationError) as refused:
        Anything(content={"a": ["x", {"b": "\x00"}]})
    assert refused.value.errors()[0]["loc"] == ("content", "a", 1, "b")


def test_what_is_nested_too_deeply_is_refused() -> None:
    deep: Any = "x"
    for _ in range(50):
        deep = [deep]
    assert "nested" in why(Anything, {"content": {"a": deep}})


def test_a_field_that_nobody_knows_is_refused() -> None:
    assert "Extra inputs" in why(Anything, {"content": {}, "contnet": {}})


@given(st.text(max_size=250))
def test_a_name_that_is_taken_is_clean_and_stays_as_it_is(value: str) -> None:
    try:
        taken = NAME.validate_python(value)
    except ValidationError:
        return
    assert taken == taken.strip() == unicodedata.normalize("NFC", taken)
    assert not any(unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} for letter in taken)
    assert NAME.validate_python(taken) == taken or len(taken) > 200
    taken.encode()
