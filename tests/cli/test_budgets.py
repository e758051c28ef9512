"""``cloudmgr billing budget``, as finance and an officer type it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cli.office import said
from tests.cli.test_verbs import asked

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.cli.office import Office


def test_a_budget_is_set_shown_put_right_and_withdrawn(
    office: Office,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.finance)
    of = ("--department", "dep_exam", "--year", str(office.plane.clock.now().year))
    command = ("billing", "budget")
    code, out, _ = said(capsys, *command, "list")
    assert (code, "No budget yet" in out) == (0, True)
    code, out, error = said(capsys, *command, "set", "120000", *of, "--reason", "年度[预算]")
    assert code == 0, error
    assert "120000.00 CNY" in out
    assert "年度[预算]" in out
    (budget,) = asked(capsys, *command, "list")
    file = tmp_path / "budgets.csv"
    assert said(capsys, *command, "list", "--csv", str(file), "--language", "en")[0] == 0
    assert budget["id"] in file.read_text(encoding="utf-8-sig")
    assert budget["standing"]["left"] == "120000.00"
    made = asked(capsys, *command, "set", "90000.5", *of, "--reason", "压减")
    assert (made["id"], made["decision"]["number"]) == (budget["id"], 2)
    code, out, _ = said(capsys, *command, "withdraw", *of, "--reason", "误录")
    assert (code, "none" in out) == (0, True)
    code, out, _ = said(capsys, *command, "history", budget["id"])
    assert (code, out.index("误录") < out.index("压减") < out.index("年度[预算]")) == (0, True)
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.officer)
    assert said(capsys, *command, "show", budget["id"])[0] == 0
    code, _, error = said(capsys, *command, "set", "1", *of, "--reason", "x")
    assert (code != 0, error.count("\n")) == (True, 1)


def test_what_is_no_amount_is_told_in_one_line(
    office: Office, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.finance)
    of = ("--department", "dep_exam", "--year", "2026", "--reason", "x")
    for amount in ("much", "1.005", "1e3"):
        code, _, error = said(capsys, "billing", "budget", "set", amount, *of)
        assert (code, error.count("\n")) == (2, 1), error
    code, _, error = said(capsys, "billing", "budget", "show", "bud_none")
    assert (code, "bud_none" in error) == (3, True)
