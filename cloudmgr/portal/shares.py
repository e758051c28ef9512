"""What a report comes to, as a picture: a bar for each row, the largest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmgr.billing.reports import Grouping
from cloudmgr.portal.charts import ACCENT, drawn, styled

if TYPE_CHECKING:
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
