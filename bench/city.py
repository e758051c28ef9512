"""A city of any size, written straight through the stores."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloudmgr.departments.department import BillingAccount, Department, DepartmentVersion
from cloudmgr.hosting.environments import Component, Criticality, Environment, Purpose, System
from cloudmgr.pools.pool import Zone

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.wiring.stores import Stores

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
_SYSTEMS_EACH = 10
_ENVIRONMENTS_EACH = 2


def found(
    tx: Connection,
    stores: Stores,
    count: int,
    *,
    zones: tuple[Zone, ...] = (Zone.EXTRANET,),
    replicas: int = 0,
) -> list[Environment]:
    """``count`` environments, two for each system, twenty for each department.

    :param zones: they are spread over these evenly, on the pool ``local-{zone}`` of each.
    :param replicas: how many of each ought to run; none: they sleep.
    """
    stores.accounts.create(tx, BillingAccount("acc_city", "市级财政", "City treasury", "CNY"))
    made: list[Environment] = []
    system: System | None = None
    for number in range(count):
        # Ids as in life: their order is not that in which they were made.
        if number % (_SYSTEMS_EACH * _ENVIRONMENTS_EACH) == 0:
            department_id = f"dep_{uuid.uuid4().hex[:16]}"
            version = DepartmentVersion(CREATED, f"委办局 {number}", f"Bureau {number}", "acc_city")
            stores.departments.create(
                tx, Department(department_id, f"bureau-{number}", CREATED, (version,))
            )
        if number % _ENVIRONMENTS_EACH == 0:
            zone = zones[number // _ENVIRONMENTS_EACH % len(zones)]
            system = _system(number, department_id, zone)
            stores.systems.add(tx, system)
        assert system is not None
        environment = _environment(number % _ENVIRONMENTS_EACH, system, replicas)
        stores.environments.add(tx, environment)
        made.append(environment)
    return made


def _system(number: int, department_id: str, zone: Zone) -> System:
    return System(
        id=f"sys_{uuid.uuid4().hex[:16]}",
        department_id=department_id,
        code=f"system-{number}",
        name_zh=f"业务系统 {number}",
        name_en=f"System {number}",
        zone=zone,
        protection_level=2,
        criticality=Criticality.NORMAL,
        purpose="serves citizens a few weeks a year",
        created_at=CREATED,
    )


def _environment(number: int, system: System, replicas: int) -> Environment:
    name = ("production", "test")[number]
    return Environment(
        id=f"env_{uuid.uuid4().hex[:16]}",
        system_id=system.id,
        department_id=system.department_id,
        name=name,
        host=f"{system.code}-{name}.{system.zone}.localhost",
        zone=system.zone,
        pool_id=f"pool_local-{system.zone}",
        purpose=(Purpose.PRODUCTION, Purpose.TEST)[number],
        scaling_class="standard",
        components=(
            Component(
                name="web",
                cpu_millis=250,
                memory_mib=256,
                min_replicas=1,
                max_replicas=8,
                command=("/usr/bin/true",),
                port=8000,
                health_path="/healthz",
                storage_gib=1,
            ),
        ),
        target={"web": replicas},
        created_at=CREATED,
    )
