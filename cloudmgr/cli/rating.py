"""``cloudmgr billing rate`` and ``rating-sql``: what needs no control plane, only the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudmgr.billing.engines.dialects import Dialect, script
from cloudmgr.billing.engines.files import accounts_in, ledger_files
from cloudmgr.billing.engines.inputs import relations
from cloudmgr.billing.prices import Tariff
from cloudmgr.cli.options import Machine
from cloudmgr.cli.scaling import zone_of
from cloudmgr.cli.show import as_json, err, out, rows
from cloudmgr.clock import SystemClock
from cloudmgr.errors import Invalid, Unpriced
from cloudmgr.interval import Interval
from cloudmgr.money import to_cents
from cloudmgr.policy.loading import price_list_in

if TYPE_CHECKING:
    from cloudmgr.billing.engines.inputs import AccountSpan
    from cloudmgr.billing.engines.totals import Totals

_PRICES = typer.Option(help="A price list, as policies/prices.yaml.")
_ACCOUNTS = typer.Option(
    help="CSV with department_id, account_id, valid_from; else each department pays for itself."
)
_ZONE = typer.Option(help="The city's: its months are the billing months.")
# Months before it have no usage.
_FIRST = datetime(2020, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(days=400)
_NOTHING = Fraction(0)
_SHOWN = 20
_ENGINES = {"duckdb": Dialect.DUCKDB, "postgresql": Dialect.POSTGRESQL, "spark": Dialect.SPARK}


def rate(
    *,
    ledger: Annotated[
        list[str],
        typer.Option(help="A Delta table, a directory of Parquet files, or one; repeatable."),
    ],
    prices: Annotated[Path, _PRICES],
    target: Annotated[
        Path | None,
        typer.Option("--out", help="Write charges and lines here; else only tell the totals."),
    ] = None,
    lines_only: Annotated[
        bool, typer.Option("--lines-only", help="Write no charges, only the lines they come to.")
    ] = False,
    accounts: Annotated[Path | None, _ACCOUNTS] = None,
    zone: Annotated[str, _ZONE] = "Asia/Shanghai",
    memory: Annotated[
        str, typer.Option(help="Before it goes to disk, such as 512MB or 8GB.")
    ] = "1GB",
    machine: Machine = False,
) -> None:
    """Rate a usage ledger at rest, exactly, on this machine; exit 1 where a price is missing."""
    # Other commands need no DuckDB, which takes its time to import.
    from cloudmgr.billing.engines.machine import RatingMachine  # noqa: PLC0415

    tariff = Tariff(price_list_in(prices))
    paying = None if accounts is None else accounts_in(accounts)
    try:
        with RatingMachine(
            ledger_files(ledger), tariff, zone_of(zone), accounts=paying, memory=memory
        ) as rating:
            totals = (
                rating.totals() if target is None else rating.write(target, charges=not lines_only)
            )
    except (Invalid, Unpriced) as error:
        for _, sentence in error.problems[1:_SHOWN]:
            err.print(sentence, soft_wrap=True, markup=False)
        raise
    _tell(totals, target, machine=machine)
    if totals.missing:
        raise typer.Exit(1)


def rating_sql(
    *,
    engine: Annotated[str, typer.Option(help="spark, postgresql or duckdb.")],
    prices: Annotated[Path, _PRICES],
    accounts: Annotated[Path | None, _ACCOUNTS] = None,
    zone: Annotated[str, _ZONE] = "Asia/Shanghai",
) -> None:
    """Print the same rating as SQL for an engine that has the ledger, as a relation ``ledger``."""
    if engine not in _ENGINES:
        raise Invalid(
            f"{engine} is no engine that is known to rate exactly",
            code="invalid-option",
            hint="one of " + ", ".join(_ENGINES),
        )
    tariff = Tariff(price_list_in(prices))
    paying: tuple[AccountSpan, ...] | None = None if accounts is None else accounts_in(accounts)
    span = Interval(_FIRST, SystemClock().now() + _AHEAD)
    print(script(_ENGINES[engine], relations(tariff, paying, span, zone_of(zone))), end="")


def _tell(totals: Totals, target: Path | None, *, machine: bool) -> None:
    accounts = [
        {"account_id": account_id, "amount": f"{to_cents(exact):.2f}"}
        for account_id, exact in totals.accounts.items()
    ]
    if machine:
        as_json(
            {
                "records": totals.records,
                "charges": totals.charges,
                "skipped": totals.skipped,
                "unpriced": [missing.sentence for missing in totals.missing],
                "currency": totals.currency,
                "accounts": accounts,
                "total": f"{to_cents(sum(totals.accounts.values(), start=_NOTHING)):.2f}",
                "written": None if target is None else str(target),
            }
        )
        return
    rows(
        accounts,
        [
            ("account", lambda a: a["account_id"]),
            (totals.currency, lambda a: a["amount"]),
        ],
        machine=False,
        empty="Nothing was charged.",
    )
    total = to_cents(sum(totals.accounts.values(), start=_NOTHING))
    out.print(f"{totals.records:,} usage records, {totals.charges:,} charges", markup=False)
    if totals.skipped:
        out.print(f"{totals.skipped:,} of meters that need no price have none", markup=False)
    out.print(f"total {total:.2f} {totals.currency}", markup=False)
    for missing in totals.missing:
        out.print(missing.sentence, markup=False)
    out.print("nothing was written" if target is None else f"written: {target}", markup=False)
