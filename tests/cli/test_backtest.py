"""``cloudmgr scaling backtest``, which needs no control plane."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cloudmgr.cli.main import run
from cloudmgr.scaling import icalendars
from cloudmgr.scaling.icalendars import Announced
from tests.scaling.backtest.test_trial import announced
from tests.scaling.forecast.histories import MONDAY, written

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Two series of six days."""
    return written(tmp_path / "demand.csv")


@pytest.fixture
def calendar(tmp_path: Path) -> Path:
    path = tmp_path / "peaks.ics"
    events = [Announced(f"peak-{n}", one) for n, one in enumerate(announced(6))]
    path.write_text(icalendars.write(events, name="peaks", now=MONDAY))
    return path


def command(*words: object) -> int:
    return run(["scaling", "backtest", *map(str, words)])


def test_a_document_tells_of_every_policy(
    history: Path, calendar: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--demand", history, "--windows", calendar, "--startup", "1h", "--unit", 4, "--json"]
    assert command(*words) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["startup_seconds"], found["allowed_unmet"]) == (3600, 0.001)
    exam, tax = found["series"]
    assert (exam["series_id"], tax["series_id"]) == ("exam", "tax")
    assert (exam["windows"], exam["step_seconds"], exam["unit"]) == (6, 1800, 4)
    policies = {line["policy"]: line for line in exam["policies"]}
    assert set(policies) == {"static peak", "HPA", "cron + HPA", "cloudmgr", "oracle"}
    assert policies["oracle"]["of_oracle"] == 1
    assert policies["static peak"]["of_oracle"] > 2


def test_people_get_a_table_and_a_picture(
    history: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "peaks.svg"
    assert command("--demand", history, "--pool", "--draw", picture) == 0
    said = capsys.readouterr().out
    for word in ("pooled", "static peak", "HPA", "cloudmgr", "oracle", "of oracle", "unmet %"):
        assert word in said
    drawn = picture.read_text()
    assert drawn.startswith("<svg")
    assert "cloudmgr pays" in drawn
    assert command("--demand", history, "--draw", tmp_path / "peaks.png") == 0
    assert (tmp_path / "peaks.png").read_bytes().startswith(b"\x89PNG")
    assert "all 2 series" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--startup", "10"], "10 is no span. give it as --startup 10m, 90s or 2h"),
        (["--startup", "3d"], "--startup is at most 2d"),
        (["--unit", "0"], "--unit is a number above 0"),
        (["--unit", "nan"], "--unit is a number above 0"),
        (["--unmet", "100"], "--unmet is a percentage, from 0 to less than 100"),
        (["--step", "7m"], "--step is one of 5m, 10m"),
        (["--zone", "Mars/Base"], "Mars/Base is no time zone"),
        (["--draw", "peaks.gif"], "peaks.gif is neither .svg nor .png"),
        (["--windows", "absent.ics"], "absent.ics cannot be read"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    history: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--demand", history, *words) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


def test_a_calendar_that_names_one_series_tells_nothing_of_the_others(
    history: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tax.ics"
    events = [
        Announced(f"peak-{n}", one, environment_id="tax") for n, one in enumerate(announced(6))
    ]
    path.write_text(icalendars.write(events, name="peaks", now=MONDAY))
    assert command("--demand", history, "--windows", path, "--json") == 0
    exam, tax = json.loads(capsys.readouterr().out)["series"]
    assert (exam["windows"], tax["windows"]) == (0, 6)
    assert command("--demand", history, "--windows", path) == 0
    assert "cron + HPA" in capsys.readouterr().out


def test_a_calendar_of_another_year_is_refused(
    history: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "old.ics"
    path.write_text(icalendars.write([], name="peaks", now=MONDAY))
    assert command("--demand", history, "--windows", path) == 2
    assert "announces nothing between 2026-06-01 and 2026-06-07" in capsys.readouterr().err


def test_series_that_cannot_be_judged_are_left_out_and_named(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with history.open("a") as file:
        file.write("quiet,2026-06-01T00:00:00+00:00,1\n")
    assert command("--demand", history) == 0
    assert "left out: quiet cannot be put to the trial: it has 1 steps" in capsys.readouterr().err
