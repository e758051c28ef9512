"""How a recorded replica becomes a process."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from cloudmgr.pools.drivers.driver import ReplicaState
from cloudmgr.pools.drivers.local import process
from cloudmgr.pools.drivers.local.process import CannotStartError, Process
from cloudmgr.pools.drivers.local.records import Replica

if TYPE_CHECKING:
    from pathlib import Path

    from cloudmgr.pools.drivers.driver import ComponentWorkload, Workload
    from cloudmgr.pools.drivers.local.floor import Floor


_CONFIG = "config"  # within the working directory of a replica


def recorded(
    component: ComponentWorkload, slot: int, after: Replica | None, of: Workload, floor: Floor
) -> Replica:
    """A new incarnation, to be written down before :func:`make` is called with it.

    :param after: the failed one that it follows in its slot, whose counts it carries on.
    """
    note = after.note if after is not None else ""
    return Replica(
        id=f"rep_{uuid.uuid4().hex[:16]}",
        component=component,
        template=component.template_digest,
        slot=slot,
        department_id=of.department_id,
        system_id=of.system_id,
        state=ReplicaState.STARTING,
        port=None if component.port is None else floor.ports.choose(floor.used_ports()),
        started_at=floor.clock.now(),
        restarts=after.restarts + 1 if after is not None else 0,
        failures=after.failures if after is not None else 0,
        message=note,
        note=note,
    )


def make(replica: Replica, environment_id: str, floor: Floor) -> Process:
    """Run it, within its limits, in a working directory of its own.

    :raises CannotStartError: with a sentence for a person.
    """
    component = replica.component
    if component.port is not None and replica.port is None:
        raise CannotStartError("no port of this pool is free")
    run = floor.files.run(environment_id, replica.id)
    log = floor.files.log(environment_id, component.name, replica.slot)
    try:
        run.mkdir(mode=0o700, parents=True)
        _write_files(component, run / _CONFIG)
        log.parent.mkdir(mode=0o700, exist_ok=True)
        variables = _variables(replica, environment_id, floor)
        # Here, since within its limits it is the shell that would not find it.
        process.resolve(component.command[0], variables)
        command = floor.limits.enter(replica.id, component.size, component.command)
        return Process.spawn(command, variables, run, log)
    except OSError as error:
        raise CannotStartError(f"it cannot be started: {error.strerror or error}") from error


def _write_files(component: ComponentWorkload, directory: Path) -> None:
    for name, text in component.files.items():
        file = directory / name
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_bytes(text.encode("utf-8", "surrogatepass"))


def _variables(replica: Replica, environment_id: str, floor: Floor) -> dict[str, str]:
    component = replica.component
    run = str(floor.files.run(environment_id, replica.id))
    variables = {
        **process.plain_environment(),
        "HOME": run,
        "TMPDIR": run,
        **component.variables,
        **{
            name: value
            for service in component.services
            for name, value in service.variables(service.host, service.port).items()
        },
        **{name: secret.value or "" for name, secret in component.secrets.items()},
        process.REPLICA: replica.id,
        process.POOL: floor.pool,
    }
    if replica.port is not None:
        variables["PORT"] = str(replica.port)
    if component.files:
        variables["CONFIG_DIR"] = str(floor.files.run(environment_id, replica.id) / _CONFIG)
    if component.storage_gib > 0:
        data = floor.files.data(environment_id, component.name, replica.slot)
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        variables["DATA_DIR"] = str(data)
    return variables
