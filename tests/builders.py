"""Builders of valid domain objects; a test says only what matters to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from cloudmgr.departments.department import BillingAccount, Department, DepartmentVersion
from cloudmgr.hosting.environments import (
    Component,
    Criticality,
    Environment,
    Purpose,
    System,
)
from cloudmgr.hosting.requests import HostingRequest, RequestKind, RequestState
from cloudmgr.identity.user import Locale, Principal, Role, Scope, User
from cloudmgr.interval import Interval
from cloudmgr.metering.measured.measuring import Gap, Reason
from cloudmgr.metering.usage import Owner, UsageRecord, usage_id
from cloudmgr.policy.decision import ApprovalStep, Decision, Outcome
from cloudmgr.policy.prices import Price, PriceList
from cloudmgr.policy.scaling_class import ScalingClass
from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.driver import Allocation
from cloudmgr.pools.pool import Pool, Zone
from cloudmgr.scaling.windows import PeakWindow

CREATED = datetime(2026, 5, 1, tzinfo=UTC)


def a_system(**changes: Any) -> System:
    """The examination authority's enrolment system, on the extranet, level 2."""
    system = System(
        id="sys_exam",
        department_id="dep_exam",
        code="gaokao",
        name_zh="高考志愿填报",
        name_en="College entrance enrolment",
        zone=Zone.EXTRANET,
        protection_level=2,
        criticality=Criticality.HIGH,
        purpose="enrolment once a year",
        created_at=CREATED,
    )
    return replace(system, **changes)


def a_component(**changes: Any) -> Component:
    """A web component of a quarter core, 1 to 8 replicas."""
    component = Component(
        name="web",
        cpu_millis=250,
        memory_mib=128,
        min_replicas=1,
        max_replicas=8,
        command=("app",),
        port=8000,
        health_path="/healthz",
    )
    return replace(component, **changes)


def an_environment(**changes: Any) -> Environment:
    """The production environment of :func:`a_system`, one replica wanted."""
    environment = Environment(
        id="env_exam",
        system_id="sys_exam",
        department_id="dep_exam",
        name="production",
        host="gaokao-production.extranet.localhost",
        zone=Zone.EXTRANET,
        pool_id="pool_extranet",
        purpose=Purpose.PRODUCTION,
        scaling_class="standard",
        components=(a_component(),),
        target={"web": 1},
        created_at=CREATED,
    )
    return replace(environment, **changes)


def an_allocation(**changes: Any) -> Allocation:
    """One replica of :func:`an_environment`: half a core and 768 MiB, held since 10:15 UTC."""
    allocation = Allocation(
        id="alloc_1",
        environment_id="env_exam",
        department_id="dep_exam",
        system_id="sys_exam",
        component="web",
        size=Resources(500, 768),
        started_at=datetime(2026, 6, 1, 10, 15, tzinfo=UTC),
    )
    return replace(allocation, **changes)


def a_record(**changes: Any) -> UsageRecord:
    """One vCPU of :func:`an_environment` for the hour from 10:00 UTC; its id is made to fit."""
    start = datetime(2026, 6, 1, 10, tzinfo=UTC)
    record = UsageRecord(
        id="",
        source="pool/pool_extranet",
        resource="alloc_1",
        environment_id="env_exam",
        system_id="sys_exam",
        department_id="dep_exam",
        zone="extranet",
        pool_id="pool_extranet",
        component="web",
        meter="vcpu",
        interval=Interval(start, start + timedelta(hours=1)),
        quantity=Decimal(3600),
    )
    record = replace(record, **changes)
    return replace(
        record,
        id=usage_id(record.source, record.resource, record.meter, record.interval.start),
    )


def a_gap(**changes: Any) -> Gap:
    """Twenty minutes in which nobody knows what half a core was used for; not charged."""
    start = datetime(2026, 6, 1, 10, tzinfo=UTC)
    gap = Gap(
        source="measured/pool_extranet",
        resource="alloc_1",
        owner=Owner("env_exam", "sys_exam", "dep_exam", "extranet", "pool_extranet"),
        component="web",
        meter="vcpu-used",
        interval=Interval(start, start + timedelta(minutes=20)),
        held=Decimal(600),
        reason=Reason.SILENT,
    )
    return replace(gap, **changes)


