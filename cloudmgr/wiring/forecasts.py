"""Learns of each environment from its own history, and tells scaling what comes.

Two duties of one control plane. What is told is out of date soon after it stops telling: then
reaction goes on alone. Both work off as much as fits a turn, the oldest first.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.errors import CloudmgrError, NotFound
from cloudmgr.interval import Interval
from cloudmgr.scaling.activity import Sample, remember
from cloudmgr.scaling.demand import EPOCH, KEPT, LOOKS_AHEAD, LOOKS_BACK, STEP, begin
from cloudmgr.scaling.foretold import Foretold
from cloudmgr.scaling.lead import lead, with_lead
from cloudmgr.wiring.duties import Duty

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.hosting.store import EnvironmentStore
    from cloudmgr.policy.scaling_class import ScalingClass
    from cloudmgr.scaling.forecast.demand import Demand
    from cloudmgr.scaling.foretold import Lesson
    from cloudmgr.scaling.scaler import Classes
    from cloudmgr.scaling.store import ScalingStores

log = logging.getLogger(__name__)

# How long a lesson is followed.
_LESSON = timedelta(days=1)
# Elapsed seconds that a turn of learning may take: a sixth of the time between two.
_TURN = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class _History:
    """What is known of one environment, kept from one telling to the next."""

    lesson: Lesson
    demand: Demand
    read_at: datetime


class Forecasts:
    """See above.

    :param scale: has scaling look at an environment.
    """

    def __init__(
        self,
        database: Database,
        environments: EnvironmentStore,
        stores: ScalingStores,
        policy: Callable[[], Classes],
        clock: Clock,
        *,
        zone: ZoneInfo,
        scale: Callable[[str], None],
    ) -> None:
        self._database = database
        self._environments = environments
        self._stores = stores
        self._policy = policy
        self._clock = clock
        self._zone = zone
        self._scale = scale
        self._tried: dict[str, datetime] = {}
        self._histories: dict[str, _History] = {}
        self._told: datetime | None = None

    @property
    def duties(self) -> tuple[Duty, ...]:
        """What is done again and again."""
        # Five times in each step, whatever the speed of the clock.
        often = min(max(self._clock.elapsed(STEP) / 5, 1.0), 60.0)
        return (
            Duty("forecasts", often, self.tell),
            Duty("lessons", 60.0, self.learn),
            Duty("old-demand", 3600.0, self.purge),
        )

    # -------------------------------------------------------------------------------- learning

    def learn(self) -> int:
        """Learn of those whose lesson is older than a day, as far as a turn reaches; how many."""
        began, now = self._clock.monotonic(), self._clock.now()
        with self._database.read() as tx:
            learned = self._stores.forecasts.learned(tx)
            asked = self._stores.activities.asked(tx, now - LOOKS_BACK)
        tried = {
            key: max(self._tried.get(key, EPOCH), learned.get(key, EPOCH))
            for key in {*asked, *learned}
        }
        # A clock that was put back must not stop it.
        due = [key for key, at in tried.items() if not now - _LESSON < at <= now]
        self._tried = {key: at for key, at in self._tried.items() if key in tried}
        count = 0
        for key in sorted(due, key=lambda key: (tried[key], key)):
            if self._clock.monotonic() - began > _TURN:
                break
            self._tried[key] = now
            try:
                count += self._learn(key, now, known=key in learned)
            except CloudmgrError as error:
                log.warning("nothing was learned of %s: %s", key, error)
        return count

    def purge(self) -> None:
        """Forget demand that nobody learns from any more."""
        with self._database.write() as tx:
            self._stores.demand.purge(tx, self._clock.now() - KEPT)

    def _learn(self, key: str, now: datetime, *, known: bool) -> bool:
        over = Interval(begin(now) - LOOKS_BACK, begin(now))
        with self._database.read() as tx:
            environment = self._there(tx, key)
            if environment is None:
                return False
            named, rules = self._class_of(environment), self._policy().lead
            took = self._stores.starts.took(tx, key, rules.newest)
            scaling_class = with_lead(named, lead(took, named.lead_time, rules))
            lesson = None
            if _follows(environment, scaling_class):
                demand = self._demand(tx, environment, over)
                windows = self._windows(tx, environment, over)
                lesson = self._studied(demand, windows, scaling_class, now)
        if lesson is None and not known:
            return False
        with self._database.write() as tx:
            if lesson is None or self._there(tx, key) is None:
                self._stores.forecasts.unlearn(tx, key)
                return False
            self._stores.forecasts.learn(tx, lesson)
        return True

    def _studied(
        self,
        demand: Demand,
        windows: Sequence[Interval],
        scaling_class: ScalingClass,
        now: datetime,
    ) -> Lesson | None:
        # Arrays, and what learns from them, take memory that a city that sleeps need not have.
        from cloudmgr.scaling.backtest.study import study  # noqa: PLC0415
        from cloudmgr.scaling.backtest.trial import Terms  # noqa: PLC0415

        unit = float(scaling_class.target_in_flight)
        terms = Terms(scaling_class.lead_time, self._zone, unit=unit)
        return study(demand.trimmed, terms, windows, now)

    # --------------------------------------------------------------------------------- telling

    def tell(self) -> int:
        """Tell of each environment that is awake what comes, once in each step; of how many."""
        now = self._clock.now()
        step = begin(now)
        if step == self._told:
            return 0
        with self._database.read() as tx:
            learned = self._stores.forecasts.learned(tx)
        self._histories = {k: h for k, h in self._histories.items() if k in learned}
        told = []
        for key, at in learned.items():
            with self._database.read() as tx:
                found = self._tell(tx, key, at, now)
            if found is None:
                self._histories.pop(key, None)
            else:
                told.append(found)
        if told:
            with self._database.write() as tx:
                self._stores.forecasts.tell(tx, told)
        self._told = step
        for one in told:
            self._scale(one.environment_id)
        return len(told)

    def _tell(
        self, tx: Connection, key: str, learned_at: datetime, now: datetime
    ) -> Foretold | None:
        from cloudmgr.scaling.backtest.study import foretell  # noqa: PLC0415 - as above

        environment = self._there(tx, key)
        if environment is None:
            return None
        scaling_class = self._class_of(environment)
        if environment.hibernated or not _follows(environment, scaling_class):
            return None
        step = begin(now)
        over = Interval(step - LOOKS_BACK, step + LOOKS_AHEAD)
        before = self._histories.get(key)
        lesson = before.lesson if before and before.lesson.learned_at == learned_at else None
        lesson = lesson or self._stores.forecasts.lesson(tx, key)
        if lesson is None:
            return None
        demand = self._demand(tx, environment, over, before)
        self._histories[key] = _History(lesson, demand, step)
        windows = self._windows(tx, environment, over)
        coming = foretell(lesson, demand, (step - demand.start) // STEP, self._zone, windows)
        if coming is None:
            return None
        earlier = self._stores.forecasts.told(tx, key)
        recent = remember(
            earlier.recent if earlier else (),
            Sample(step, round(coming, 6)),
            scaling_class.scale_down_after,
        )
        return Foretold(key, lesson.family, step + 2 * STEP, recent)

    # ----------------------------------------------------------------------------- what is known

    def _there(self, tx: Connection, key: str) -> Environment | None:
        try:
            return self._environments.get(tx, key)
        except NotFound:
            return None

    def _demand(
        self,
        tx: Connection,
        environment: Environment,
        over: Interval,
        before: _History | None = None,
    ) -> Demand:
        """Of ``before`` all but its last steps, which were not over when they were read."""
        from cloudmgr.scaling.forecast.recorded import continued, series  # noqa: PLC0415 - as above

        reaches = before is not None and before.demand.start <= over.start < before.read_at
        known = before if reaches else None
        since = max(over.start, known.read_at - 2 * STEP) if known else over.start
        fresh = Interval(since, over.end)
        slots = self._stores.demand.of(tx, environment.id, fresh)
        gaps = self._stores.demand.gaps(tx, environment.zone.value, fresh)
        if environment.created_at > over.start:
            gaps = [*gaps, Interval(over.start, environment.created_at)]
        demand = series(environment.id, over, slots, gaps)
        return continued(known.demand, demand, since) if known else demand

    def _windows(self, tx: Connection, environment: Environment, over: Interval) -> list[Interval]:
        found = self._stores.windows.list(
            tx, environment_ids=[environment.id], during=over, cancelled=False
        )
        web = environment.web
        return [w.interval for w in found if web is not None and w.component == web.name]

    def _class_of(self, environment: Environment) -> ScalingClass:
        policy = self._policy()
        return policy.scaling_classes.get(
            environment.scaling_class, policy.scaling_classes[policy.scaling_default]
        )


def _follows(environment: Environment, scaling_class: ScalingClass) -> bool:
    """Whether requests decide how many replicas it has, so that those to come may."""
    return environment.web is not None and not environment.retiring and not scaling_class.elastic
