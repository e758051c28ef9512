"""What comes round in the city of the API's tests: a series for each department."""

from __future__ import annotations

from datetime import date, time
from typing import TYPE_CHECKING

from cloudmgr.scaling.recurrence import About, Hours, Recurrence, Yearly
from cloudmgr.scaling.series import Change, PeakSeries
from cloudmgr.scaling.series_dates import written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from cloudmgr.api.services import Services


def rounds(services: Services, tx: Connection, ids: Mapping[str, str]) -> None:
    """The 24th of June of each year, of which one is left out; the next turn books the others."""
    now = services.clock.now()
    recurrence = Recurrence(Yearly(6, 24), About(), Hours(time(9), time(17)))
    series = PeakSeries(
        id=ids["series_id"],
        environment_id=ids["environment_id"],
        component="web",
        rule=written(recurrence),
        replicas=2,
        note="年报",
        created_by="usr_officer",
        created_at=now,
        request_id=ids["request_id"],
    )
    left_out = Change(date(2027, 6, 24), "usr_officer", now, "停电")
    services.series_store.add(tx, series.with_change(left_out))
