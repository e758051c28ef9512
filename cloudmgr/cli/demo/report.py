"""The figures at the end, and the files that a person takes home."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from html import escape
from typing import TYPE_CHECKING

from rich.markup import escape as escaped
from rich.table import Table

from cloudmgr.cli.demo import city
from cloudmgr.cli.demo.figures import percentile, spark
from cloudmgr.cli.demo.money import cents, price

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from rich.console import Console

    from cloudmgr.cli.demo.city import Plan
    from cloudmgr.cli.demo.evidence import Books
    from cloudmgr.cli.demo.figures import Sample, Span, Wake, Window
    from cloudmgr.cli.demo.load.schedule import Outcome
    from cloudmgr.cli.demo.money import Rate
    from cloudmgr.cli.demo.promises import Promise
    from cloudmgr.cli.remote import Json

_COLUMNS = 48


@dataclass(frozen=True, slots=True)
class Line:
    """One system's day. Milliseconds, hours of the business day, exact CNY."""

    plan: Plan
    requests: int
    errors: int
    p50: float | None
    p95: float | None
    peak_p95: float | None
    most: int
    replicas: str
    asleep: float
    wakes: int
    slowest_wake: float | None
    cost: Fraction
    alone: Fraction


def line(
    plan: Plan,
    outcomes: Sequence[Outcome],
    windows: Sequence[Window],
    samples: Sequence[Sample],
    day: Span,
    sleeps: Iterable[Span],
    wakes: Sequence[Wake],
    cost: Fraction,
    alone: Fraction,
) -> Line:
    """The figures of one system; what is given is of this system alone."""
    own = windows if plan.peaks else ()
    peak = [o for o in outcomes if any(o.due in window.span for window in own)]
    quiet = [o for o in outcomes if not any(o.due in window.span for window in own)]
    most = max((s.ready for s in samples), default=0)
    return Line(
        plan,
        len(outcomes),
        sum(o.failed for o in outcomes),
        _milliseconds(quiet, 0.5),
        _milliseconds(quiet, 0.95),
        _milliseconds(peak, 0.95),
        most,
        spark(samples, day, _COLUMNS, city.WINDOW_REPLICAS),
        sum(sleep.business_hours for sleep in sleeps),
        len(wakes),
        max((wake.seconds for wake in wakes), default=None),
        cost,
        alone,
    )


def costs(books: Books, environment_id: str) -> dict[str, Fraction]:
    """What one environment was charged for each meter, exactly."""
    found: dict[str, Fraction] = {}
    for charge in books.charges:
        if charge["environment_id"] == environment_id:
            amount = Fraction(charge["quantity"]) * Fraction(charge["unit_price"])
            meter = charge["meter"]
            found[meter] = found.get(meter, Fraction(0)) + amount / int(charge["priced_per"])
    return found


def alone(
    plan: Plan,
    charged: dict[str, Fraction],
    replicas: int,
    hours: Fraction,
    known: Iterable[Rate],
    at: datetime,
) -> Fraction:
    """What the system would have cost with servers of its own for its peak, held all the time.

    ``replicas`` × size × ``hours`` at the same prices; storage and requests as they were.
    """
    rates = list(known)
    vcpu = Fraction(plan.cpu_millis, 1000) * price(rates, "vcpu", plan.zone, at)
    memory = Fraction(plan.memory_mib, 1024) * price(rates, "memory", plan.zone, at)
    kept = charged.get("storage", Fraction(0)) + charged.get("requests", Fraction(0))
    return (vcpu + memory) * replicas * hours + kept


def show(console: Console, lines: Sequence[Line], promises: Sequence[Promise]) -> None:
    """The tables and the promises, for a person."""
    table = Table(
        title="Systems",
        caption="replicas: · asleep, blank: the control plane was gone; CNY alone: with servers of "
        "its own for its peak, held all the time",
        box=None,
        header_style="bold",
        pad_edge=False,
    )
    table.add_column("system", no_wrap=True)
    for heading in ("visits", "errors", "p50 ms", "p95 ms", "p95 peak"):
        table.add_column(heading, justify="right")
    table.add_column("Ready replicas over the day", no_wrap=True)
    for heading in ("most", "asleep h", "wakes", "worst s", "CNY", "CNY alone"):
        table.add_column(heading, justify="right")
    for one in lines:
        table.add_row(
            one.plan.name_zh,
            f"{one.requests:,}",
            str(one.errors),
            _number(one.p50),
            _number(one.p95),
            _number(one.peak_p95),
            one.replicas,
            str(one.most),
            f"{one.asleep:.1f}",
            str(one.wakes),
            _number(one.slowest_wake, 2),
            str(cents(one.cost)),
            str(cents(one.alone)),
        )
    console.print(table)
    console.print(_departments(lines))
    for promise in promises:
        mark = "[green]kept  [/green]" if promise.kept else "[red]BROKEN[/red]"
        console.print(f"{mark} {promise.sentence}: {escaped(promise.evidence)}", soft_wrap=True)


