"""``cloudmgr scaling simulate``: a history against a pool, with hosts that fail."""

from __future__ import annotations

import json
from dataclasses import replace
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
    """Two systems of six days, of which three are replayed; each peaks at 27 replicas of four."""
    return written(tmp_path / "demand.csv")


def calendar(tmp_path: Path, **said: object) -> Path:
    """A window each day; ``said`` is what else they tell."""
    path = tmp_path / "peaks.ics"
    events = [Announced(f"peak-{n}", one) for n, one in enumerate(announced(6))]
    told = [replace(event, **said) for event in events]  # type: ignore[arg-type]
    path.write_text(icalendars.write(told, name="peaks", now=MONDAY))
    return path


def command(*words: object) -> int:
    fixed = ["--unit", "4", "--zone", "UTC"]
    return run(["scaling", "simulate", *fixed, *map(str, words)])


def test_a_pool_that_is_large_enough_fits_and_tells_what_it_takes(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--demand", history, "--hosts", 40, "--each", 4, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["fits"]
    assert found["from"] == "2026-06-04T00:00:00+00:00"
    assert found["steps"] == 144
    assert 54 <= found["most_replicas"] < 160
    assert found["hosts_needed"] == -(-found["most_replicas"] // 4) + 1
    assert (found["unmet_for_room"], found["short"]) == (0, [])


def test_hosts_that_fail_in_a_peak_are_told_with_whom_it_met(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--demand", history, "--hosts", 40, "--each", 4]
    words += ["--fail", "35@2026-06-05T09:00/2026-06-05T11:00"]
    assert command(*words, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["fits"]
    (short,) = found["short"]
    assert (short["from"], short["to"]) == (
        "2026-06-05T09:00:00+00:00",
        "2026-06-05T11:00:00+00:00",
    )
    assert {one["series_id"] for one in short["systems"]} == {"exam", "tax"}
    assert found["unmet_for_room"] > 0.05
    assert command(*words) == 1
    said = capsys.readouterr().out
    assert "2026-06-05 09:00 to 2026-06-05 11:00" in said
    assert "find no room (" in said


def test_what_one_system_announced_is_kept_for_it(
    history: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--demand", history, "--hosts", 10, "--each", 4, "--json"]

    def lost(*more: object) -> dict[str, int]:
        assert command(*words, *more) == 1
        worst = json.loads(capsys.readouterr().out)["short"]
        return {
            name: max(s["replicas"] for w in worst for s in w["systems"] if s["series_id"] == name)
            for name in {s["series_id"] for w in worst for s in w["systems"]}
        }

    alike = lost()
    assert alike["exam"] > 5
    mine = calendar(tmp_path, environment_id="exam", replicas=30)
    assert lost("--windows", mine).get("exam", 0) < alike["exam"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--fail", "2"], "2 tells no failure. give hosts, from and to, as --fail 2@2027-06-20"),
        (["--fail", "2@monday/tuesday"], "2@monday/tuesday tells no failure"),
        (["--fail", "1@2026-06-05T11:00/2026-06-05T09:00"], "tells no failure"),
        (["--unit", "-1"], "--unit is a number above 0"),
        (["--startup", "soon"], "soon is no span"),
        (["--pool", "outer", "--from", "june"], "june is no moment. give it as --from 2027-06-01"),
        (["--pool", "outer", "--draw", "june.pdf"], "june.pdf is neither .svg nor .png"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    history: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--demand", history, "--hosts", 4, "--each", 4, *words) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


def test_a_system_that_cannot_be_judged_is_left_out_and_named(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with history.open("a") as file:
        file.write("quiet,2026-06-01T00:00:00+00:00,1\n")
    assert command("--demand", history, "--hosts", 40, "--each", 4) == 0
    assert "left out: quiet cannot be put to the trial: it has 1 steps" in capsys.readouterr().err


def test_without_a_history_or_a_pool_it_says_what_to_give(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command("--hosts", 4) == 2
    assert "give --pool, or a history" in capsys.readouterr().err
