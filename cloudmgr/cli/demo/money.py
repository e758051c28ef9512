"""The invoices worked out a second time, from usage and the price list alone. Pure.

Nothing here calls the code that is being checked: rows come from the API as text, prices from the
policy's file, sums are fractions, so every digit counts.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cloudmgr.cli.demo.promises import Promise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Json = Mapping[str, Any]

# Counters of the gateways are read this often, in machine seconds, and a little later under load.
_READ_EVERY = 12.0
_PRICED_PER = {"vcpu": 3600, "memory": 3600, "storage": 3600, "requests": 1000}


@dataclass(frozen=True, slots=True)
class Rate:
    """What a unit of a meter costs from a moment on; no zone means any."""

    meter: str
    zone: str | None
    since: datetime
    price: Fraction


def rates(prices: Json) -> list[Rate]:
    """The price list, as ``policies/prices.yaml`` has it."""
    zone = ZoneInfo(str(prices["time_zone"]))
    found = []
    for generation in prices["generations"]:
        begins = generation["valid_from"]
        day = begins if isinstance(begins, date) else date.fromisoformat(str(begins))
        since = datetime.combine(day, time(), zone).astimezone(UTC)
        found += [
            Rate(rate["meter"], rate.get("zone"), since, Fraction(rate["unit_price"]))
            for rate in generation["rates"]
        ]
    return found


def price(known: Iterable[Rate], meter: str, zone: str, at: datetime) -> Fraction:
    """What a unit of ``meter`` costs in ``zone`` at ``at``: the latest, one for the zone first.

    :raises ValueError: if nothing says.
    """
    fitting = [r for r in known if r.meter == meter and r.zone in {zone, None} and r.since <= at]
    if not fitting:
        message = f"{meter} has no price in {zone} at {at}"
        raise ValueError(message)
    own = [r for r in fitting if r.zone == zone] or fitting
    return max(own, key=lambda r: r.since).price


def cost(row: Json, known: Iterable[Rate]) -> Fraction:
    """What one row of the usage ledger costs, exactly."""
    at = datetime.fromisoformat(row["starts_at"])
    unit = price(known, row["meter"], row["zone"], at)
    return Fraction(row["quantity"]) * unit / _PRICED_PER[row["meter"]]


def cents(value: Fraction) -> Decimal:
    """``value``, which is not negative, rounded half up to the cent."""
    return Decimal((value * 100 + Fraction(1, 2)).__floor__()).scaleb(-2)


def rows_of(content: bytes) -> list[dict[str, str]]:
    """The rows of a CSV file that the API wrote."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def charged(
    usage: Sequence[Json], charges: Sequence[Json], known: Sequence[Rate], *, closed: bool
) -> Promise:
    """Every row of the ledger is charged once: usage × price, to the last digit.

    :param closed: whether the month is; what it costs before contains usage that is not in the
        ledger yet, since it is still going on.
    """
    due = {row["id"]: cost(row, known) for row in usage}
    asked: defaultdict[str, Fraction] = defaultdict(Fraction)
    for charge in charges:
        asked[charge["usage_id"]] += (
            Fraction(charge["quantity"])
            * Fraction(charge["unit_price"])
            / int(charge["priced_per"])
        )
    keys = due.keys() | asked.keys() if closed else due.keys()
    wrong = [key for key in keys if due.get(key) != asked.get(key)]
    total = sum(asked.values(), Fraction(0))
    evidence = f"{len(usage):,} usage records, {len(charges):,} charges, {float(total):.6f} CNY"
    if wrong:
        evidence += f"; {len(wrong)} differ, the first: {wrong[0]}"
    return Promise(
        "The charges are usage × price, to the last digit",
        kept=not wrong and bool(usage),
        evidence=evidence,
    )


