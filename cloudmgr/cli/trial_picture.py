"""A trial as a picture: what was asked for, what ours and the rule had for it, and the windows."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import vl_convert

from cloudmgr.portal.charts import ACCENT, styled
from cloudmgr.scaling.backtest.trial import OURS, RULE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from cloudmgr.scaling.backtest.trial import Trial
    from cloudmgr.scaling.forecast.demand import Floats

_DEMAND, _PEAK, _RULE = "#5f6b78", "#f6d38b", "#c2571a"
_MOST_POINTS = 1_200


def picture(trials: Sequence[Trial], zone: ZoneInfo, *, png: bool) -> bytes:
    """One below the other, over the part that is judged; the bytes of an SVG, or of a PNG."""
    # The y axis of each is its own: series differ by orders of magnitude.
    spec = styled(alt.vconcat(*(_one(trial, zone) for trial in trials)))
    if png:
        made: bytes = vl_convert.vegalite_to_png(spec, scale=2, allowed_base_urls=[])
        return made
    return vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]).encode()


def _one(trial: Trial, zone: ZoneInfo) -> Any:
    shown = {
        "demand": np.where(trial.course.measured, trial.course.demand, np.nan),
        RULE: trial.course.serving(trial.line(RULE).capacity),
        OURS: trial.course.serving(trial.line(OURS).capacity),
    }
    values = [
        {"what": what, "at": at, "value": value}
        for what, series in shown.items()
        for at, value in _points(trial, series, zone)
    ]
    ours, rule = trial.line(OURS).scored, trial.line(RULE).scored
    title = (
        f"{trial.demand.series_id or 'demand'}: {OURS} pays {ours.paid / rule.paid:.0%} of what "
        f"{RULE} pays; {ours.unmet:.2%} unmet, {RULE} {rule.unmet:.2%}"
    )
    lines = (
        alt.Chart({"values": values})
        .mark_line(interpolate="step-after", strokeWidth=1.2)
        .encode(
            x=alt.X("at:T", title=f"time ({zone.key})", axis=alt.Axis(format="%m-%d")),
            y=alt.Y("value:Q", title="demand, and capacity that serves"),
            color=alt.Color(
                "what:N",
                title=None,
                scale=alt.Scale(domain=[*shown], range=[_DEMAND, _RULE, ACCENT]),
                legend=alt.Legend(orient="top"),
            ),
        )
    )
    begin = trial.scored.start
    windows = [
        {"from": _local(trial, max(first, begin), zone), "to": _local(trial, end, zone)}
        for first, end in trial.windows
        if end > begin
    ]
    behind = (
        alt.Chart({"values": windows})
        .mark_rect(color=_PEAK, opacity=0.6)
        .encode(x="from:T", x2="to:T")
    )
    layers = [behind, lines] if windows else [lines]
    return alt.layer(*layers).properties(width=900, height=200, title=title)


def _points(trial: Trial, series: Floats, zone: ZoneInfo) -> list[tuple[str, float | None]]:
    """At most so many; of steps that share one, the highest."""
    by = max(1, -(-(trial.scored.stop - trial.scored.start) // _MOST_POINTS))
    found = []
    for first in range(trial.scored.start, trial.scored.stop, by):
        part = series[first : min(first + by, trial.scored.stop)]
        known = part[~np.isnan(part)]
        found.append((_local(trial, first, zone), float(known.max()) if len(known) else None))
    return found


def _local(trial: Trial, step: int, zone: ZoneInfo) -> str:
    moment: datetime = trial.demand.start + step * trial.demand.step
    return f"{moment.astimezone(zone):%Y-%m-%dT%H:%M:%S}"
