from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.departments.department import Department
from cloudmgr.errors import Conflict, Invalid
from tests.builders import CREATED, a_department, a_version, an_account

DAY = timedelta(days=1)


def test_a_version_holds_from_its_beginning_until_the_next_begins() -> None:
    first, second = a_version(), a_version(valid_from=CREATED + DAY, name_en="Renamed")
    department = a_department(versions=(first, second))

    assert department.at(CREATED) is first
    assert department.at(CREATED + DAY - timedelta(microseconds=1)) is first
    assert department.at(CREATED + DAY) is second
    assert department.at(CREATED + 1000 * DAY) is second


def test_before_its_first_version_a_department_does_not_exist_and_that_one_pays() -> None:
    department = a_department()
    assert department.in_force(CREATED - DAY) is None
    assert department.at(CREATED - DAY) is department.versions[0]


def test_a_version_that_would_begin_in_the_past_is_refused() -> None:
    now = CREATED + 10 * DAY
    with pytest.raises(Invalid) as refused:
        a_department().revised(a_version(valid_from=now - DAY), now)
    assert refused.value.code == "begins-in-the-past"
    assert refused.value.path == "valid_from"


def test_a_version_before_one_that_is_already_promised_is_refused() -> None:
    department = a_department().revised(a_version(valid_from=CREATED + 9 * DAY), CREATED)
    for again in (CREATED + 8 * DAY, CREATED + 9 * DAY):
        with pytest.raises(Conflict) as refused:
            department.revised(a_version(valid_from=again), CREATED)
        assert refused.value.code == "not-the-latest"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(Invalid, match="no time zone"):
        a_version(valid_from=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


def test_times_are_kept_in_utc() -> None:
    local = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=8)))
    assert a_version(valid_from=local).valid_from.tzinfo is UTC


def test_versions_out_of_order_are_a_mistake_of_ours() -> None:
    late, early = a_version(valid_from=CREATED + DAY), a_version()
    for versions in ((), (late, early), (early, early)):
        with pytest.raises(ValueError, match="version"):
            Department("dep_x", "x", CREATED, versions)


@pytest.mark.parametrize("currency", ["", "cny", "CNYX", "C1Y", "人民币"])
def test_a_currency_that_iso_4217_cannot_know_is_refused(currency: str) -> None:
    with pytest.raises(Invalid) as refused:
        an_account(currency=currency)
    assert refused.value.code == "no-currency"


@given(st.lists(st.integers(1, 1000), max_size=8), st.integers(-10, 9000))
def test_appending_never_changes_what_held_before(gaps: list[int], asked: int) -> None:
    department, begin = a_department(), CREATED
    moment = CREATED + timedelta(minutes=asked)
    for gap in gaps:
        before = department.in_force(moment)
        begin += timedelta(minutes=gap)
        department = department.revised(a_version(valid_from=begin), begin)
        after = department.in_force(moment)
        assert after == (before if moment < begin else department.versions[-1])
    assert department.version == 1 + len(gaps)