def invoiced(invoices: Sequence[Json], charges: Sequence[Json]) -> Promise:
    """The invoices sum to the charges; each line, rounding and total is what it must be."""
    wrong: list[str] = []
    exact: defaultdict[tuple[str, str, str], Fraction] = defaultdict(Fraction)
    for charge in charges:
        key = (charge["account_id"], charge["environment_id"], charge["meter"])
        exact[key] += (
            Fraction(charge["quantity"])
            * Fraction(charge["unit_price"])
            / int(charge["priced_per"])
        )
    left = dict(exact)
    total = Decimal(0)
    for invoice in invoices:
        sums = Fraction(0)
        for line in invoice["lines"]:
            value = Fraction(line["quantity"]) * Fraction(line["unit_price"]) / line["priced_per"]
            key = (invoice["account_id"], line["environment_id"], line["meter"])
            left[key] = left.get(key, Fraction(0)) - value
            sums += value
            if Decimal(line["amount"]) != cents(value):
                wrong.append(f"{invoice['number']} line {line['number']}")
        amounts = sum((Decimal(line["amount"]) for line in invoice["lines"]), Decimal(0))
        if amounts + Decimal(invoice["rounding"]) != Decimal(invoice["total"]):
            wrong.append(f"{invoice['number']} does not add up")
        if Decimal(invoice["total"]) != cents(sums):
            wrong.append(f"{invoice['number']} has another total")
        total += Decimal(invoice["total"])
    wrong += [f"{meter} of {environment}" for (_, environment, meter), v in left.items() if v]
    evidence = f"{len(invoices)} invoices over {total} CNY"
    if wrong:
        evidence += f"; wrong: {', '.join(wrong[:5])}"
    return Promise(
        "The invoices sum to the charges, to the last digit",
        kept=not wrong and bool(invoices),
        evidence=evidence,
    )


def counted_once(usage: Iterable[Json]) -> Promise:
    """What was held is in the ledger without a gap and without an overlap, resource by resource."""
    held: defaultdict[tuple[str, str, str], list[tuple[str, str]]] = defaultdict(list)
    for row in usage:
        if row["meter"] != "requests":
            key = (row["source"], row["resource"], row["meter"])
            held[key].append((row["starts_at"], row["ends_at"]))
    broken = [
        f"{resource} {meter} at {later[0]}"
        for (_, resource, meter), spans in held.items()
        for earlier, later in pairwise(
            sorted((datetime.fromisoformat(a), datetime.fromisoformat(b)) for a, b in spans)
        )
        if earlier[1] != later[0]
    ]
    evidence = f"{len(held):,} holdings, each without a gap or an overlap"
    if broken:
        evidence = f"{len(broken)} gaps or overlaps, the first: {broken[0]}"
    return Promise(
        "No usage is lost and none is counted twice",
        kept=not broken and bool(held),
        evidence=evidence,
    )


def as_applications_say(
    vcpu_seconds: Mapping[str, float],
    metered: Mapping[str, float],
    unseen: Mapping[str, float] | None = None,
) -> Promise:
    """What the ledger says was held against what the applications themselves say of their runs.

    :param vcpu_seconds: by system: the runs of its replicas × their size, in business time.
    :param metered: by system, from the ledger.
    :param unseen: by system: what a replica that ended while no control plane ran may have been
        held for longer, since its end was seen only when the next one came.
    """
    sentence = "The ledger agrees with the applications' own account of when they ran (5 %)"
    allowed = unseen or {}
    ratios = {code: metered.get(code, 0.0) / said for code, said in vcpu_seconds.items() if said}
    if not ratios:
        return Promise(sentence, kept=False, evidence="no application said that it ran")
    wrong = [
        code
        for code, said in vcpu_seconds.items()
        if not 0.95 * said <= metered.get(code, 0.0) <= 1.05 * said + allowed.get(code, 0.0)
    ]
    worst = max(wrong or ratios, key=lambda code: abs(ratios[code] - 1))
    evidence = f"furthest apart: {worst}, metered {ratios[worst] * 100:.1f} % of what ran"
    if not wrong and ratios[worst] > 1.05:
        evidence += ", whose end nobody saw while the control plane was gone"
    return Promise(sentence, kept=not wrong, evidence=evidence)


def visits_counted(
    visits: Mapping[str, Sequence[float]], metered: Mapping[str, float], end: float, own: int
) -> Promise:
    """Every request is in the ledger once; what came last may be in the next hour's records.

    :param visits: by system: when each visit was answered, seconds since the Unix epoch.
    :param metered: by system: requests of the ledger.
    :param end: when the last hour in the ledger ended.
    :param own: requests of the demo itself, which the ledger has and the visitors do not.
    """
    wrong = []
    for system, times in visits.items():
        surely = sum(at < end - _READ_EVERY for at in times)
        if not surely <= metered.get(system, 0) <= len(times) + own:
            wrong.append(f"{system}: {metered.get(system, 0):.0f} of {surely} to {len(times)}")
    sent, counted = sum(map(len, visits.values())), sum(metered.values())
    evidence = f"{sent:,} visits, {counted:,.0f} metered"
    if wrong:
        evidence += f"; wrong: {', '.join(wrong)}"
    return Promise(
        "Every request is metered once", kept=not wrong and bool(visits), evidence=evidence
    )
