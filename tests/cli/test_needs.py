"""``cloudmgr env needs``, as an officer types it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.builders import an_environment
from tests.cli.office import Office, said
from tests.cli.test_verbs import asked

if TYPE_CHECKING:
    from collections.abc import Sequence

Capture = pytest.CaptureFixture[str]


def hosted(office: Office, names: Sequence[str]) -> None:
    with office.plane.database.write() as tx:
        for name in names:
            made = an_environment(
                id=f"env_{name}", name=name, host=f"{name}.localhost", pool_id="pool_outer"
            )
            office.plane.stores.environments.add(tx, made)


def test_what_an_environment_needs_is_said_shown_and_taken_back(
    office: Office, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.officer)
    hosted(office, ["portal", "registry", "store"])
    needs = ("env", "needs", "env_portal")
    assert "needs nothing" in said(capsys, *needs)[1]
    told = asked(capsys, *needs, "--add", "env_registry", "--add", "env_store", "--reason", "查")
    assert [one["environment_id"] for one in told["needs"]] == ["env_registry", "env_store"]
    told = asked(capsys, *needs, "--drop", "env_store", "--reason", "不查")
    assert [one["environment_id"] for one in told["needs"]] == ["env_registry"]
    code, out, _ = said(capsys, "env", "needs", "env_registry")
    assert code == 0
    assert "is needed by" in out
    assert "env_portal" in out


def test_a_circle_is_one_line_and_so_is_a_missing_reason(
    office: Office, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.officer)
    hosted(office, ["portal", "registry"])
    asked(capsys, "env", "needs", "env_portal", "--add", "env_registry", "--reason", "查")
    back = ("env", "needs", "env_registry", "--add", "env_portal")
    code, _, error = said(capsys, *back)
    assert code != 0
    assert "--reason" in error
    code, _, error = said(capsys, *back, "--reason", "反过来")
    assert code != 0
    assert "in a circle" in error


def test_a_test_wake_is_asked_for_and_listed(
    office: Office, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.officer)
    hosted(office, ["portal"])
    code, _, error = said(capsys, "env", "test-wake", "env_portal")
    assert code != 0
    assert "nothing to try" in error
    asked(capsys, "env", "hibernate", "env_portal", "--reason", "夜")
    told = asked(capsys, "env", "test-wake", "env_portal", "--reason", "检查")
    assert told["target"] == {"web": 1}
    assert "test" in said(capsys, "env", "wakes", "env_portal")[1]
    assert said(capsys, "env", "sleep", "env_portal")[1].count("free") == 1
