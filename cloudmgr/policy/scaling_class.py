"""How an environment is scaled: chosen by rule when it is approved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import time


@dataclass(frozen=True, slots=True)
class Hours:
    """When environments may not sleep on a day, in the city's time.

    :param earliest_sleep: nobody is put to sleep before.
    :param latest_wake: awake from here on, whether or not anybody asks; earlier than
        ``earliest_sleep``. None: what sleeps may sleep on, and only falling asleep must wait.
    """

    earliest_sleep: time
    latest_wake: time | None = None


@dataclass(frozen=True, slots=True)
class ScalingClass:
    """The numbers that the autoscaler and hibernation work with.

    :param lead_time: capacity is there this long before a peak window opens.
    :param idle_after: hibernates after this long without a request; None means never.
    :param target_in_flight: requests in flight that one replica carries comfortably.
    :param requests_per_user_minute: that someone who uses it makes, where only users are counted.
    :param scale_down_after: fewer replicas only after this long of lower demand.
    :param wake_replicas: how many replicas of each component start when it wakes, and run at least
        while ``workdays`` or ``other_days`` keep it awake.
    :param wake_within: the promise: Ready this long after it was asked to wake. A wake for
        ``latest_wake`` begins so much earlier.
    :param after_needs: what it needs is Ready before it starts itself, unless that takes longer
        than this after its call; 0: they start at the same time.
    :param freeze_before: how long before a peak changes of it are frozen, until the peak is over;
        None: never.
    :param reserve: room for a peak is held this long before its lead time begins.
    :param elastic: the pool's own autoscaler follows the load; windows and sleep stay ours.
    :param corrects_drift: what others change in the pool is written again, not left and told.
    :param workdays: the hours of days that offices work; None: it may sleep at any hour.
    :param other_days: those of all other days.
    """

    name: str
    lead_time: timedelta
    idle_after: timedelta | None
    target_in_flight: Decimal
    scale_down_after: timedelta
    wake_replicas: int = 1
    wake_within: timedelta = timedelta(minutes=3)
    after_needs: timedelta = timedelta(minutes=5)
    freeze_before: timedelta | None = None
    reserve: timedelta = timedelta()
    elastic: bool = False
    corrects_drift: bool = True
    requests_per_user_minute: Decimal = Decimal(6)
    workdays: Hours | None = None
    other_days: Hours | None = None
    zh: str = ""
    en: str = ""

    @property
    def wakes_by_itself(self) -> bool:
        """Whether there are days on which it is awake although nobody asks."""
        return any(h is not None and h.latest_wake for h in (self.workdays, self.other_days))

    def hours(self, *, workday: bool) -> Hours | None:
        return self.workdays if workday else self.other_days
