"""Builders of valid domain objects; a test says only what matters to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cloudmgr.hosting.environments import (
    Component,
    Criticality,
    Environment,
    Purpose,
    System,
)
from cloudmgr.pools.pool import Zone

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
