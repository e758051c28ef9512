"""Whoever visits the systems on one day: the schedule, and the process that follows it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING

from cloudmgr.cli.demo.city import moment, thinning
from cloudmgr.cli.demo.load.schedule import (
    Act,
    Arrival,
    Outcome,
    read_outcomes,
    write_arrivals,
)
from cloudmgr.cli.demo.traces import DAY_SECONDS, arrivals, read_traces

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cloudmgr.cli.demo.founding import Hosted
    from cloudmgr.cli.demo.stage import Ports
    from cloudmgr.cli.demo.timeline import Timeline

# How many of a hundred do what.
_MIX = {Act.PAGE: 50, Act.STATUS: 20, Act.FILE: 12, Act.FORM: 10, Act.LOOK_UP: 8}
_WITHIN = 60.0


def schedule(
    hosted: Iterable[Hosted],
    timeline: Timeline,
    ports: Ports,
    since: float,
    until: float,
    day: int = 0,
) -> list[Arrival]:
    """Everything that is sent on the ``day``-th day, in order.

    :param since: seconds of the day, as ``until``, which is not included.
    """
    traces = read_traces()
    found: list[Arrival] = []
    for one in hosted:
        plan = one.plan
        chance = random.Random(f"{plan.code} acts {day}")  # noqa: S311 - a schedule, not a secret
        times = arrivals(
            traces[plan.trace],
            thinning(plan, timeline.speed),
            f"{plan.code} {day}",
            since,
            until,
        )
        found.extend(
            Arrival(
                timeline.machine(moment(second + day * DAY_SECONDS)),
                plan.code,
                ports.gateway(plan.zone),
                one.host,
                _act(chance),
            )
            for second in times
        )
    return sorted(found, key=lambda arrival: arrival.due)


class Visitors:
    """The load tool in a process of its own, which ends by itself when the schedule is done.

    :param users: how many may wait for an answer at once before the next come too late.
    """

    def __init__(
        self, planned: list[Arrival], directory: Path, name: str, state: Path, users: int = 100
    ) -> None:
        self.planned = len(planned)
        self.outcomes_file = directory / f"outcomes-{name}.csv"
        self._log = directory / f"visitors-{name}.log"
        arrivals_file = directory / f"arrivals-{name}.csv"
        write_arrivals(arrivals_file, planned)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [
                    sys.executable,
                    "-m",
                    "cloudmgr.cli.demo.load",
                    str(arrivals_file),
                    str(self.outcomes_file),
                    "--users",
                    str(users),
                ],
                # By this the stage finds it, should the demo itself be killed.
                env={**os.environ, "DEMO_STATE_DIR": str(state)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def outcomes(self) -> list[Outcome]:
        """What came of the visits so far."""
        if not self.outcomes_file.exists():
            return []
        return list(read_outcomes(self.outcomes_file))

    def last_words(self) -> str:
        """The end of what the load tool said."""
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-8:])

    def stop(self) -> None:
        """Let nobody else come."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_WITHIN / 4)
            self._process.kill()
            self._process.wait()


def _act(chance: random.Random) -> Act:
    drawn = chance.random() * 100
    return next(
        act for act, below in zip(_MIX, accumulate(_MIX.values()), strict=True) if drawn < below
    )
