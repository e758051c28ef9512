"""Peaks worked out from a rule, read from people's calendars, and saved as one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from cloudmgr.interval import Interval
from cloudmgr.scaling.icalendars import MOST_EVENTS, read
from tests.builders import a_window

if TYPE_CHECKING:
    from tests.api.city import City

SPAN = {"from": "2026-01-01T00:00:00+08:00", "to": "2027-01-01T00:00:00+08:00"}
EVENT = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:a\r\n"
    "DTSTART:20260630T160000\r\nDTEND:20260630T190000\r\nSUMMARY:截止\r\n{}END:VEVENT\r\n"
    "END:VCALENDAR\r\n"
)


def expand(city: City, peak: dict[str, Any], **span: str) -> Any:
    body = {"peak": peak, **SPAN, **span}
    return city.client("officer").post("/api/v1/calendar/expand", json=body)


def test_a_deadline_is_told_in_words_and_in_moments(seen_city: City) -> None:
    peak = {
        "yearly": {"month": 6, "day": 30},
        "before": 5,
        "workdays": True,
        "itself": False,
        "opens": "09:00",
        "closes": "17:00",
    }
    found = expand(seen_city, peak).json()
    assert found["zh"] == "每年6月30日前5个工作日（不含当日），每天 09:00–17:00"
    assert found["en"] == "the 5 working days before 30 June of each year, 09:00 to 17:00 each day"
    assert [item["starts_at"] for item in found["items"]] == [
        f"2026-06-{day}T01:00:00Z" for day in (23, 24, 25, 26, 29)
    ]
    later = expand(seen_city, peak, to="2028-01-01T00:00:00+08:00").json()["items"]
    assert [item["uncertain"] for item in later[5:]] == [[2027]] * 5


@pytest.mark.parametrize(
    ("peak", "zh", "en", "count"),
    [
        (
            {"lunar": {"month": 1, "day": 15}, "before": 2, "after": 1},
            "每年农历正月十五前2天及后1天（含当日），全天",
            (
                "the 2 days before and the day after day 15 of month 1 of each lunar year, "
                "and that day, all day"
            ),
            4,
        ),
        (
            {"rule": "FREQ=MONTHLY;BYMONTHDAY=15", "since": "2026-01-01", "workdays": True},
            "自2026-01-01起按 FREQ=MONTHLY;BYMONTHDAY=15（如为工作日），全天",
            "FREQ=MONTHLY;BYMONTHDAY=15 from 2026-01-01 on, if it is a working day, all day",
            8,
        ),
        (
            {"days": ["2026-03-01", "2026-03-09"], "opens": "22:00", "closes": "02:00"},
            "2026-03-01、2026-03-09，每天 22:00–次日 02:00",
            "2026-03-01, 2026-03-09, 22:00 to 02:00 of the next day each day",
            2,
        ),
        (
            {
                "lunar": {"month": 12, "day": 30},
                "after": 6,
                "opens": "18:00",
                "closes": "12:00",
                "each_day": False,
            },
            "每年农历腊月三十后6天（含当日），自首日 18:00 至末日 次日 12:00",
            (
                "the 6 days after day 30 of month 12 of each lunar year, and that day, "
                "from 18:00 of the first to 12:00 of the next day of the last"
            ),
            1,
        ),
    ],
    ids=["lunar", "rule", "days", "whole"],
)
def test_every_kind_of_peak_has_its_words(
    seen_city: City, peak: dict[str, Any], zh: str, en: str, count: int
) -> None:
    found = expand(seen_city, peak).json()
    assert (found["zh"], found["en"], len(found["items"])) == (zh, en, count)


@pytest.mark.parametrize(
    ("change", "path", "sentence"),
    [
        ({"peak": {}}, "peak", "give one of days, yearly, lunar or rule"),
        ({"peak": {"rule": "FREQ=DAILY"}}, "peak", "since when it holds"),
        ({"peak": {"yearly": {"month": 4, "day": 31}}}, "day", "month 4 has no day 31"),
        ({"peak": {"rule": "FREQ=HOURLY", "since": "2026-01-01"}}, "rule", "FREQ must be"),
        ({"peak": {"days": ["2026-01-01"], "itself": False}}, "itself", "no day at all"),
        ({"peak": {"days": ["2026-01-01"], "opens": "09:00+08:00"}}, "peak", "have no zone"),
        ({"to": "2025-01-01T00:00:00Z"}, "to", "ends before"),
        ({"to": "2040-01-01T00:00:00Z"}, "to", "five years at most"),
    ],
)
def test_what_is_no_peak_is_refused_by_its_place(
    seen_city: City, change: dict[str, Any], path: str, sentence: str
) -> None:
    body = {"peak": {"days": ["2026-01-01"]}, **SPAN, **change}
    answer = seen_city.client("officer").post("/api/v1/calendar/expand", json=body)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert sentence in error["message"]
    assert error["path"] == path


def test_what_a_calendar_announces_can_be_asked_for_in_a_request(seen_city: City) -> None:
    client = seen_city.client("officer")
    weekly = EVENT.format("RRULE:FREQ=WEEKLY;COUNT=2\r\nX-CLOUDMGR-REPLICAS:3\r\n")
    found = client.post("/api/v1/calendar/read", json={"calendar": weekly, **SPAN}).json()["items"]
    assert [item["starts_at"] for item in found] == ["2026-06-30T08:00:00Z", "2026-07-07T08:00:00Z"]
    assert {(item["summary"], item["replicas"], item["component"]) for item in found} == {
        ("截止", 3, None)
    }
    broken = EVENT.format("RRULE:FREQ=SECONDLY\r\n")
    answer = client.post("/api/v1/calendar/read", json={"calendar": broken, **SPAN})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-calendar")
    assert answer.json()["errors"][0]["path"] == "VEVENT[0].RRULE"


def test_announced_peaks_are_saved_as_a_calendar_that_is_read_alike(city: City) -> None:
    services, now = city.services, city.clock.now()
    mine = city.client("officer").get("/api/v1/environments").json()["items"][0]["id"]
    hour = timedelta(hours=1)
    one = a_window(now + hour, now + 2 * hour, id="win_ics", environment_id=mine, note="报名\n截止")
    gone = a_window(now + hour, now + 2 * hour, id="win_gone", environment_id=mine)
    with services.database.write() as tx:
        services.windows.add(tx, one)
        services.windows.add(tx, gone)
        services.windows.cancel(tx, gone, now)
    answer = city.client("officer").get("/api/v1/calendar/peaks", params={"environment_id": mine})
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    within = Interval(now, now + timedelta(days=365))
    found = {a.uid: a for a in read(answer.text, within, ZoneInfo("Asia/Shanghai"))}
    assert "win_gone@cloudmgr" not in found
    saved = found["win_ics@cloudmgr"]
    assert (saved.summary, saved.note, saved.replicas) == ("报名", "报名\n截止", one.replicas)
    assert (saved.interval, saved.environment_id) == (one.interval, mine)


def test_more_peaks_than_a_calendar_holds_are_refused(city: City) -> None:
    services, now = city.services, city.clock.now()
    mine = city.client("officer").get("/api/v1/environments").json()["items"][0]["id"]
    with services.database.write() as tx:
        for number in range(MOST_EVENTS + 1):
            start = now + timedelta(hours=number)
            services.windows.add(
                tx,
                a_window(
                    start, start + timedelta(hours=1), id=f"win_{number}", environment_id=mine
                ),
            )
    answer = city.client("operator").get("/api/v1/calendar/peaks")
    assert (answer.status_code, answer.json()["code"]) == (422, "too-many")
    assert "of a department" in answer.json()["hint"]
