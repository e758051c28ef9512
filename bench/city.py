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
COMPONENT = Component(
    name="web",
    cpu_millis=250,
    memory_mib=256,
    min_replicas=1,
    max_replicas=8,
    command=("/usr/bin/true",),
    port=8000,
    health_path="/healthz",
    storage_gib=1,
)
_SYSTEMS_EACH = 10
_ENVIRONMENTS_EACH = len(Purpose)


def found(
    tx: Connection,
    stores: Stores,
    count: int,
    *,
    zones: tuple[Zone, ...] = (Zone.EXTRANET,),
    replicas: int = 0,
    component: Component = COMPONENT,
) -> list[Environment]:
    """``count`` environments, two for each system, twenty for each department.

    :param zones: they are spread over these evenly, on the pool ``local-{zone}`` of each.
    :param replicas: how many of each ought to run; none: they sleep.
    :param component: what each consists of.
    """
    stores.accounts.create(tx, BillingAccount("acc_city", "市级财政", "City treasury", "CNY"))
    made: list[Environment] = []
    for bureau in range(-(-count // (_SYSTEMS_EACH * _ENVIRONMENTS_EACH))):
        department_id = f"dep_{uuid.uuid4().hex[:16]}"
        version = DepartmentVersion(CREATED, f"委办局 {bureau}", f"Bureau {bureau}", "acc_city")
        stores.departments.create(
            tx, Department(department_id, f"bureau-{bureau}", CREATED, (version,))
        )
        for number in range(_SYSTEMS_EACH):
            code = f"system-{bureau}-{number}"
            system = _system(code, department_id, zones[number % len(zones)])
            stores.systems.add(tx, system)
            made += [_environment(system, purpose, replicas, component) for purpose in Purpose]
    for environment in made[:count]:
        stores.environments.add(tx, environment)
    return made[:count]


def _system(code: str, department_id: str, zone: Zone) -> System:
    return System(
        id=f"sys_{uuid.uuid4().hex[:16]}",
        department_id=department_id,
        code=code,
        name_zh=f"业务系统 {code}",
        name_en=f"System {code}",
        zone=zone,
        protection_level=2,
        criticality=Criticality.NORMAL,
        purpose="serves citizens a few weeks a year",
        created_at=CREATED,
    )


def _environment(
    system: System, purpose: Purpose, replicas: int, component: Component
) -> Environment:
    name = purpose.value
    return Environment(
        id=f"env_{uuid.uuid4().hex[:16]}",
        system_id=system.id,
        department_id=system.department_id,
        name=name,
        host=f"{system.code}-{name}.{system.zone}.localhost",
        zone=system.zone,
        pool_id=f"pool_local-{system.zone}",
        purpose=purpose,
        scaling_class="standard",
        components=(component,),
        target={component.name: replicas},
        created_at=CREATED,
    )