def a_price_list(*prices: Price, currency: str = "CNY") -> PriceList:
    """Every meter priced since 2020 in all zones, and ``prices`` besides."""
    since = datetime(2020, 1, 1, tzinfo=UTC)
    return PriceList(
        currency,
        (
            Price("vcpu", None, since, Decimal("0.12")),
            Price("memory", None, since, Decimal("0.035")),
            Price("storage", None, since, Decimal("0.0007")),
            Price("requests", None, since, Decimal("0.0021")),
            *prices,
        ),
    )


def a_scaling_class(**changes: Any) -> ScalingClass:
    """Ten minutes of lead, asleep after half an hour, four requests in flight for each replica."""
    scaling_class = ScalingClass(
        name="standard",
        lead_time=timedelta(minutes=10),
        idle_after=timedelta(minutes=30),
        target_in_flight=Decimal(4),
        scale_down_after=timedelta(minutes=5),
    )
    return replace(scaling_class, **changes)


def a_window(start: datetime, end: datetime, **changes: Any) -> PeakWindow:
    """Six replicas of the web component from ``start`` to ``end``."""
    window = PeakWindow(
        id="win_1",
        environment_id="env_exam",
        component="web",
        interval=Interval(start, end),
        replicas=6,
        expected_rps=None,
        note="",
        created_by="usr_officer",
        created_at=CREATED,
    )
    return replace(window, **changes)


def an_account(**changes: Any) -> BillingAccount:
    """The account that pays for :func:`a_department`."""
    account = BillingAccount("acc_city", "市级财政", "City treasury", "CNY")
    return replace(account, **changes)


def a_version(**changes: Any) -> DepartmentVersion:
    """What :func:`a_department` is from the beginning."""
    version = DepartmentVersion(CREATED, "教育考试院", "Examination Authority", "acc_city")
    return replace(version, **changes)


def a_department(**changes: Any) -> Department:
    """The department of :func:`a_system`, paid for by :func:`an_account`."""
    department = Department("dep_exam", "exam", CREATED, (a_version(),))
    return replace(department, **changes)


def a_user(**changes: Any) -> User:
    """An officer of :func:`a_department`."""
    user = User(
        id="usr_li",
        login="li.wei",
        name="李伟",
        roles=frozenset({Role.DEPARTMENT_OFFICER}),
        department_id="dep_exam",
        locale=Locale.ZH_CN,
        created_at=CREATED,
    )
    return replace(user, **changes)


def a_principal(**changes: Any) -> Principal:
    """:func:`a_user`, signed in to the portal."""
    principal = Principal(
        user_id="usr_li",
        login="li.wei",
        name="李伟",
        roles=frozenset({Role.DEPARTMENT_OFFICER}),
        department_id="dep_exam",
        scopes=frozenset({Scope.PORTAL}),
        locale=Locale.ZH_CN,
    )
    return replace(principal, **changes)


def a_pool(**changes: Any) -> Pool:
    """The pool of :func:`an_environment`, up to level 3."""
    pool = Pool("pool_extranet", "extranet-1", "local", Zone.EXTRANET, 3)
    return replace(pool, **changes)


def a_request(**changes: Any) -> HostingRequest:
    """To retire :func:`an_environment`; it waits for an operator."""
    request = HostingRequest(
        id="req_exam",
        kind=RequestKind.RETIRE,
        department_id="dep_exam",
        system_id="sys_exam",
        environment_id="env_exam",
        ask=None,
        windows=(),
        reason="the exam is over",
        submitted_by="usr_li",
        submitted_by_login="li.wei",
        submitted_at=CREATED,
        state=RequestState.AWAITING_APPROVAL,
        decision=Decision(
            Outcome.NEEDS_APPROVAL,
            (),
            ("operators-see-to-it",),
            "0" * 32,
            (ApprovalStep("operator", 1, "operators-see-to-it", "由运维审批", "for operators"),),
        ),
    )
    return replace(request, **changes)
