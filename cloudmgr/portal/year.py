"""The year of announced peaks as a picture: who is busy when, and when most is promised at once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cloudmgr.portal.charts import ACCENT, drawn, styled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from cloudmgr.portal.charts import Chart
    from cloudmgr.portal.view import View
    from cloudmgr.scaling.windows import PeakWindow

_YEAR = timedelta(days=366)
MOST_ROWS = 40
# A peak of hours is seen on the scale of a year, too.
_SEEN = timedelta(days=2)


def most_at_once(windows: Iterable[PeakWindow]) -> tuple[int, datetime] | None:
    """The largest sum of replicas that windows ask for at one moment, and the first such moment."""
    steps: dict[datetime, int] = {}
    for window in windows:
        start, end = window.interval.start, window.interval.end
        steps[start] = steps.get(start, 0) + window.replicas
        steps[end] = steps.get(end, 0) - window.replicas
    total, best = 0, None
    for moment in sorted(steps):
        total += steps[moment]
        if best is None or total > best[0]:
            best = total, moment
    return best


def year_chart(view: View, peaks: Sequence[tuple[str, PeakWindow]]) -> Chart | None:
    """The peaks of the next twelve months, a row for each environment.

    :param peaks: the environment's name with each. None if there are none ahead.
    """
    now = view.formats.now
    ahead = [
        (name, window)
        for name, window in peaks
        if window.cancelled_at is None
        and window.interval.end > now
        and window.interval.start < now + _YEAR
    ]
    highest = most_at_once(window for _, window in ahead)
    if highest is None:
        return None
    names = {name: max(w.replicas for n, w in ahead if n == name) for name, _ in ahead}
    shown = set(sorted(names, key=lambda name: (-names[name], name))[:MOST_ROWS])
    title = view._(
        "At most %(count)s replicas are announced at once in the next twelve months: on %(day)s",
        count=highest[0],
        day=view.formats.day(highest[1]),
    )
    if len(names) > len(shown):
        title += view._(" (the %(count)s environments with the largest peaks)", count=len(shown))
    return drawn(title, _spec(view, [(n, w) for n, w in ahead if n in shown]))


def _spec(view: View, peaks: Sequence[tuple[str, PeakWindow]]) -> dict[str, Any]:
    import altair as alt  # noqa: PLC0415 - imported when the first chart is drawn

    zone = view.formats.zone
    # Of the day: the picture is drawn once as long as nothing changes.
    now = view.formats.now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)

    def local(moment: datetime) -> str:
        return f"{moment.astimezone(zone):%Y-%m-%dT%H:%M:%S}"

    values = [
        {
            "name": name,
            "from": local(max(w.interval.start, now)),
            "seen": local(max(w.interval.end, max(w.interval.start, now) + _SEEN)),
            "to": local(w.interval.end),
            "replicas": w.replicas,
            "component": w.component,
            "note": w.note,
        }
        for name, w in peaks
    ]
    rows = list(dict.fromkeys(str(value["name"]) for value in values))
    time = alt.X(
        "from:T",
        title=view._("Time (%(zone)s)", zone=zone.key),
        scale=alt.Scale(domain=[local(now), local(now + _YEAR)]),
        axis=alt.Axis(format="%Y-%m", labelAngle=0, tickCount="month", labelOverlap=True),
    )
    bars = (
        alt.Chart({"values": values})
        .mark_bar(color=ACCENT, height=14, cornerRadius=2, clip=True)
        .encode(
            x=time,
            x2="seen:T",
            y=alt.Y("name:N", title=None, sort=rows, axis=alt.Axis(labelLimit=220)),
            tooltip=[
                alt.Tooltip("name:N", title=view._("Environment")),
                alt.Tooltip("component:N", title=view._("Component")),
                alt.Tooltip("from:T", title=view._("From"), format="%Y-%m-%d %H:%M"),
                alt.Tooltip("to:T", title=view._("Until"), format="%Y-%m-%d %H:%M"),
                alt.Tooltip("replicas:Q", title=view._("Replicas")),
                alt.Tooltip("note:N", title=view._("Note")),
            ],
        )
    )
    return styled(bars.properties(width=760, height=max(60, 24 * len(rows))))
