"""The command line against a real server: the verbs of the API, one line and a status on errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.cli.office import REQUEST, Office, said
from tests.conftest import free_port

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_dry_run_and_a_request_and_what_came_of_it(
    office: Office, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(capsys, "request", "submit", "-f", file, "--dry-run")
    assert code == 0
    assert "outer" in out
    assert "allow" in out
    code, out, _ = said(capsys, "request", "submit", "-f", file, "--json")
    assert code == 0
    request = json.loads(out)
    assert request["state"] == "fulfilled"
    assert said(capsys, "request", "list")[1].count("fulfilled") == 1
    assert "test" in said(capsys, "env", "list")[1]
    code, out, _ = said(
        capsys, "env", "scale", request["environment_id"], "3", "--reason", "演练", "--json"
    )
    assert (code, json.loads(out)["target"]) == (0, {"web": 3})
    assert "3 = manual 3" in said(capsys, "env", "decisions", request["environment_id"])[1]
    code, out, _ = said(
        capsys, "env", "hibernate", request["environment_id"], "--reason", "结束", "--json"
    )
    assert (code, json.loads(out)["state"]) == (0, "hibernated")
    assert office.plane.stores.environments is not None


def test_an_error_is_one_line_with_what_to_do_and_a_status(
    office: Office,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert office.officer
    code, out, error = said(capsys, "env", "show", "env_nobody")
    assert (code, out) == (3, "")
    assert error.startswith("cloudmgr: ")
    assert error.count("\n") == 1
    bad = tmp_path / "bad.yaml"
    bad.write_text("kind: [")
    assert said(capsys, "request", "submit", "-f", str(bad))[0] == 2
    bad.write_text(REQUEST.replace("cpu_millis: 250", "cpu_millis: -1"))
    code, _, error = said(capsys, "request", "submit", "-f", str(bad))
    assert code == 2
    assert "cpu_millis" in error
    code, _, error = said(capsys, "billing", "close", "2026-06", "--yes")
    assert code == 5
    monkeypatch.setenv("CLOUDMGR_TOKEN", "cmt_wrong")
    code, _, error = said(capsys, "env", "list")
    assert code == 5
    assert "CLOUDMGR_TOKEN" in error


def test_a_month_that_is_not_over_is_not_closed(
    office: Office, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.finance)
    month = office.plane.clock.now().strftime("%Y-%m")
    code, out, _ = said(capsys, "billing", "check", month)
    assert code == 1
    assert "not over yet" in out
    code, _, error = said(capsys, "billing", "close", month, "--yes")
    assert (code, error.count("\n")) == (4, 1)
    assert said(capsys, "billing", "invoices")[0] == 0
    assert said(capsys, "billing", "preview", month)[0] == 0


def test_an_operator_sees_the_pools(
    office: Office, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said(capsys, "pool", "list")[0] == 5
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.operator)
    code, out, _ = said(capsys, "pool", "list")
    assert code == 0
    assert "8 cores, 16 GiB" in out
    assert said(capsys, "policy", "show")[0] == 0
    assert said(capsys, "policy", "reload")[0] == 0


def test_where_nobody_answers_it_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", "cmt_any")
    code, _, error = said(capsys, "--url", f"http://127.0.0.1:{free_port()}", "env", "list")
    assert code == 75
    assert "does not answer" in error


def test_the_policies_that_are_shipped_check_well_and_broken_ones_do_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "policy", "check")[0] == 0
    (tmp_path / "admission.yaml").write_text("rules: 5\n")
    code, _, error = said(capsys, "policy", "check", str(tmp_path))
    assert code == 1
    assert "admission.yaml" in error
