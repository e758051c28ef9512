"""``cloudmgr window readiness`` and ``check-readiness``, as an officer types them."""

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


def test_a_peak_is_looked_at_and_what_was_seen_is_shown(
    office: Office, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.officer)
    hosted(office, ["portal"])
    now = office.plane.clock.now()
    with office.plane.database.write() as tx:
        for key, ahead in (("win_soon", 9), ("win_now", 0)):
            start = now + timedelta(days=ahead)
            made = a_window(
                start, start + timedelta(hours=1), id=key, environment_id="env_portal", replicas=2
            )
            office.plane.stores.scaling.windows.add(tx, made)
    code, _, told = said(capsys, "window", "readiness", "win_soon")
    assert code == 0
    assert "not looked at yet" in " ".join(told.split())
    assert "looked at next at" in told
    code, out, told = said(capsys, "window", "check-readiness", "win_soon")
    assert code == 0, told
    for word in ("capacity", "health", "images", "lead", "budget", "not-known"):
        assert word in out
    assert "can keep the promise of 2 replicas" in " ".join(out.split())
    found = asked(capsys, "window", "readiness", "win_soon")
    assert [one["moment"] for one in found["items"]] == ["asked"]
    assert asked(capsys, "window", "check-readiness", "win_soon")["moment"] == "asked"
    code, out, _ = said(capsys, "window", "readiness", "win_soon")
    assert code == 0
    assert "it runs commands" in " ".join(out.split())
    code, _, error = said(capsys, "window", "check-readiness", "win_now")
    assert code != 0
    assert "has begun" in error