def write(out: Path, lines: Sequence[Line], promises: Sequence[Promise], books: Books) -> None:
    """Invoices as CSV and HTML, the figures and promises as JSON."""
    folder = out / "invoices"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for invoice in books.invoices:
        name = invoice["number"] or f"preview-{invoice['account_id']}"
        (folder / f"{name}.html").write_text(invoice_page(invoice, books.closed), "utf-8")
        if name in books.csv:
            (folder / f"{name}.csv").write_bytes(books.csv[name])
    figures = [
        {
            "system": one.plan.code,
            "requests": one.requests,
            "errors": one.errors,
            "p50_ms": one.p50,
            "p95_ms": one.p95,
            "peak_p95_ms": one.peak_p95,
            "most_replicas": one.most,
            "asleep_hours": one.asleep,
            "wakes": one.wakes,
            "slowest_wake_seconds": one.slowest_wake,
            "cost_cny": str(cents(one.cost)),
            "alone_cny": str(cents(one.alone)),
        }
        for one in lines
    ]
    kept = [asdict(promise) for promise in promises]
    text = json.dumps({"systems": figures, "promises": kept}, ensure_ascii=False, indent=2)
    (out / "figures.json").write_text(text + "\n", "utf-8")


def invoice_page(invoice: Json, closed: bool) -> str:
    """An invoice that a person can read, in Chinese and English."""
    rows = "".join(
        f"<tr><td>{row['number']}</td><td>{escape(row['environment_zh'])}<br>"
        f"<small>{escape(row['environment_en'])}</small></td>"
        f"<td>{escape(row['meter_zh'])}<br><small>{escape(row['meter_en'])}</small></td>"
        f"<td class=n>{row['displayed_quantity']}</td><td>{escape(row['unit_zh'])}</td>"
        f"<td class=n>{row['unit_price']}</td><td class=n>{row['amount']}</td></tr>"
        for row in invoice["lines"]
    )
    title = f"账单 Invoice {invoice['number']}" if closed else "账单预览 Preview of an invoice"
    currency = escape(invoice["currency"])
    return (
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><main><h1>{escape(title)}</h1>"
        f"<p>{escape(invoice['account_zh'])} · {escape(invoice['account_en'])}<br>"
        f"账期 Billing period {escape(invoice['month'])}</p>"
        "<table><thead><tr><th>#<th>托管环境 Environment<th>计量项 Meter<th class=n>数量 Quantity"
        f"<th>单位 Unit<th class=n>单价 Unit price<th class=n>金额 Amount ({currency})</tr></thead>"
        f"<tbody>{rows}</tbody><tfoot>"
        f"<tr><td colspan=6>舍入差额 Rounding<td class=n>{invoice['rounding']}</tr>"
        f"<tr><th colspan=6>合计 Total<th class=n>{invoice['total']}</tr></tfoot></table></main>"
    )


_STYLE = (
    'body{font:15px/1.6 system-ui,"Noto Sans CJK SC",sans-serif;margin:48px auto;max-width:960px;'
    "padding:0 16px}table{border-collapse:collapse;width:100%}td,th{padding:6px 10px;"
    "border-bottom:1px solid #d0d7de;text-align:left;vertical-align:top}"
    ".n{text-align:right;font-variant-numeric:tabular-nums}small{color:#57606a}"
)


def _departments(lines: Sequence[Line]) -> Table:
    table = Table(title="Departments", box=None, header_style="bold", pad_edge=False)
    table.add_column("department")
    for heading in ("cost CNY", "with own servers CNY", "saved"):
        table.add_column(heading, justify="right")
    everything = [("总计 Total", list(lines))]
    for department in city.DEPARTMENTS:
        own = [one for one in lines if one.plan.department == department.code]
        everything.insert(-1, (f"{department.name_zh} {department.name_en}", own))
    for name, own in everything:
        cost = sum((one.cost for one in own), Fraction(0))
        apart = sum((one.alone for one in own), Fraction(0))
        saved = f"{float(1 - cost / apart) * 100:.0f} %" if apart else "–"
        table.add_row(name, str(cents(cost)), str(cents(apart)), saved)
    return table


def _milliseconds(outcomes: Iterable[Outcome], share: float) -> float | None:
    found = percentile((o.latency for o in outcomes), share)
    return None if found is None else found * 1000


def _number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
