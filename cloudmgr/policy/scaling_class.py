"""How an environment is scaled: chosen by rule when it is approved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class ScalingClass:
    """The numbers that the autoscaler and hibernation work with.

    :param lead_time: capacity is there this long before a peak window opens.
    :param idle_after: hibernates after this long without a request; None means never.
    :param target_in_flight: requests in flight that one replica carries comfortably.
    :param scale_down_after: fewer replicas only after this long of lower demand.
    :param wake_replicas: how many replicas of each component start when it wakes.
    :param reserve: room for a peak is held this long before its lead time begins.
    :param elastic: the pool's own autoscaler follows the load; windows and sleep stay ours.
    :param corrects_drift: what others change in the pool is written again, not left and told.
    """

    name: str
    lead_time: timedelta
    idle_after: timedelta | None
    target_in_flight: Decimal
    scale_down_after: timedelta
    wake_replicas: int = 1
    reserve: timedelta = timedelta()
    elastic: bool = False
    corrects_drift: bool = True
    zh: str = ""
    en: str = ""
