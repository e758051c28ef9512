"""A year of promises of 1,000 environments on one pool, checked for conflicts.

Pure computing, without a database: what is measured is the ledger of a pool.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from cloudmgr.clock import SystemClock
from cloudmgr.hosting.environments import Criticality
from cloudmgr.interval import Interval
from cloudmgr.planning.holders import Holder, Part, Promise
from cloudmgr.planning.hosts import Failure, Hosts
from cloudmgr.planning.promises import Ledger
from cloudmgr.planning.scenario import Scenario, foresee
from cloudmgr.pools.capacity import Capacity, Host, Resources

ENVIRONMENTS, EACH = 1_000, 12
LENGTHS = (3, 8, 24, 72, 24 * 7, 24 * 25)
NOW = datetime(2027, 1, 1, tzinfo=UTC)
ONE = Resources(1_000, 1_024)
EACH_HOST = 20
GOAL = 10.0


def a_year(seed: int) -> tuple[dict[str, Holder], tuple[Promise, ...]]:
    """Environments of all criticalities, a quarter never asleep, and their peaks of one year."""
    chance = random.Random(seed)  # noqa: S311 - the same year each time
    holders = {
        f"env_{n}": Holder(
            f"env_{n}",
            f"sys_{n}",
            f"dep_{n}",
            Criticality(1 + n % 4),
            {"web": Part(ONE, 1, 20)},
            sleeps=n % 4 != 0,
        )
        for n in range(ENVIRONMENTS)
    }
    promises = []
    for n in range(ENVIRONMENTS):
        for k in range(EACH):
            start = NOW + timedelta(hours=chance.random() * 8_760)
            interval = Interval(start, start + timedelta(hours=chance.choice(LENGTHS)))
            promises.append(
                Promise(f"{n}-{k}", f"env_{n}", "web", interval, chance.randint(2, 20), NOW)
            )
    return holders, tuple(promises)


def main() -> None:
    """Print how long it takes in pools of several sizes."""
    clock = SystemClock()
    holders, promises = a_year(1)
    print(f"{len(holders):,} environments, {len(promises):,} promises of a year; goal {GOAL:g} s")
    print("replicas there  checked, s  at risk  one more asked, s  what if, s  hosts needed")
    for room in (3_000, 2_000, 1_500, 1_000):
        began = clock.monotonic()
        ledger = Ledger(ONE.times(room), holders, promises)
        risk = ledger.risk(NOW)
        checked = clock.monotonic() - began
        began = clock.monotonic()
        start = NOW + timedelta(days=180)
        ledger.ask(
            Promise("new", "env_1", "web", Interval(start, start + timedelta(days=2)), 20, NOW), NOW
        )
        asked = clock.monotonic() - began
        began = clock.monotonic()
        hosts = tuple(Host(f"{n}", ONE.times(EACH_HOST)) for n in range(room // EACH_HOST + 1))
        year = Interval(NOW, NOW + timedelta(days=365))
        away = Failure(Interval(start, start + timedelta(days=2)), 2)
        found = foresee(ledger, Hosts(Capacity(hosts, spare=1)), Scenario(year, 0, (away,)))
        supposed = clock.monotonic() - began
        missed = "  MISSED" if max(checked, supposed) > GOAL else ""
        print(
            f"{room:>14,}  {checked:>10.2f}  {len(risk.lost):>7,}  {asked:>17.3f}  "
            f"{supposed:>10.2f}  {found.least:>12,}{missed}"
        )


if __name__ == "__main__":
    main()
