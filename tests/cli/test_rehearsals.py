"""``cloudmgr window rehearse``, as an operator types it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.builders import a_window
from tests.cli.office import said
from tests.cli.test_needs import hosted
from tests.cli.test_verbs import asked

if TYPE_CHECKING:
    import pytest

    from tests.cli.office import Office

HOUR = timedelta(hours=1)


def test_a_peak_is_rehearsed_listed_and_stopped(
    office: Office, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.operator)
    hosted(office, ["portal"])
    start = office.plane.clock.now() + 5 * HOUR
    with office.plane.database.write() as tx:
        window = a_window(start, start + HOUR, environment_id="env_portal", replicas=2)
        office.plane.stores.scaling.windows.add(tx, window)
    command = ("window", "rehearse", "win_1", "--reason", "演练", "--minutes", "10")
    code, out, error = said(capsys, *command, "--rate", "5", "--for", "30", "--dry-run")
    assert code == 0, error
    assert "It may begin: 2 replicas." in out
    assert "not rehearsed yet" in said(capsys, "window", "rehearsals", "win_1")[1]
    made = asked(capsys, *command, "--rate", "5", "--for", "30")
    assert made["load"]["per_second"] == 5
    assert "held-by-hand" in said(capsys, *command, "--dry-run")[1]
    asked(capsys, "window", "stop-rehearsal", "win_1", "--reason", "够了")
    office.plane.rehearsing.control.go_on()
    assert "stopped" in said(capsys, "window", "rehearsals", "win_1")[1]


def test_what_policy_does_not_allow_is_one_line(
    office: Office, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.operator)
    hosted(office, ["portal"])
    start = office.plane.clock.now() + 5 * HOUR
    with office.plane.database.write() as tx:
        office.plane.stores.scaling.windows.add(
            tx, a_window(start, start + HOUR, environment_id="env_portal", replicas=2)
        )
    command = ("window", "rehearse", "win_1", "--reason", "演练", "--rate", "999")
    code, _, error = said(capsys, *command)
    assert code == 2
    assert "1 to 50 requests per second" in error
