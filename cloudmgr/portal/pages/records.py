"""What is on record: usage, the audit trail, and the policy in force."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.audit.event import AuditEvent
from cloudmgr.audit.store import AuditFilter
from cloudmgr.errors import Invalid
from cloudmgr.identity.access import Action
from cloudmgr.interval import Interval
from cloudmgr.metering.measured.measuring import Gap, GapCharge
from cloudmgr.metering.meters import METERS
from cloudmgr.metering.queries import UsageFilter
from cloudmgr.metering.usage import UsageRecord
from cloudmgr.portal import words
from cloudmgr.portal.forms import Form, Posted
from cloudmgr.portal.listing import MOST, Choice, Column, Empty, Filter, Listing, choices
from cloudmgr.portal.names import Names
from cloudmgr.portal.pages.reconciliation import accounted
from cloudmgr.portal.pages.systems import Text, department_filter
from cloudmgr.portal.view import View, redirect

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.policy.prices import Price

router = APIRouter(include_in_schema=False)

_DAY = timedelta(days=1)
_LONGEST = timedelta(days=400)


def _date(view: View, text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=view.formats.zone)
    except ValueError:
        return None


# ------------------------------------------------------------------------------------------ usage


def _usage(
    view: View, tx: Connection, caller: Caller, query: dict[str, str]
) -> Listing[UsageRecord | Gap]:
    services = caller.services
    names = Names(view, tx)
    f = view.formats
    today = f.now.astimezone(f.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    first = _date(view, query["from"]) or today
    last = (_date(view, query["to"]) or max(first, today)) + _DAY
    if not timedelta() < last - first <= _LONGEST:
        last = first + _DAY
    held_to = caller.confine(query["department"] or None)
    wanted = UsageFilter(
        Interval(first, last),
        department_id=held_to,
        environment_id=query["environment"] or None,
        meter=query["meter"] or None,
    )
    page = services.metering.ledger.page(tx, wanted, limit=1000)
    gaps = services.metering.gaps.list(tx, wanted, limit=1000)

    def shown(record: UsageRecord | Gap) -> object:
        if isinstance(record, Gap):
            return view._("no data")
        meter = METERS[record.meter]
        return f.number(float(meter.displayed(record.quantity)), 4)

    def plain(record: UsageRecord | Gap) -> Fraction | None:
        return None if isinstance(record, Gap) else METERS[record.meter].displayed(record.quantity)

    def unit(record: UsageRecord | Gap) -> str:
        meter = METERS[record.meter]
        return view.pick(meter.display_unit_zh, meter.display_unit_en)

    columns: list[Column[UsageRecord | Gap]] = [
        Column(
            "from", view._("From"), lambda r: f.at(r.interval.start), lambda r: r.interval.start
        ),
        Column("until", view._("Until"), lambda r: f.at(r.interval.end), lambda r: r.interval.end),
        Column(
            "environment",
            view._("Environment"),
            lambda r: view.link(
                f"/environments/{r.environment_id}", names.environment(r.environment_id)
            ),
        ),
        Column("component", view._("Component"), lambda r: r.component),
        Column("meter", view._("Meter"), lambda r: view.word(words.METERS, r.meter)),
        Column(
            "quantity",
            view._("Quantity"),
            shown,
            plain,
            numeric=True,
        ),
        Column("unit", view._("Unit"), unit),
        Column(
            "exact",
            view._("Exact quantity"),
            lambda r: "" if isinstance(r, Gap) else f.exact(r.quantity),
            lambda r: "" if isinstance(r, Gap) else format(r.quantity, "f"),
            numeric=True,
            sortable=False,
        ),
        Column("base", view._("Base unit"), lambda r: METERS[r.meter].unit),
        Column("remark", view._("Remark"), lambda r: _remark(view, r)),
    ]
    environments = services.environments.list(tx, department_id=held_to)
    return Listing(
        view,
        view._("Usage"),
        columns,
        (*page.records, *gaps),
        Empty(
            view._("No usage in these days"),
            view._("What environments hold and serve is written here hour by hour, as observed."),
        ),
        filters=[
            Filter("from", view._("From day"), value=f"{first:%Y-%m-%d}", kind="date"),
            Filter("to", view._("To day"), value=f"{last - _DAY:%Y-%m-%d}", kind="date"),
            *department_filter(view, tx, query["department"]),
            Filter(
                "environment",
                view._("Environment"),
                tuple(Choice(e.id, names.environment(e.id)) for e in environments),
                query["environment"],
            ),
            Filter("meter", view._("Meter"), choices(words.METERS, view), query["meter"]),
        ],
        sort="-from",
        csv_address="/usage.csv",
        truncated=page.cursor is not None,
    )


def _remark(view: View, row: UsageRecord | Gap) -> str:
    """What the quantity alone does not tell."""
    if not isinstance(row, Gap):
        return view._("not measured, charged as held") if row.unmeasured else ""
    why = view.word(words.GAP_REASONS, row.reason.value)
    if row.charged is GapCharge.NOTHING:
        return why
    return view._("%(why)s; charged as held", why=why)


Day = Annotated[str, Query(max_length=10)]


@router.get("/usage")
def show_usage(
    request: Request,
    caller: Annotated[Caller, Access(Action.USAGE_READ)],
    first: Annotated[str, Query(alias="from", max_length=10)] = "",
    to: Day = "",
    department: Text = "",
    environment: Text = "",
    meter: Text = "",
) -> Response:
    """The ledger, some days of it."""
    view = View(request, caller)
    query = {
        "from": first,
        "to": to,
        "department": department,
        "environment": environment,
        "meter": meter,
    }
    with caller.services.database.read() as tx:
        return view.page(
            "list.html",
            title=view._("Usage"),
            listing=_usage(view, tx, caller, query),
            verbs=[
                (
                    f"/pools/{pool.id}/reconciliation",
                    view._("Compare with %(pool)s", pool=pool.name),
                )
                for pool in accounted(caller, tx)
            ],
            lead=view._("What was held and served, as observed. The ledger is only ever added to."),
        )


@router.get("/usage.csv")
def export_usage(
    request: Request,
    caller: Annotated[Caller, Access(Action.USAGE_READ)],
    first: Annotated[str, Query(alias="from", max_length=10)] = "",
    to: Day = "",
    department: Text = "",
    environment: Text = "",
    meter: Text = "",
) -> Response:
    """The same as CSV."""
    query = {
        "from": first,
        "to": to,
        "department": department,
        "environment": environment,
        "meter": meter,
    }
    with caller.services.database.read() as tx:
        return _usage(View(request, caller), tx, caller, query).csv("usage")


# ------------------------------------------------------------------------------------------ audit


def _audit(
    view: View, tx: Connection, caller: Caller, query: dict[str, str]
) -> Listing[AuditEvent]:
    names = Names(view, tx)
    f = view.formats
    since, until = _date(view, query["from"]), _date(view, query["to"])
    wanted = AuditFilter(
        department_id=caller.confine(query["department"] or None),
        action=query["action"] or None,
        object_id=query["object"] or None,
        since=since,
        until=until + _DAY if until else None,
    )
    rows = [event for _, event in caller.services.audit.list(tx, wanted, limit=MOST)]
    if query["who"]:
        rows = [e for e in rows if query["who"].casefold() in e.actor_login.casefold()]
    columns: list[Column[AuditEvent]] = [
        Column("at", view._("When"), lambda e: f.at(e.at), lambda e: e.at),
        Column("who", view._("Who"), lambda e: e.actor_login),
        Column("action", view._("Did what"), lambda e: view.word(words.AUDIT_ACTIONS, e.action)),
        Column(
            "object",
            view._("To what"),
            lambda e: view.link(view.address(object=e.object_id, page=None), e.object_id),
            lambda e: e.object_id,
        ),
        Column("department", view._("Department"), lambda e: names.department(e.department_id)),
        Column(
            "detail",
            view._("Details"),
            lambda e: (
                json.dumps(dict(e.detail), ensure_ascii=False, sort_keys=True) if e.detail else ""
            ),
            sortable=False,
        ),
    ]
    return Listing(
        view,
        view._("Audit trail"),
        columns,
        rows,
        Empty(
            view._("Nothing was done yet"),
            view._("Whatever anybody does is written here and never changed."),
        ),
        filters=[
            Filter("who", view._("Who"), value=query["who"], kind="search"),
            Filter(
                "action", view._("Did what"), choices(words.AUDIT_ACTIONS, view), query["action"]
            ),
            Filter("object", view._("To what"), value=query["object"], kind="search"),
            *department_filter(view, tx, query["department"]),
            Filter("from", view._("From day"), value=query["from"], kind="date"),
            Filter("to", view._("To day"), value=query["to"], kind="date"),
        ],
        sort="",
        csv_address="/audit.csv",
        truncated=len(rows) == MOST,
    )


def _audit_query(
    who: str, action: str, thing: str, department: str, first: str, to: str
) -> dict[str, str]:
    return {
        "who": who,
        "action": action,
        "object": thing,
        "department": department,
        "from": first,
        "to": to,
    }


@router.get("/audit")
def show_audit(
    request: Request,
    caller: Annotated[Caller, Access(Action.AUDIT_READ)],
    who: Text = "",
    action: Text = "",
    thing: Annotated[str, Query(alias="object", max_length=80)] = "",
    department: Text = "",
    first: Annotated[str, Query(alias="from", max_length=10)] = "",
    to: Day = "",
) -> Response:
    """Who did what, the newest first."""
    view = View(request, caller)
    query = _audit_query(who, action, thing, department, first, to)
    with caller.services.database.read() as tx:
        return view.page(
            "list.html",
            title=view._("Audit trail"),
            listing=_audit(view, tx, caller, query),
            verbs=[],
            lead=view._("Who did what, the newest first. It is only ever added to."),
        )


@router.get("/audit.csv")
def export_audit(
    request: Request,
    caller: Annotated[Caller, Access(Action.AUDIT_READ)],
    who: Text = "",
    action: Text = "",
    thing: Annotated[str, Query(alias="object", max_length=80)] = "",
    department: Text = "",
    first: Annotated[str, Query(alias="from", max_length=10)] = "",
    to: Day = "",
) -> Response:
    """The same as CSV."""
    query = _audit_query(who, action, thing, department, first, to)
    with caller.services.database.read() as tx:
        return _audit(View(request, caller), tx, caller, query).csv("audit")


# ----------------------------------------------------------------------------------------- policy


@router.get("/policy")
def show_policy(
    request: Request, caller: Annotated[Caller, Access(Action.POLICY_READ)]
) -> Response:
    """The rules that decide now."""
    return _policy_page(View(request, caller), Form())


def _policy_page(view: View, form: Form, status: int = 200) -> Response:
    policies = view.services.policies
    bundle = policies.current
    now = view.formats.now
    prices: dict[tuple[str, str | None], Price] = {}
    ahead: list[Price] = []
    for price in sorted(bundle.price_list.prices, key=lambda p: p.valid_from):
        if price.valid_from <= now:
            prices[price.meter, price.zone] = price
        else:
            ahead.append(price)
    context: dict[str, Any] = {
        "bundle": bundle,
        "error": policies.last_error,
        "prices": list(prices.values()),
        "ahead": ahead,
        "meters": METERS,
        "form": form,
    }
    return view.page("policy.html", status, **context)


@router.post("/policy/reload")
def reload_policy_from_page(
    request: Request, caller: Annotated[Caller, Access(Action.POLICY_RELOAD)], form: Posted
) -> Response:
    """Read it anew; a broken one is refused and the old one stays."""
    services = caller.services
    before = services.policies.current.digest
    try:
        services.policies.reload()
    except Invalid:
        return _policy_page(View(request, caller), form, 422)
    after = services.policies.current.digest
    with services.database.write() as tx:
        caller.record(
            tx,
            "policy.reload",
            object_kind="policy",
            object_id=after,
            department_id=None,
            detail={"before": before},
        )
    return redirect("/policy?said=policy-reloaded")
