"""What a report and a dividend come to, as pictures: bars, the largest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmgr.billing.reports import Grouping
from cloudmgr.portal.charts import ACCENT, drawn, styled

if TYPE_CHECKING:
    from cloudmgr.billing.dividend import Dividend
    from cloudmgr.billing.reports import Report
    from cloudmgr.portal.charts import Chart
    from cloudmgr.portal.view import View

MOST_BARS = 20


def shares_chart(view: View, found: Report) -> Chart | None:
    """None where nothing cost anything."""
    shown = [row for row in found.rows if row.amount or found.by is Grouping.MONTH]
    if not found.total or not shown:
        return None
    most = max(shown, key=lambda row: row.amount)
    money = view.formats.money
    title = view._(
        "%(name)s cost most: %(amount)s of %(total)s (%(share)s)",
        name=view.pick(most.label.zh, most.label.en),
        amount=money(most.amount, found.currency),
        total=money(found.total, found.currency),
        share=view.formats.percent(float(most.amount / found.total)),
    )
    if len(shown) > MOST_BARS:
        title += view._(" (the %(count)s largest)", count=MOST_BARS)
        shown = shown[-MOST_BARS:] if found.by is Grouping.MONTH else shown[:MOST_BARS]
    values = [
        {
            "name": view.pick(row.label.zh, row.label.en),
            # For the height of a bar only; what is said is exact.
            "amount": float(row.amount),
            "said": str(money(row.amount, found.currency)),
        }
        for row in shown
    ]
    return drawn(title, _spec(view, values, found.currency))


def _spec(view: View, values: list[dict[str, Any]], currency: str) -> dict[str, Any]:
    import altair as alt  # noqa: PLC0415 - imported when the first chart is drawn

    names = [value["name"] for value in values]
    bars = (
        alt.Chart({"values": values})
        .mark_bar(color=ACCENT, height=16, cornerRadiusEnd=2)
        .encode(
            x=alt.X("amount:Q", title=view._("Amount (%(currency)s)", currency=currency)),
            y=alt.Y("name:N", title=None, sort=names, axis=alt.Axis(labelLimit=260)),
            tooltip=[
                alt.Tooltip("name:N", title=view._("Name")),
                alt.Tooltip("said:N", title=view._("Amount")),
            ],
        )
    )
    return styled(bars.properties(width=640, height=max(60, 26 * len(names))))


def dividend_chart(view: View, found: Dividend) -> Chart | None:
    """Two bars for each system: alone, and pooled. None where nothing would have cost anything."""
    share = found.percent_saved
    if share is None:
        return None
    money = view.formats.money
    title = (
        view._(
            "Pooling saved %(saved)s of %(alone)s (%(share)s %%)",
            saved=money(found.saved, found.currency),
            alone=money(found.alone, found.currency),
            share=share,
        )
        if found.saved >= 0
        else view._(
            "Pooled, it cost %(more)s more than alone", more=money(-found.saved, found.currency)
        )
    )
    if len(found.systems) > MOST_BARS:
        title += view._(" (the %(count)s largest)", count=MOST_BARS)
    values = [
        {
            "name": view.pick(one.system.zh, one.system.en),
            "how": how,
            "amount": float(amount),  # for the length of a bar only; what is said is exact
            "said": str(money(amount, found.currency)),
        }
        for one in found.systems[:MOST_BARS]
        for how, amount in (
            (view._("Alone, at its own peak"), one.alone),
            (view._("Pooled"), one.pooled),
        )
    ]
    return drawn(title, _pairs(view, values, found.currency))


def _pairs(view: View, values: list[dict[str, Any]], currency: str) -> dict[str, Any]:
    import altair as alt  # noqa: PLC0415 - imported when the first chart is drawn

    names = list(dict.fromkeys(value["name"] for value in values))
    ways = list(dict.fromkeys(value["how"] for value in values))
    bars = (
        alt.Chart({"values": values})
        .mark_bar(cornerRadiusEnd=2)
        .encode(
            x=alt.X("amount:Q", title=view._("Amount (%(currency)s)", currency=currency)),
            y=alt.Y("name:N", title=None, sort=names, axis=alt.Axis(labelLimit=260)),
            yOffset=alt.YOffset("how:N", sort=ways),
            color=alt.Color(
                "how:N",
                title=None,
                sort=ways,
                scale=alt.Scale(domain=ways, range=["#8b96a3", ACCENT]),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=[
                alt.Tooltip("name:N", title=view._("System")),
                alt.Tooltip("how:N", title=view._("How")),
                alt.Tooltip("said:N", title=view._("Amount")),
            ],
        )
    )
    return styled(bars.properties(width=640, height=max(80, 44 * len(names))))
