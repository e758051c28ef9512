"""What was asked of an environment, and what was learned of it, as the seeded city has it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.scaling.activity import Sample
from cloudmgr.scaling.demand import STEP, Slot, begin
from cloudmgr.scaling.foretold import Figures, Foretold, Lesson

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.api.services import Services


def asked(services: Services, tx: Connection, key: str, now: datetime) -> None:
    """Two steps of demand, and a lesson that tells of 6.5 requests in flight now."""
    services.demand.add(tx, [Slot(key, begin(now) - n * STEP, 60 * n, 900.0 * n) for n in (1, 2)])
    lesson = Lesson(
        environment_id=key,
        learned_at=now,
        family="seasonal",
        numbers=(0.9, 1.0, 1.2),
        floor=0.0,
        startup=timedelta(minutes=10),
        unit=4.0,
        calendar=False,
        figures=Figures(days=28.0, cost=1.25, unmet=0.0004),
    )
    services.forecasts.learn(tx, lesson)
    told = Foretold(key, lesson.family, now + 2 * STEP, (Sample(begin(now), 6.5),))
    services.forecasts.tell(tx, [told])
