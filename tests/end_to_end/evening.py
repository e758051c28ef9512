"""What is replayed: an evening of the World Cup of 1998, and ten small systems. Pure but for files.

It is the evening of the second semi-final, Wednesday 8 July 1998, by the clock of Paris, where five
times as many came within two hours; it is replayed on the same day of 2026, a Wednesday too. The
ten are what was said of ten companies on an evening of 2015, by the clock of New York.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from cloudmgr.cli.demo.traces import Trace, arrivals
from cloudmgr.interval import Interval
from cloudmgr.scaling import icalendars
from cloudmgr.scaling.forecast.histories import read

DATA = Path(__file__).parents[2] / "bench" / "data"
CITY = ZoneInfo("Asia/Shanghai")
SPAN = timedelta(hours=3, minutes=40)
BEGINS = datetime(2026, 7, 8, 19, 55, tzinfo=CITY)
ENDS = BEGINS + SPAN
# At most: a second of the machine is three minutes of the evening, which takes 73 seconds.
SPEED = 180.0
# 20 seconds of the machine, whatever else runs there. The policy that comes along has half of it.
LEAD = timedelta(hours=1)

# Requests a second of the machine in the busiest minutes; a replica carries five.
TOP_RATE = 20.0
COUNTERS, SERVICE_SECONDS = 5, 1.0
# Of the evening: three seconds of the machine at the usual speed.
STARTUP = timedelta(minutes=9)
PROMISED, CEILING = 6, 8
# So many small systems, and requests of each in the whole evening: so few that it sleeps between.
SMALL, SMALL_REQUESTS = 10, 12

_USUAL_STARTUP = 10.0
_THEN = datetime(1998, 7, 8, 19, 55, tzinfo=ZoneInfo("Europe/Paris"))
_SMALL_THEN = datetime(2015, 4, 8, 19, 55, tzinfo=ZoneInfo("America/New_York"))


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who comes to one system: one request is replayed for ``per`` of the trace."""

    trace: Trace
    per: float

    def moments(self) -> list[datetime]:
        """When they come, in order; the same each time."""
        seconds = arrivals(self.trace, self.per, self.trace.name, 0, SPAN.total_seconds())
        return [(BEGINS + timedelta(seconds=second)).astimezone(UTC) for second in seconds]


def match() -> Interval:
    """What the calendar of 1998 announces for the evening, on the day that it is replayed."""
    known = icalendars.read(
        (DATA / "worldcup98_matches.ics").read_text(encoding="utf-8"),
        Interval(_THEN, _THEN + SPAN),
        CITY,
    )
    (announced,) = {event.interval for event in known}
    moved = BEGINS - _THEN
    return Interval(announced.start + moved, announced.end + moved)


def crowd(speed: float) -> Crowd:
    """Those who came to the site of the World Cup; as many a second however fast it goes by."""
    (trace,) = _cut("worldcup98_requests_1min.parquet", _THEN)
    return Crowd(trace, trace.peak_rate() * speed / TOP_RATE)


def speed(startup: float) -> float:
    """How fast the evening goes by where a control plane takes ``startup`` seconds to start.

    A machine that is busy with other things is given more time, up to three times as much.
    """
    return SPEED / min(max(startup / _USUAL_STARTUP, 1.0), 3.0)


def small_crowds() -> list[Crowd]:
    """Those who come to ten small systems."""
    found = _cut("nab_twitter_volume_5min.parquet", _SMALL_THEN)
    return [Crowd(trace, trace.total / SMALL_REQUESTS) for trace in found]


def _cut(name: str, begins: datetime) -> list[Trace]:
    """Each series of a file for as long as the evening lasts, as counts of its steps."""
    made = []
    for series in read(DATA / name, ZoneInfo("UTC")):
        first = (begins - series.start) // series.step
        values = series.filled[first : first + SPAN // series.step]
        # The reader gives the mean of the file's own steps: of minutes here, of the steps there.
        each = 5 if name.endswith("_1min.parquet") else 1
        counts = tuple(int(value) for value in np.rint(values * each))
        made.append(Trace(series.series_id, name, int(series.step.total_seconds()), counts))
    return made
