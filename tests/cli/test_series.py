"""``cloudmgr series``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cloudmgr.pools.capacity import Resources
from tests.builders import a_component, an_environment
from tests.cli.office import Office, said
from tests.fakes import InstantPool

JUNE = ("--yearly", "06-30", "--before", "5", "--not-itself", "--opens", "09:00")
HOURS = ("--closes", "17:00")

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture
def drafted(office: Office, monkeypatch: pytest.MonkeyPatch) -> Sequence[str]:
    """The words of a series, for an environment called env_one."""
    office.plane.drivers["pool_outer"] = InstantPool(Resources(64_000, 65_536, 100))
    there = an_environment(
        id="env_one", pool_id="pool_outer", components=(a_component(cpu_millis=1_000),)
    )
    with office.plane.database.write() as tx:
        office.plane.stores.environments.add(tx, there)
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.officer)
    return "series", "draft", "env_one", *JUNE, *HOURS


def test_a_series_is_drafted_asked_for_shown_and_changed(
    office: Office,
    drafted: Sequence[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, shown, error = said(capsys, *drafted, "--replicas", "4")
    assert code == 0, error
    for word in ("the 5 days before 30 June", "每年6月30日前5天", "yes"):
        assert word in shown
    assert said(capsys, "series", "list")[1].startswith("No peak comes round")
    users = ("--users", "600..1200", "--seconds-per-request", "0.4", "--requests-per-user", "3")
    code, shown, error = said(capsys, *drafted, *users, "--ask", "--reason", "年报", "--json")
    assert code == 0, error
    assert json.loads(shown)["state"] == "fulfilled"
    (series,) = json.loads(said(capsys, "series", "list", "--json")[1])
    code, shown, _ = said(capsys, "series", "show", series["id"])
    assert code == 0
    for word in ("booked", "users at once", "同时在线"):
        assert word in shown
    whole = json.loads(said(capsys, "series", "show", series["id"], "--json")[1])
    assert {one["state"] for one in whole["dates"]} == {"booked"}
    day = whole["dates"][-1]["day"]
    assert said(capsys, "series", "skip", series["id"], "--day", day, "--reason", "停电")[0] == 0
    assert "skipped" in said(capsys, "series", "show", series["id"])[1]
    assert said(capsys, "series", "undo", series["id"], "--day", day, "--reason", "照旧")[0] == 0
    code, _, error = said(capsys, "series", "resume", series["id"], "--reason", "x")
    assert (code, error.count("\n")) == (5, 1)
    code, shown, _ = said(capsys, "series", "end", series["id"], "--reason", "并入")
    assert code == 0
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.operator)
    assert said(capsys, "series", "resume", series["id"], "--reason", "误操作")[0] == 0
    first = whole["dates"][0]
    moved = ("--from", f"{first['day']}T20:00:00+08:00", "--to", f"{first['day']}T22:00:00+08:00")
    code, shown, error = said(
        capsys, "series", "move", series["id"], "--day", first["day"], *moved, "--reason", "夜间"
    )
    assert code == 0, error


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        ("--replicas", "4", "--users", "3"),
        ("--replicas", "900"),
        ("--replicas", "4", "--rule", "FREQ=DAILY"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    drafted: Sequence[str], capsys: pytest.CaptureFixture[str], wrong: tuple[str, ...]
) -> None:
    code, _, error = said(capsys, *drafted, *wrong)
    assert (code, error.count("\n")) == (2, 1)


def test_a_day_that_is_none_of_its_dates_is_said(
    drafted: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, *drafted, "--replicas", "4", "--ask", "--reason", "年报")
    (series,) = json.loads(said(capsys, "series", "list", "--json")[1])
    code, _, error = said(
        capsys, "series", "skip", series["id"], "--day", "2020-01-01", "--reason", "x"
    )
    assert code != 0
    assert error.count("\n") == 1
