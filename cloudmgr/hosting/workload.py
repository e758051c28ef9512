"""From what was approved to what ought to run, and from what runs to what is said of it: pure."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from cloudmgr.conditions import Condition, Status, merge, ready
from cloudmgr.errors import CloudmgrError, Permanent
from cloudmgr.hosting.bindings import unbound
from cloudmgr.hosting.environments import Endpoint, EnvironmentStatus, without_value
from cloudmgr.pools.drivers.driver import (
    ComponentWorkload,
    ReplicaState,
    SecretValue,
    Workload,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from cloudmgr.hosting.environments import Component, Environment
    from cloudmgr.pools.drivers.driver import ObservedReplica, ObservedWorkload

REQUIRED = ("Applied", "Available")
NO_DRIVER = "no-driver"
# Whatever keeps a secret from being sealed or opened here.
SEALED = "secrets-sealed"
_REFUSED = "Refused"
# A pool that answers, if only that it will not do it now, was reached.
_BY_CODE = {
    NO_DRIVER: "NoDriver",
    SEALED: "SecretsSealed",
    "pool-unreachable": "PoolUnreachable",
}


@dataclass(frozen=True, slots=True)
class Apply:
    """Tell the pool what ought to run."""

    workload: Workload


@dataclass(frozen=True, slots=True)
class Remove:
    """Tell the pool to let the environment go."""


@dataclass(frozen=True, slots=True)
class Forget:
    """The pool holds nothing any more: the row may go."""


Action = Apply | Remove | Forget


def workload(environment: Environment) -> Workload:
    """What ought to run now, by the approved components and the current target."""
    return Workload(
        environment_id=environment.id,
        name=environment.host.split(".", 1)[0],
        department_id=environment.department_id,
        system_id=environment.system_id,
        zone=environment.zone.value,
        components=tuple(
            ComponentWorkload(
                name=c.name,
                replicas=environment.target.get(c.name, 0),
                cpu_millis=c.cpu_millis,
                memory_mib=c.memory_mib,
                command=c.command,
                image=c.image,
                port=c.port,
                health_path=c.health_path,
                startup_seconds=c.startup_seconds,
                storage_gib=c.storage_gib,
                variables=c.variables,
                ceiling=c.max_replicas,
                reserved=environment.reserved.get(c.name, 0),
                elastic=environment.elastic and environment.target.get(c.name, 0) > 0,
                files=c.files,
                secrets={
                    name: SecretValue(environment.secrets.get(name, "")) for name in c.secrets
                },
                services=tuple(s for s in environment.services if s.name in c.bindings),
                offers=tuple(
                    sorted(name for name, at in environment.offers.items() if at == c.name)
                ),
            )
            for c in environment.components
        ),
        criticality=int(environment.criticality),
        corrects_drift=environment.corrects_drift,
    )


def plan(environment: Environment, observed: ObservedWorkload | None) -> Action | None:
    """The one thing to do next, or None when there is nothing to do.

    What a pool refused for good is not tried again before the next generation (what only lacked a
    driver or a key is), and a removal that is under way is not ordered twice.
    """
    applied = _condition(environment, "Applied")
    current = applied is not None and applied.observed_generation == environment.generation
    if environment.retiring:
        if observed is None:
            return Forget()
        return None if current and applied and applied.reason == "Removing" else Remove()
    wanted = workload(environment)
    if observed is not None and observed.digest == wanted.digest:
        return None
    if current and applied and applied.reason == _REFUSED:
        return None
    if without_value(environment):
        return None
    return Apply(wanted)


def status(
    environment: Environment,
    observed: ObservedWorkload | None,
    now: datetime,
    lacking: Mapping[str, str] = MappingProxyType({}),
) -> EnvironmentStatus:
    """What is to be said of the environment, given what its pool holds.

    :param lacking: a sentence on each shared service that it is bound to and cannot use.
    """
    replicas = observed.replicas if observed else ()
    up = [r for r in replicas if r.state is ReplicaState.READY]
    generation = environment.generation
    conditions = merge(
        environment.status.conditions,
        [
            _applied(environment, observed, now),
            _available(environment, up, now),
            _scaled(environment, replicas, up, now),
            _healthy(generation, observed, now),
            *_drifted(environment, observed, now),
            *_bound(environment, lacking, now),
        ],
    )
    return EnvironmentStatus(
        observed_generation=generation,
        conditions=conditions,
        endpoints=tuple(
            Endpoint(r.component, r.address, r.port)
            for r in sorted(up, key=lambda r: (r.component, r.slot))
            if r.port is not None
        ),
        replicas=_count(environment, replicas),
        ready=_count(environment, up),
    )


def failed(environment: Environment, error: CloudmgrError, now: datetime) -> EnvironmentStatus:
    """What is to be said when the pool could not be told or asked: False for good, else Unknown."""
    lasting = isinstance(error, Permanent)
    otherwise = _REFUSED if lasting else "NotNow"
    condition = Condition(
        "Applied",
        Status.FALSE if lasting else Status.UNKNOWN,
        _BY_CODE.get(error.code, otherwise),
        f"{error.message}. {error.hint}".rstrip(". ") + ".",
        environment.generation,
        now,
    )
    known = environment.status
    return EnvironmentStatus(
        observed_generation=environment.generation,
        conditions=merge(known.conditions, [condition]),
        endpoints=known.endpoints,
        replicas=known.replicas,
        ready=known.ready,
    )


def settled(environment: Environment, observed: ObservedWorkload | None) -> bool:
    """Whether nothing is under way, so that only an event or the resync need look again."""
    if observed is None or environment.retiring:
        return False
    if observed.digest != workload(environment).digest:
        return False
    counts = _count(environment, observed.replicas)
    return all(_enough(environment, c, counts[c.name]) for c in environment.components) and all(
        r.state is ReplicaState.READY for r in observed.replicas
    )


def readiness(environment: Environment) -> Condition:
    """``Ready`` of the environment, derived."""
    return ready(environment.status.conditions, REQUIRED, environment.generation)


def unchanged_since(status: EnvironmentStatus) -> datetime | None:
    """When what is said of it last turned; None if nothing is said yet."""
    return max((c.since for c in status.conditions), default=None)


def _applied(
    environment: Environment, observed: ObservedWorkload | None, now: datetime
) -> Condition:
    generation = environment.generation
    if environment.retiring:
        return Condition(
            "Applied",
            Status.TRUE,
            "Removing",
            "the pool is giving everything back",
            generation,
            now,
        )
    known = _condition(environment, "Applied")
    lacking = without_value(environment)
    if lacking:
        return Condition(
            "Applied",
            Status.FALSE,
            "SecretsMissing",
            f"secrets without a value: {', '.join(lacking)}. What ran before goes on until they "
            "have one",
            generation,
            now,
        )
    if observed is not None and observed.digest == workload(environment).digest:
        return Condition("Applied", Status.TRUE, "AsApproved", "", generation, now)
    if known and known.status is Status.FALSE and known.observed_generation == generation:
        return known
    return Condition(
        "Applied",
        Status.UNKNOWN,
        "Changing",
        "the pool is being told what ought to run",
        generation,
        now,
    )


def _available(environment: Environment, up: Iterable[ObservedReplica], now: datetime) -> Condition:
    generation = environment.generation
    if environment.retiring:
        return Condition(
            "Available", Status.FALSE, "Retiring", "it is being retired", generation, now
        )
    if environment.hibernated:
        return Condition(
            "Available",
            Status.TRUE,
            "Hibernated",
            "asleep; it wakes on the first request",
            generation,
            now,
        )
    counts = _count(environment, up)
    short = [
        f"{c.name} {counts[c.name]} of {least}"
        for c in environment.components
        if counts[c.name] < (least := min(c.min_replicas, environment.target.get(c.name, 0)))
    ]
    if short:
        return Condition(
            "Available", Status.FALSE, "TooFewReady", "ready: " + ", ".join(short), generation, now
        )
    return Condition("Available", Status.TRUE, "Serving", "", generation, now)


def _scaled(
    environment: Environment,
    replicas: Iterable[ObservedReplica],
    up: Iterable[ObservedReplica],
    now: datetime,
) -> Condition:
    generation = environment.generation
    have, running = _count(environment, replicas), _count(environment, up)
    moving = [
        f"{c.name} {running[c.name]} of {environment.target.get(c.name, 0)} ready"
        for c in environment.components
        if have[c.name] != running[c.name] or not _enough(environment, c, have[c.name])
    ]
    if moving:
        return Condition("Scaled", Status.FALSE, "Scaling", ", ".join(moving), generation, now)
    return Condition("Scaled", Status.TRUE, "AtTarget", "", generation, now)


def _healthy(generation: int, observed: ObservedWorkload | None, now: datetime) -> Condition:
    problems = list(observed.problems) if observed else []
    problems += [
        f"{r.component} {r.slot}: {r.message or r.state.value}"
        for r in (observed.replicas if observed else ())
        if r.state in {ReplicaState.BACKOFF, ReplicaState.UNHEALTHY}
    ]
    if problems:
        return Condition(
            "Healthy", Status.FALSE, "Problems", "; ".join(problems)[:2000], generation, now
        )
    # What the pool does not do for it is no trouble, and is told all the same.
    limitations = "; ".join(observed.limitations) if observed else ""
    return Condition("Healthy", Status.TRUE, "NoProblems", limitations[:2000], generation, now)


def _drifted(
    environment: Environment, observed: ObservedWorkload | None, now: datetime
) -> list[Condition]:
    """Said from the first time that others changed something; there is nothing to say before."""
    drift = observed.drift if observed else ()
    generation = environment.generation
    if drift:
        what = "; ".join(drift)[:2000]
        return [Condition("Drifted", Status.TRUE, "ChangedByOthers", what, generation, now)]
    if _condition(environment, "Drifted") is None:
        return []
    return [Condition("Drifted", Status.FALSE, "AsWritten", "", generation, now)]


def _bound(environment: Environment, lacking: Mapping[str, str], now: datetime) -> list[Condition]:
    """Said of what has bindings, or had some; what was bound before goes on without the others."""
    generation = environment.generation
    if lacking:
        what = "; ".join(lacking.values())[:2000]
        return [Condition("Bound", Status.FALSE, "ServicesMissing", what, generation, now)]
    if unbound(environment):
        return []  # policy has it again, and is about to be followed
    if _condition(environment, "Bound") is None and not environment.services:
        return []
    return [Condition("Bound", Status.TRUE, "AsBound", "", generation, now)]


def _enough(environment: Environment, component: Component, count: int) -> bool:
    """Whether so many replicas are what ought to run: the pool itself may add to the target."""
    want = environment.target.get(component.name, 0)
    if environment.elastic and want:
        return want <= count <= component.max_replicas
    return count == want


def _count(environment: Environment, replicas: Iterable[ObservedReplica]) -> dict[str, int]:
    counts = dict.fromkeys((c.name for c in environment.components), 0)
    for replica in replicas:
        counts[replica.component] = counts.get(replica.component, 0) + 1
    return counts


def _condition(environment: Environment, kind: str) -> Condition | None:
    return next((c for c in environment.status.conditions if c.type == kind), None)


def _lacks_secrets(environment: Environment) -> bool:
    applied = _condition(environment, "Applied")
    return applied is not None and applied.reason in {"SecretsMissing", "SecretsSealed"}


def drifted(environment: Environment) -> bool:
    """Whether others changed what its pool was told, and it stands so."""
    condition = _condition(environment, "Drifted")
    return condition is not None and condition.status is Status.TRUE


def word(environment: Environment) -> str:
    """How it is, in one word: what a list shows first.

    ``retiring``, ``waiting`` (for a secret), ``refused``, ``hibernated``, ``starting``,
    ``scaling``, ``degraded`` or ``ready``.
    """

    def said(kind: str) -> Status:
        condition = _condition(environment, kind)
        if condition is None or condition.observed_generation < environment.generation:
            return Status.UNKNOWN
        return condition.status

    if environment.retiring:
        return "retiring"
    if said("Applied") is Status.FALSE:
        return "waiting" if _lacks_secrets(environment) else "refused"
    if environment.hibernated:
        return "hibernated"
    if said("Available") is not Status.TRUE:
        # A change of scale leaves what ran before: only what serves nobody is starting.
        return "scaling" if environment.status.endpoints else "starting"
    if said("Scaled") is not Status.TRUE:
        return "scaling"
    return "degraded" if said("Healthy") is Status.FALSE else "ready"
