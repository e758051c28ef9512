"""Charts: one Vega-Lite spec, drawn here as SVG and, where there is script, brought to life.

altair and vl-convert are imported when the first chart is drawn: a control plane that nobody looks
at should stay small.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from markupsafe import Markup

from cloudmgr.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.portal.view import View
    from cloudmgr.scaling.orders import ScalingDecision
    from cloudmgr.scaling.windows import PeakWindow

_FONT = "system-ui, PingFang SC, Microsoft YaHei, Noto Sans CJK SC, sans-serif"
ACCENT = "#0b5cad"
DEMAND = "#2e7d6b"
_PEAK, _CEILING = "#f6d38b", "#5f6b78"
Points: TypeAlias = "Sequence[tuple[datetime, float | None]]"
_KEPT = 64
MOST = 200  # decisions that are drawn
_drawn: OrderedDict[str, str] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Chart:
    """``title`` states the finding; ``spec`` is JSON that is safe inside a script element."""

    title: str
    spec: Markup
    svg: Markup


def replicas_chart(
    view: View,
    environment: Environment,
    decisions: Sequence[ScalingDecision],
    windows: Sequence[PeakWindow],
    demand: Callable[[Interval], Points],
) -> Chart | None:
    """Replicas over time as decided, what was asked for, the ceiling, and peaks behind them.

    :param decisions: the newest first. None without any: there is nothing to draw.
    :param demand: as :func:`cloudmgr.portal.demand.asked` makes it, of the span that is drawn.
    """
    component = (environment.web or environment.components[0]).name
    own = [d for d in reversed(decisions) if d.component == component]
    if not own:
        return None
    zone, now = view.formats.zone, view.formats.now

    def local(moment: datetime) -> str:
        # Wall-clock time without an offset: the axis is the city's, wherever the browser is.
        return f"{moment.astimezone(zone):%Y-%m-%dT%H:%M:%S}"

    # As it was before: since it exists, unless there are more decisions than are drawn.
    first = own[0].at if len(decisions) >= MOST else min(environment.created_at, own[0].at)
    steps: list[dict[str, Any]] = []
    if first < own[0].at:
        steps.append({"at": local(first), "replicas": own[0].before, "why": ""})
    steps += [{"at": local(d.at), "replicas": d.after, "why": view.pick(d.zh, d.en)} for d in own]
    steps.append({"at": local(max(now, own[-1].at)), "replicas": own[-1].after, "why": ""})
    coming = [w.interval.start for w in windows if w.interval.start > now]
    until = max(now, min(coming, default=now))
    peaks = [
        {
            "from": local(max(w.interval.start, first)),
            "to": local(w.interval.end),
            "replicas": w.replicas,
            "note": w.note,
        }
        for w in windows
        if w.component == component and w.interval.start <= until and w.interval.end > first
    ]
    ceiling = next(c.max_replicas for c in environment.components if c.name == component)
    highest = max(int(step["replicas"]) for step in steps)
    title = view._(
        "%(component)s ran up to %(highest)s of %(ceiling)s approved replicas",
        component=component,
        highest=highest,
        ceiling=ceiling,
    )
    came: Points = demand(Interval(first, now)) if first < now and environment.web else []
    asked = [{"at": local(at), "asked": value} for at, value in came]
    return drawn(title, replicas_spec(view, steps, peaks, asked, ceiling))


def replicas_spec(
    view: View,
    steps: list[dict[str, Any]],
    peaks: list[dict[str, Any]],
    asked: list[dict[str, Any]],
    ceiling: int,
) -> dict[str, Any]:
    """:param steps: ``at``, ``replicas`` and ``why`` of each. :param peaks: ``from``, ``to``,
    ``replicas``, ``note``. :param asked: ``at``, and ``asked`` in replicas or None.
    """
    import altair as alt  # noqa: PLC0415 - see the module's docstring

    highest = [one["asked"] for one in asked if one["asked"] is not None]
    y = alt.Y(
        "replicas:Q",
        title=view._("Replicas"),
        scale=alt.Scale(domain=[0, max([ceiling, *highest]) + 0.5]),
        axis=alt.Axis(tickMinStep=1, format="d", tickCount=min(ceiling + 1, 8)),
    )
    time = alt.X(
        "at:T",
        title=view._("Time (%(zone)s)", zone=view.formats.zone.key),
        axis=alt.Axis(format="%m-%d %H:%M", labelAngle=0, labelOverlap=True),
    )
    layers: list[Any] = []
    if peaks:
        layers.append(
            alt.Chart({"values": peaks})
            .mark_rect(color=_PEAK, opacity=0.55)
            .encode(
                x=alt.X("from:T"),
                x2="to:T",
                y=alt.Y("replicas:Q"),
                y2=alt.Y2Datum(0),
                tooltip=[alt.Tooltip("replicas:Q", title=view._("Announced")), "note:N"],
            )
        )
    layers.append(
        alt.Chart({"values": [{"ceiling": ceiling}]})
        .mark_rule(color=_CEILING, strokeDash=[4, 4])
        .encode(y=alt.Y("ceiling:Q"))
    )
    if any(highest):
        # Behind what ran: where it stands above, there was too little.
        layers.append(
            alt.Chart({"values": asked})
            .mark_area(interpolate="step-after", color=DEMAND, opacity=0.35, line={"color": DEMAND})
            .encode(
                x=alt.X("at:T"),
                y=alt.Y("asked:Q"),
                tooltip=[
                    alt.Tooltip("at:T", title=view._("When"), format="%Y-%m-%d %H:%M"),
                    alt.Tooltip("asked:Q", title=view._("Asked for"), format=".1f"),
                ],
            )
        )
    base = alt.Chart({"values": steps}).encode(x=time, y=y)
    layers.append(base.mark_line(interpolate="step-after", color=ACCENT, strokeWidth=2.5))
    layers.append(
        base.mark_point(filled=True, color=ACCENT, size=50).encode(
            tooltip=[
                alt.Tooltip("at:T", title=view._("When"), format="%Y-%m-%d %H:%M"),
                alt.Tooltip("replicas:Q", title=view._("Replicas")),
                alt.Tooltip("why:N", title=view._("Why")),
            ]
        )
    )
    return styled(alt.layer(*layers).properties(width=760, height=220))


def styled(chart: Any) -> dict[str, Any]:
    """The spec of an altair chart, in the portal's look."""
    dressed = (
        chart.configure(font=_FONT, background="#ffffff", padding=12)
        .configure_axis(
            labelColor="#4a5663",
            titleColor="#4a5663",
            gridColor="#e8ebef",
            domainColor="#8b96a3",
            tickColor="#8b96a3",
            titleFontWeight="normal",
            labelFontSize=12,
            titleFontSize=12,
        )
        .configure_view(stroke=None)
    )
    found: dict[str, Any] = dressed.to_dict()
    # It names where its schema is published; nothing is fetched, and nothing foreign is named.
    found.pop("$schema", None)
    return found


def drawn(title: str, spec: dict[str, Any]) -> Chart:
    """The spec with its picture."""
    text = json.dumps(spec, ensure_ascii=False, sort_keys=True)
    # Of our own making: JSON that cannot leave its element, and an SVG in which text is escaped.
    return Chart(title, Markup(_inert(text)), Markup(_svg(text)))  # noqa: S704


def _svg(spec: str) -> str:
    with _lock:
        if spec in _drawn:
            _drawn.move_to_end(spec)
            return _drawn[spec]
        import vl_convert  # noqa: PLC0415 - see the module's docstring

        picture = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
        # Decoration for the image inside a labelled figure: not announced a second time.
        picture = picture.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
        _drawn[spec] = picture
        while len(_drawn) > _KEPT:
            _drawn.popitem(last=False)
        return picture


@cache
def bundle() -> str:
    """Vega-Embed with all that it needs, as one script: made once, which takes some seconds."""
    import vl_convert  # noqa: PLC0415 - see the module's docstring

    # Its stub forgets that the snippet may be left out.
    made: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]
    return made


def _inert(text: str) -> str:
    """JSON that cannot end the script element that it stands in."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
