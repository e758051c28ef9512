from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from cloudmgr.interval import Interval
from cloudmgr.notices import budget_words, words
from cloudmgr.notices.notice import MEANINGS, Kind, Notice
from tests.builders import CREATED
from tests.notices.stories import EXAM, WHY, a_refusal

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = Interval(CREATED, CREATED + timedelta(hours=8))
TWO = ("web", 2, DAY)


def every() -> list[Notice]:
    """One of each function."""
    later = CREATED + timedelta(minutes=45)
    return [
        a_refusal(),
        words.approved(EXAM, "req_1", "peak", CREATED),
        words.booked(EXAM, "win_1", TWO, CREATED, SHANGHAI),
        words.at_risk(EXAM, "win_1", TWO, WHY, CREATED),
        words.safe(EXAM, "win_1", DAY, CREATED, SHANGHAI),
        words.prepared(EXAM, "win_1", DAY, CREATED, SHANGHAI),
        words.unprepared(EXAM, "win_1", DAY, CREATED, SHANGHAI, why=WHY),
        words.late(EXAM, "wak_1", CREATED, later, SHANGHAI),
        words.missed(EXAM, "wak_1", CREATED, later, SHANGHAI, ready_at=later),
        words.missed(EXAM, "wak_2", CREATED, later, SHANGHAI, ready_at=None),
        words.test_failed(EXAM, "wak_3", CREATED, later, SHANGHAI, ready_at=later),
        words.test_failed(EXAM, "wak_4", CREATED, later, SHANGHAI, ready_at=None),
        words.unmet(EXAM, "ser_1", DAY, CREATED, SHANGHAI, why=WHY),
        words.not_ready(EXAM, CREATED, later, SHANGHAI),
        words.ready(EXAM, CREATED, later, SHANGHAI),
        *(
            budget_words.budget(kind, EXAM, "bud_1", 2026, 80, 83, CREATED)
            for kind in (Kind.BUDGET_USED, Kind.BUDGET_PROJECTED)
        ),
    ]


def test_every_kind_has_a_title_in_both_languages_and_words_of_its_own() -> None:
    assert set(MEANINGS) == set(Kind)
    assert all(meaning.zh and meaning.en for meaning in MEANINGS.values())
    assert {notice.kind for notice in every()} == set(Kind)


@pytest.mark.parametrize("notice", every(), ids=lambda n: f"{n.kind.value} {n.key}")
def test_a_notice_names_its_system_in_both_languages_and_fits_its_columns(notice: Notice) -> None:
    assert EXAM.zh in notice.zh
    assert EXAM.en in notice.en
    assert notice.department_id == "dep_exam"
    assert len(notice.key) <= 120
    assert len(notice.fact) <= 200


def test_times_are_those_of_the_city() -> None:
    told = words.booked(EXAM, "win_1", TWO, CREATED, SHANGHAI)
    assert "2026-05-01 08:00 to 16:00" in told.en
    assert "2 replicas of web" in told.en
    assert "2026-05-01 08:00 至 16:00" in told.zh


def test_a_peak_that_was_moved_or_grown_is_another_fact() -> None:
    longer = Interval(DAY.start, DAY.end + timedelta(hours=1))
    promises = (TWO, ("web", 2, DAY), ("web", 3, DAY), ("web", 2, longer), ("api", 2, DAY))
    told = [words.at_risk(EXAM, "win_1", promise, WHY, CREATED) for promise in promises]
    assert len({notice.fact for notice in told}) == 4
    assert {notice.key for notice in told} == {"promise:win_1"}


def test_a_reason_without_end_is_cut_where_it_still_can_be_kept() -> None:
    told = words.refused(EXAM, "req_1", "new", ("因" * 3000, "why " * 3000), CREATED)
    assert (len(told.zh), len(told.en)) == (words.LONGEST, words.LONGEST)
    assert told.zh.endswith("…")
