"""Workloads and announced peaks as they come in: what requests are made of."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from cloudmgr.api.expected import WithExpectation
from cloudmgr.api.values import Code, Entry, Moment, Remark
from cloudmgr.hosting.environments import Component, Purpose
from cloudmgr.hosting.requests import EnvironmentAsk, WindowAsk

COMPONENT_EXAMPLE: dict[str, Any] = {
    "name": "web",
    "command": ["python", "-m", "http.server"],
    "cpu_millis": 250,
    "memory_mib": 128,
    "min_replicas": 1,
    "max_replicas": 8,
    "port": 8000,
    "health_path": "/healthz",
}
WINDOW_EXAMPLE: dict[str, Any] = {
    "component": "web",
    "starts_at": "2027-06-30T16:00:00+08:00",
    "ends_at": "2027-06-30T19:00:00+08:00",
    "replicas": 6,
    "expected_rps": "120",
    "note": "志愿填报截止",
}
Size = Annotated[int, Field(strict=True, ge=0, le=10_000_000)]


class ComponentEntry(Entry):
    """One part of the workload; CPU in thousandths of a core, memory MiB, storage GiB."""

    model_config = ConfigDict(json_schema_extra={"examples": [COMPONENT_EXAMPLE]})

    name: Code
    command: Annotated[
        tuple[Annotated[str, Field(max_length=4000)], ...], Field(max_length=100)
    ] = ()
    image: Annotated[str, Field(max_length=500)] = ""
    cpu_millis: Size
    memory_mib: Size
    min_replicas: Size = 1
    max_replicas: Size
    port: Annotated[int, Field(strict=True, ge=1, le=65_535)] | None = None
    health_path: Annotated[str, Field(max_length=500)] = "/"
    startup_seconds: Size = 60
    storage_gib: Size = 0
    variables: Annotated[dict[str, str], Field(max_length=200)] = Field(default_factory=dict)
    files: Annotated[dict[str, str], Field(max_length=50)] = Field(default_factory=dict)
    # As many as long values fit into one Secret of Kubernetes, which holds 1 MiB.
    secrets: Annotated[tuple[str, ...], Field(max_length=30)] = ()
    bindings: Annotated[tuple[Code, ...], Field(max_length=50)] = ()

    def component(self) -> Component:
        return Component(**self.model_dump())


class EnvironmentEntry(Entry):
    """The environment that is asked for."""

    name: Code
    purpose: Purpose
    components: Annotated[tuple[ComponentEntry, ...], Field(min_length=1, max_length=20)]

    def ask(self) -> EnvironmentAsk:
        return EnvironmentAsk(
            self.name, self.purpose, tuple(entry.component() for entry in self.components)
        )


class WindowEntry(WithExpectation):
    """An announced peak: either so many `replicas`, or what is `expected` of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [WINDOW_EXAMPLE]})

    component: Code
    starts_at: Moment
    ends_at: Moment
    expected_rps: Annotated[Decimal, Field(gt=0, lt=10**7, max_digits=13)] | None = None
    note: Annotated[Remark, Field(max_length=500)] = ""

    def ask(self) -> WindowAsk:
        return WindowAsk(
            self.component,
            self.starts_at,
            self.ends_at,
            # Worked out before anybody promises it.
            0 if self.replicas is None else self.replicas,
            self.expected_rps,
            self.note,
            self.expected.expected() if self.expected else None,
        )
