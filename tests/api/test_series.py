"""Peaks that come round, over HTTP: tried, asked for, looked at, changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.test_expected import USERS
from tests.api.test_promises import answering, asked

if TYPE_CHECKING:
    from tests.api.city import City

PEAK: dict[str, Any] = {
    "yearly": {"month": 6, "day": 30},
    "before": 5,
    "workdays": True,
    "itself": False,
    "opens": "09:00:00",
    "closes": "17:00:00",
}


def drafted(city: City, **more: Any) -> dict[str, Any]:
    return {
        "environment_id": city.ours["environment_id"],
        "component": "web",
        "peak": PEAK,
        "replicas": 6,
        "note": "年报",
        **more,
    }


def request(city: City, **more: Any) -> dict[str, Any]:
    series = drafted(city, **more)
    del series["environment_id"]
    return {
        "kind": "peak",
        "system_id": city.ours["system_id"],
        "environment_id": city.ours["environment_id"],
        "series": [series],
        "reason": "每年年报",
    }


def begun(city: City, **more: Any) -> dict[str, Any]:
    """A series that was asked for and signed; as it is then."""
    made = city.client("officer").post("/api/v1/requests", json=request(city, **more))
    assert made.status_code == 201, made.text
    found = made.json()
    if found["state"] == "awaiting-approval":
        signed = city.client("approver").post(
            f"{made.headers['Location']}/approve", json={}, headers={"If-Match": "*"}
        )
        found = signed.json()
    assert found["state"] == "fulfilled", found
    listed = city.client("officer").get("/api/v1/series").json()["items"]
    (series,) = [one for one in listed if one["request_id"] == found["id"]]
    whole: dict[str, Any] = city.client("officer").get(f"/api/v1/series/{series['id']}").json()
    return whole


def states(series: dict[str, Any]) -> dict[str, str]:
    return {one["day"]: one["state"] for one in series["dates"]}


def test_a_series_is_tried_date_by_date_and_nothing_is_written(city: City) -> None:
    operator = answering(city, 8).client("operator")
    other = asked(city.theirs, starts_at="2026-06-24T02:00:00Z", ends_at="2026-06-24T03:00:00Z")
    assert operator.post("/api/v1/windows", json=other).status_code == 201
    tried = city.client("officer").post("/api/v1/series/draft", json=drafted(city)).json()
    assert tried["en"] == (
        "the 5 working days before 30 June of each year, 09:00 to 17:00 each day"
    )
    assert tried["waits_for"] == [2027]
    fits = {p["starts_at"][:10]: p["fits"] for p in tried["promises"]}
    assert fits == {
        "2026-06-23": True,
        "2026-06-24": False,
        "2026-06-25": True,
        "2026-06-26": True,
        "2026-06-29": True,
    }
    assert len(city.client("officer").get("/api/v1/series").json()["items"]) == 1, "the seed"


def test_a_series_is_approved_once_and_each_date_is_a_window(stored_city: City) -> None:
    city = answering(stored_city, 8)
    tried = city.client("officer").post("/api/v1/requests/dry-run", json=request(city)).json()
    assert tried["decision"]["outcome"] != "deny"
    assert [len(one["dates"]) for one in tried["coming"]] == [5]
    assert len(tried["promises"]) == 5
    series = begun(city)
    assert [s for d, s in states(series).items() if d.startswith("2026")] == ["booked"] * 5
    assert {s for d, s in states(series).items() if d.startswith("2027")} == {"waiting"}
    windows = city.client("officer").get("/api/v1/windows").json()["items"]
    assert len([w for w in windows if w["series_id"] == series["id"]]) == 5
    feed = city.client("officer").get("/api/v1/calendar/peaks").text
    assert feed.count("SUMMARY:年报") == 5, "the dates of series are in the calendar that is saved"


def test_what_is_expected_is_worked_out_once_for_all_dates(city: City) -> None:
    answering(city, 8)
    series = begun(city, replicas=None, expected=USERS)
    assert (series["replicas"], series["expected"]["replicas_low"]) == (3, 2)
    windows = city.client("officer").get("/api/v1/windows").json()["items"]
    own = [w for w in windows if w["series_id"] == series["id"]]
    assert {w["expected"]["high"] for w in own} == {"1200"}


def test_a_date_that_does_not_fit_is_unmet_and_told(city: City) -> None:
    operator = answering(city, 8).client("operator")
    other = asked(city.theirs, starts_at="2026-06-24T02:00:00Z", ends_at="2026-06-24T03:00:00Z")
    assert operator.post("/api/v1/windows", json=other).status_code == 201
    series = begun(city)
    assert states(series)["2026-06-24"] == "unmet"
    (unmet,) = series["unmet"]
    assert unmet["replicas"] == 2
    assert "College" not in unmet["en"] or unmet["later"] is not None


def test_a_series_of_which_nothing_fits_is_refused(city: City) -> None:
    answering(city, 4)
    tried = city.client("officer").post("/api/v1/requests/dry-run", json=request(city)).json()
    assert tried["decision"]["outcome"] == "deny"


def test_a_date_is_left_out_moved_and_put_back(city: City) -> None:
    answering(city, 8)
    series = begun(city)
    at = f"/api/v1/series/{series['id']}"
    officer, operator = city.client("officer"), city.client("operator")
    why = {"day": "2026-06-24", "reason": "停电检修"}
    stale = officer.post(f"{at}/skip", json=why, headers={"If-Match": '"99"'})
    assert stale.status_code in {409, 412}
    done = officer.post(f"{at}/skip", json=why)
    assert done.status_code == 200, done.text
    assert states(officer.get(at).json())["2026-06-24"] == "skipped"
    moved = {**why, "starts_at": "2026-06-27T01:00:00Z", "ends_at": "2026-06-27T05:00:00Z"}
    assert officer.post(f"{at}/move", json=moved).status_code == 403
    assert operator.post(f"{at}/move", json=moved).status_code == 200
    after = officer.get(at).json()
    (date,) = [one for one in after["dates"] if one["day"] == "2026-06-24"]
    assert (date["state"], date["starts_at"]) == ("booked", "2026-06-27T01:00:00Z")
    assert officer.post(f"{at}/undo", json=why).status_code == 200
    assert officer.get(at).json()["changes"] == []
    again = officer.post(f"{at}/undo", json=why)
    assert (again.status_code, again.json()["code"]) == (409, "nothing-to-undo")


def test_it_ends_and_goes_on(city: City) -> None:
    answering(city, 8)
    series = begun(city)
    at = f"/api/v1/series/{series['id']}"
    officer = city.client("officer")
    assert officer.post(f"{at}/end", json={"reason": "并入"}).json()["ended_at"] is not None
    ended = officer.get("/api/v1/series", params={"ended": True}).json()["items"]
    assert [one["id"] for one in ended] == [series["id"]]
    assert officer.post(f"{at}/skip", json={"day": "2026-06-24", "reason": "x"}).status_code == 409
    assert officer.post(f"{at}/resume", json={"reason": "x"}).status_code == 403
    went = city.client("operator").post(f"{at}/resume", json={"reason": "误操作"})
    assert went.json()["ended_at"] is None
    assert states(officer.get(at).json())["2026-06-24"] == "booked"


def test_cancelling_one_window_of_it_leaves_out_that_date(city: City) -> None:
    answering(city, 8)
    series = begun(city)
    officer = city.client("officer")
    windows = officer.get("/api/v1/windows").json()["items"]
    first = next(w for w in windows if w["series_id"] == series["id"])
    done = officer.post(f"/api/v1/windows/{first['id']}/cancel", json={"reason": "延期"})
    assert done.status_code == 200
    after = officer.get(f"/api/v1/series/{series['id']}").json()
    assert states(after)["2026-06-23"] == "skipped"


def test_another_takes_its_place_from_now_on(city: City) -> None:
    answering(city, 8)
    series = begun(city)
    later = begun(city, replaces=series["id"], peak={**PEAK, "opens": "10:00:00"}, replicas=4)
    assert later["id"] == series["id"]
    windows = city.client("officer").get("/api/v1/windows").json()["items"]
    own = [w for w in windows if w["series_id"] == series["id"]]
    assert {(w["replicas"], w["starts_at"][11:16]) for w in own} == {(4, "02:00")}
    theirs = city.client("officer").post(
        "/api/v1/requests", json=request(city, replaces=city.theirs["series_id"])
    )
    assert (theirs.status_code, theirs.json()["code"]) == (404, "not-found"), theirs.text


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"component": "api"}, "series[0].component"),
        ({"replicas": 900}, "series[0].replicas"),
        ({"peak": {"days": ["2020-01-01"]}}, "series[0].peak"),
        ({"peak": {"rule": "FREQ=HOURLY", "since": "2026-01-01"}}, "rule"),
        ({"peak": {}}, "series[0].peak"),
        ({"replicas": None}, "series[0]"),
        ({"replicas": None, "expected": {**USERS, "low": "9999"}}, "series[0].expected.high"),
    ],
)
def test_what_makes_no_sense_is_refused(city: City, changes: dict[str, Any], path: str) -> None:
    answer = (
        answering(city, 8).client("officer").post("/api/v1/requests", json=request(city, **changes))
    )
    assert answer.status_code == 422, answer.text
    assert [one["path"] for one in answer.json()["errors"]] == [path]


def test_only_a_peak_comes_round(city: City) -> None:
    body = {**request(city), "kind": "retire"}
    answer = city.client("officer").post("/api/v1/requests", json=body)
    assert answer.status_code == 422
    assert "announces no peak" in answer.text
