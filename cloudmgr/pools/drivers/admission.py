"""What no kind of pool takes, and what fits no host: refused before anything is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloudmgr.errors import Permanent
from cloudmgr.pools.capacity import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudmgr.pools.capacity import Capacity
    from cloudmgr.pools.drivers.driver import ComponentWorkload, Workload

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(r"/[^\s\x00-\x1f\x7f]*")
_FILE = re.compile(r"/?[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
_MOST_REPLICAS = 1000


def is_name(text: str) -> bool:
    """Whether ``text`` may become part of a path: letters, digits, ``-`` and ``_``, at most 63."""
    return _NAME.fullmatch(text) is not None


def require_valid(workload: Workload) -> None:
    """:raises Permanent: ``invalid-workload`` for what no kind of pool could run."""
    for path, sentence in _faults(workload):
        raise Permanent(sentence, code="invalid-workload", path=path)


def require_host(workload: Workload, capacity: Capacity) -> None:
    """:raises Permanent: ``does-not-fit`` for a component whose replica no host could hold."""
    for index, component in enumerate(workload.components):
        size = component.size + Resources(storage_gib=component.storage_gib)
        if not capacity.has_host_for(size):
            most = capacity.largest
            raise Permanent(
                f"one replica of {component.name} needs {size.cpu_millis} thousandths of a core, "
                f"{size.memory_mib} MiB of memory and {size.storage_gib} GiB of storage; "
                f"the largest host of this pool has {most.cpu_millis}, {most.memory_mib} "
                f"and {most.storage_gib}",
                code="does-not-fit",
                hint="ask for less, or for a pool with larger hosts",
                path=f"components[{index}]",
            )


def _faults(workload: Workload) -> Iterator[tuple[str, str]]:
    if not is_name(workload.environment_id):
        yield "environment_id", "an environment's id has letters, digits, - and _, at most 63"
    names = [c.name for c in workload.components]
    if len(set(names)) < len(names):
        yield "components", "two components have the same name"
    for index, component in enumerate(workload.components):
        for field, sentence in _component_faults(component):
            yield f"components[{index}].{field}", sentence


def _component_faults(component: ComponentWorkload) -> Iterator[tuple[str, str]]:
    if not is_name(component.name):
        yield "name", "a component's name has letters, digits, - and _, at most 63"
    if not 0 <= component.replicas <= _MOST_REPLICAS:
        yield "replicas", f"a component has 0 to {_MOST_REPLICAS} replicas"
    if component.cpu_millis <= 0 or component.memory_mib <= 0 or component.storage_gib < 0:
        yield "cpu_millis", "a replica needs some CPU and memory, and no less than no storage"
    if component.startup_seconds <= 0 or component.drain_seconds < 0:
        yield "startup_seconds", "a span of time cannot be negative, and no start takes none"
    if component.port is not None and _PATH.fullmatch(component.health_path) is None:
        yield "health_path", "a health path begins with / and has no spaces or control characters"
    if any("\0" in word for word in component.command) or "" in component.command[:1]:
        yield "command", "a command is not empty and has no NUL"
    yield from _told_faults(component)


def _told_faults(component: ComponentWorkload) -> Iterator[tuple[str, str]]:
    for name in component.secrets:
        if _VARIABLE.fullmatch(name) is None:
            yield "secrets", "a secret's name has letters, digits and _, and no digit in front"
    for name, text in component.files.items():
        if _FILE.fullmatch(name) is None or {".", ".."} & set(name.split("/")):
            yield "files", "a file's path has letters, digits, ., - and _ between slashes"
        elif "\0" in text:
            yield "files", f"the text of {name} has a NUL"
    for name, value in component.variables.items():
        if _VARIABLE.fullmatch(name) is None:
            yield "variables", "a variable's name has letters, digits and _, and no digit in front"
        elif "\0" in value:
            yield "variables", f"the value of {name} has a NUL"
