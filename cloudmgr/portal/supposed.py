"""A pool's calendar over a span as a picture: what is held, what is promised, what there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmgr.portal.charts import ACCENT, drawn, styled

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from cloudmgr.api.routes.simulation import PointView, ResourcesView, SimulationView
    from cloudmgr.portal.charts import Chart
    from cloudmgr.portal.view import View

_HELD, _MISSING, _AWAY, _ROOM = "#8b96a3", "#b3261e", "#f6d38b", "#1d2733"


@dataclass(frozen=True, slots=True)
class Words:
    """What stands in the picture, in the reader's language."""

    time: str
    cores: str
    gib: str
    held: str
    promised: str
    missing: str
    away: str
    room: str


ENGLISH = Words(
    "time",
    "processors (cores)",
    "memory (GiB)",
    "held outside peaks",
    "promised",
    "missing",
    "hosts that fail",
    "what there is",
)


def supposed_chart(view: View, found: SimulationView) -> Chart:
    """The picture with the finding as its title."""
    words = Words(
        time=view._("Time (%(zone)s)", zone=view.formats.zone.key),
        cores=view._("Processors (cores)"),
        gib=view._("Memory (GiB)"),
        held=view._("Held outside peaks"),
        promised=view._("Promised"),
        missing=view._("Missing"),
        away=view._("Hosts that fail"),
        room=view._("What there is"),
    )
    return drawn(view.pick(found.zh, found.en), spec(found, words, view.formats.zone))


def spec(found: SimulationView, words: Words, zone: ZoneInfo, *, title: str = "") -> dict[str, Any]:
    """A Vega-Lite spec of what is scarcer when it is tightest, processors or memory."""
    import altair as alt  # noqa: PLC0415 - imported when the first chart is drawn

    cpu = _share(found.tightest, "cpu_millis") >= _share(found.tightest, "memory_mib")
    name, unit = ("cpu_millis", 1_000) if cpu else ("memory_mib", 1_024)

    def amount(of: ResourcesView) -> float:
        return float(getattr(of, name)) / unit

    def local(moment: datetime) -> str:
        return f"{moment.astimezone(zone):%Y-%m-%dT%H:%M:%S}"

    held = amount(found.held)
    most = max(amount(point.room) for point in found.points)
    parts: list[dict[str, Any]] = []
    rooms: list[dict[str, Any]] = []
    last = found.points[-1]
    for at, point in [*((p.at, p) for p in found.points), (found.ends_at, last)]:
        asked, room = amount(point.asked), amount(point.room)
        for what, low, high in (
            # Only the part that others do not cover: the picture is read from the bottom up.
            (words.away, max(room, asked), most),
            (words.held, 0.0, held),
            (words.promised, held, max(held, min(asked, room))),
            (words.missing, max(room, held) if asked > room else asked, asked),
        ):
            parts.append({"what": what, "at": local(at), "low": low, "high": max(low, high)})
        rooms.append({"at": local(at), "room": room})
    time = alt.X("at:T", title=words.time, axis=alt.Axis(format="%m-%d", labelAngle=0))
    areas = (
        alt.Chart({"values": parts})
        .mark_area(interpolate="step-after", opacity=0.85, line=False)
        .encode(
            x=time,
            y=alt.Y("high:Q", title=words.cores if cpu else words.gib, stack=None),
            y2="low:Q",
            color=alt.Color(
                "what:N",
                title=None,
                scale=alt.Scale(
                    domain=[words.held, words.promised, words.missing, words.away],
                    range=[_HELD, ACCENT, _MISSING, _AWAY],
                ),
                legend=alt.Legend(orient="top"),
            ),
        )
    )
    line = (
        alt.Chart({"values": rooms})
        .mark_line(interpolate="step-after", color=_ROOM, strokeWidth=2)
        .encode(x=time, y="room:Q", tooltip=[alt.Tooltip("room:Q", title=words.room)])
    )
    layers = alt.layer(areas, line).properties(width=760, height=240)
    return styled(layers.properties(title=title) if title else layers)


def _share(point: PointView, name: str) -> float:
    return float(getattr(point.asked, name)) / max(1.0, float(getattr(point.room, name)))
