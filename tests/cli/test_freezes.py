"""``cloudmgr env freeze``, as an officer and an operator type it."""

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


def test_a_freeze_is_told_and_an_officer_cannot_lift_it(
    office: Office, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.officer)
    hosted(office, ["portal"])
    code, out, _ = said(capsys, "env", "freeze", "env_portal")
    assert (code, "not frozen" in out) == (0, True)
    start = office.plane.clock.now() + HOUR
    with office.plane.database.write() as tx:
        window = a_window(start, start + HOUR, environment_id="env_portal")
        office.plane.stores.scaling.windows.add(tx, window)
    assert asked(capsys, "env", "freeze", "env_portal")["frozen"] is True
    for words, why in (
        (("--lift",), "--reason"),
        (("--lift", "--restore", "--reason", "x"), "either"),
        (("--lift", "--reason", "x"), "none of your roles"),
    ):
        code, _, error = said(capsys, "env", "freeze", "env_portal", *words)
        assert code != 0
        assert why in error
