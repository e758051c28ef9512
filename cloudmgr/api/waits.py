"""What a wake waits for, and how its pool is, as the API tells it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from cloudmgr.api.values import View, example
from cloudmgr.scaling.line import WaitsFor

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.api.services import Services
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.scaling.line import Turn

WAIT: dict[str, Any] = {
    "waits_for": "turn",
    "place": 3,
    "of": 12,
    "waking": 20,
    "at_once": 20,
    "needs": [],
    "until": None,
    "zh": "排队等待唤醒，第 3/12 位；20 个正在唤醒，最多同时 20 个",
    "en": "waits for its turn, place 3/12; 20 wake, 20 may at once",
}


class PoolState(StrEnum):
    """Whether an environment finds room."""

    FREE = "free"
    FULL = "full"
    UNREACHABLE = "unreachable"


class WaitView(View):
    """A wake that was called for and has not begun: it is kept, and begins as soon as it can."""

    model_config = example(**WAIT)

    waits_for: WaitsFor = Field(
        description="Its turn, what it needs (to be ready), or room in its pool."
    )
    place: int = Field(description="1 for the next one; of those that wait on its pool.")
    of: int
    waking: int = Field(description="How many wake there now.")
    at_once: int = Field(description="How many may.")
    needs: list[str] = Field(description="What it needs, and what is not up.")
    until: datetime | None = Field(description="It no longer waits for that from then on.")
    zh: str
    en: str

    @classmethod
    def of_turn(cls, turn: Turn) -> Self | None:
        """None for one that waits for nothing."""
        if turn.waits is None:
            return None
        zh, en = turn.words
        return cls(
            waits_for=turn.waits,
            place=turn.place,
            of=turn.of,
            waking=turn.waking,
            at_once=turn.at_once,
            needs=list(turn.needs),
            until=turn.until,
            zh=zh,
            en=en,
        )


def pool_state(services: Services, tx: Connection, environment: Environment) -> PoolState:
    """Whether its pool has room for one replica of what has to run first."""
    view = services.city.view(tx, services.pools.get(tx, environment.pool_id))
    if not view.capacity.hosts:
        return PoolState.UNREACHABLE
    size = view.room.sizes.takes(environment.first.size)
    return PoolState.FREE if size.copies_in(view.room.left) else PoolState.FULL
