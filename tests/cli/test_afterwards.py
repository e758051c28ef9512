"""``cloudmgr window afterwards``, as an officer types it."""

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


def test_a_peak_that_is_over_is_looked_back_on(
    office: Office, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.officer)
    hosted(office, ["portal"])
    now = office.plane.clock.now()
    with office.plane.database.write() as tx:
        for key, ago in (("win_over", 3), ("win_now", 0)):
            start = now - ago * HOUR
            made = a_window(start, start + HOUR, id=key, environment_id="env_portal")
            office.plane.stores.scaling.windows.add(tx, made)
    told = asked(capsys, "window", "afterwards", "win_over")
    assert (told["promised"], told["least"], told["minutes_early"]) == (6, 0, None)
    code, out, _ = said(capsys, "window", "afterwards", "win_over")
    assert code == 0
    assert "never all there" in " ".join(out.split())
    code, _, error = said(capsys, "window", "afterwards", "win_now")
    assert code != 0
    assert "it ends at" in error
