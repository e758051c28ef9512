"""The desk where departments ask: submit, decide, cancel, fulfil. The same for API, CLI and pages."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from cloudmgr.errors import Conflict, Invalid
from cloudmgr.hosting.environments import Environment, System
from cloudmgr.hosting.facts import request_facts, with_pool
from cloudmgr.hosting.requests import (
    Approval,
    Estimate,
    HostingRequest,
    RequestKind,
    RequestState,
    cancel,
    first_state,
    sign,
)
from cloudmgr.hosting.validation import Problem, ask_problems, refuse, window_problems
from cloudmgr.policy.decision import Decision, Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.hosting.environments import Component, Purpose
    from cloudmgr.hosting.facts import Facts
    from cloudmgr.hosting.requests import EnvironmentAsk, Verdict, WindowAsk
    from cloudmgr.hosting.store import EnvironmentStore, RequestStore, SystemStore
    from cloudmgr.policy.bundle import PolicyBundle
    from cloudmgr.pools.pool import Pool, Zone

_ZERO = Decimal(0)


class Asker(Protocol):
    """Whoever stands at the desk."""

    @property
    def user_id(self) -> str: ...
    @property
    def login(self) -> str: ...
    @property
    def roles(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class Draft:
    """A request before it is decided on."""

    kind: RequestKind
    system_id: str
    environment_id: str | None = None
    ask: EnvironmentAsk | None = None
    windows: tuple[WindowAsk, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A pool that was considered and the reasons against it; none if it would do."""

    pool_name: str
    against: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Location:
    """Where an environment would go, or None, and every pool that was considered."""

    pool_id: str | None
    considered: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Assessment:
    """What would come of a draft: would it be allowed, what would it cost a month, where would it go."""

    decision: Decision
    estimate: Estimate
    location: Location


class Means(Protocol):
    """What the desk needs of the floors above and beside it; the composition root supplies it."""

    def policy(self) -> PolicyBundle:
        """The bundle in force now."""
        ...

    def department_code(self, tx: Connection, department_id: str) -> str: ...

    def locate(
        self,
        tx: Connection,
        components: Sequence[Component],
        accepts: Callable[[Pool], tuple[Reason, ...]],
    ) -> Location:
        """Choose a pool."""
        ...

    def estimate(self, components: Sequence[Component], zone: Zone) -> Estimate: ...

    def announce(self, tx: Connection, request: HostingRequest, environment: Environment) -> None:
        """Put the announced peaks of a fulfilled request into the calendar."""
        ...

    def record(self, tx: Connection, actor: Asker, action: str, request: HostingRequest) -> None:
        """Append to the audit trail."""
        ...

    def wake(self, environment_id: str) -> None:
        """Look at this environment soon."""
        ...


class Desk:
    """Use cases of hosting requests. Each method is one transaction."""

    def __init__(  # noqa: PLR0913 - what a desk works with
        self,
        systems: SystemStore,
        environments: EnvironmentStore,
        requests: RequestStore,
        means: Means,
        clock: Clock,
        gateway_domain: str,
    ) -> None:
        self._systems = systems
        self._environments = environments
        self._requests = requests
        self._means = means
        self._clock = clock
        self._domain = gateway_domain

    def dry_run(self, tx: Connection, draft: Draft, asker: Asker) -> Assessment:
        """What would come of ``draft``; nothing is written.

        :raises Invalid: ``invalid-workload`` with every problem. :raises NotFound, Conflict: as
            :meth:`submit`.
        """
        return self._assess(tx, draft, asker)[0]

    def submit(self, tx: Connection, draft: Draft, asker: Asker) -> HostingRequest:
        """Decide on ``draft`` by policy, keep it with its reasons, and fulfil it if it needs nobody.

        :raises Invalid: ``invalid-workload``, ``name-taken``. :raises NotFound: no such system or
            environment. :raises Conflict: ``retiring``.
        """
        assessment, system, environment = self._assess(tx, draft, asker)
        request = HostingRequest(
            id=f"req_{uuid.uuid4().hex[:16]}",
            kind=draft.kind,
            department_id=system.department_id,
            system_id=system.id,
            environment_id=environment.id if environment else None,
            ask=draft.ask,
            windows=draft.windows,
            reason=draft.reason,
            submitted_by=asker.user_id,
            submitted_by_login=asker.login,
            submitted_at=self._clock.now(),
            state=first_state(assessment.decision),
            decision=assessment.decision,
            pool_id=assessment.location.pool_id,
            estimate=assessment.estimate,
        )
        self._requests.add(tx, request)
        self._means.record(tx, asker, "request.submit", request)
        if request.state is RequestState.APPROVED:
            return self._fulfil(tx, request, asker)
        return request

    def decide(  # noqa: PLR0913 - a signature is made of these
        self,
        tx: Connection,
        request: HostingRequest,
        asker: Asker,
        verdict: Verdict,
        reason: str,
        role: str | None = None,
    ) -> HostingRequest:
        """Sign ``request`` in ``role``, or in the first role that is waited for and that one has.

        :raises Forbidden: ``four-eyes``, ``already-signed``, ``role-not-needed``.
        :raises Conflict: ``not-awaiting-approval``, ``stale-version``. :raises Invalid: a rejection
            without a reason.
        """
        if verdict.value == "reject" and not reason.strip():
            raise Invalid(
                "a rejection needs a reason", code="reason-missing", path="reason",
                hint="say what the department should change",
            )
        waiting = [pending.role for pending in request.pending if pending.role in asker.roles]
        signed = sign(
            request,
            Approval(
                user_id=asker.user_id,
                login=asker.login,
                role=role or (waiting[0] if waiting else min(asker.roles, default="nobody")),
                verdict=verdict,
                reason=reason,
                at=self._clock.now(),
            ),
        )
        after = self._requests.change(tx, request, signed)
        self._means.record(tx, asker, f"request.{verdict.value}", after)
        if after.state is RequestState.APPROVED:
            return self._fulfil(tx, after, asker)
        return after

    def cancel(
        self, tx: Connection, request: HostingRequest, asker: Asker, reason: str
    ) -> HostingRequest:
        """:raises Conflict: ``not-cancellable``, ``stale-version``."""
        after = self._requests.change(tx, request, cancel(request, reason))
        self._means.record(tx, asker, "request.cancel", after)
        return after

    def _assess(
        self, tx: Connection, draft: Draft, asker: Asker
    ) -> tuple[Assessment, System, Environment | None]:
        system = self._systems.get(tx, draft.system_id)
        environment = self._subject(tx, draft, system)
        name, purpose, components = self._shape(draft, environment)
        problems: list[Problem] = ask_problems(draft.ask) if draft.ask else []
        problems += window_problems(draft.windows, components, self._clock.now())
        if draft.kind is RequestKind.PEAK and not draft.windows:
            problems.append(("windows", "announce at least one peak window"))
        if draft.kind is RequestKind.RESIZE and environment and draft.ask:
            problems += _resize_problems(environment, draft.ask)
        refuse(problems)
        estimate = self._means.estimate(components, system.zone)
        facts = request_facts(
            kind=draft.kind, reason=draft.reason,
            department_code=self._means.department_code(tx, system.department_id),
            roles=asker.roles, system=system, environment_name=name, purpose=purpose,
            components=components, windows=draft.windows, cost_per_month=estimate.high,
            now=self._clock.now(),
        )
        policy = self._means.policy()
        decision = policy.admit(facts)
        location = Location(environment.pool_id if environment else None)
        if draft.kind is RequestKind.NEW:
            location = self._means.locate(tx, components, _accepts(policy, facts))
            if location.pool_id is None and decision.outcome is not Outcome.DENY:
                decision = _denied_for_want_of_a_pool(decision, location)
        return Assessment(decision, estimate, location), system, environment

    def _subject(self, tx: Connection, draft: Draft, system: System) -> Environment | None:
        if draft.kind is RequestKind.NEW:
            if draft.ask is None:
                raise Invalid("say which environment you need", code="ask-missing", path="environment")
            if draft.environment_id is not None:
                raise Invalid(
                    "a new environment has no id yet", code="unexpected", path="environment_id"
                )
            taken = self._environments.by_host(tx, self._host(system, draft.ask.name))
            if taken is not None:
                raise Invalid(
                    f"{system.code} has an environment {draft.ask.name} already", code="name-taken",
                    path="environment.name", hint="choose another name, or ask to resize that one",
                )
            return None
        if draft.environment_id is None:
            raise Invalid(
                f"a request to {draft.kind.value} names an environment", code="environment-missing",
                path="environment_id",
            )
        environment = self._environments.get(tx, draft.environment_id)
        if environment.system_id != system.id:
            raise Invalid(
                "the environment belongs to another system", code="wrong-system",
                path="environment_id",
            )
        if environment.retiring:
            raise Conflict("the environment is being retired", code="retiring")
        if (draft.ask is None) == (draft.kind is RequestKind.RESIZE):
            raise Invalid(
                "a resize says what the environment is to become; no other request does",
                code="ask-missing" if draft.ask is None else "unexpected", path="environment",
            )
        return environment

    @staticmethod
    def _shape(
        draft: Draft, environment: Environment | None
    ) -> tuple[str, Purpose, tuple[Component, ...]]:
        if draft.ask is not None:
            return draft.ask.name, draft.ask.purpose, draft.ask.components
        assert environment is not None  # noqa: S101 - _subject has seen to it
        return environment.name, environment.purpose, environment.components

    def _host(self, system: System, name: str) -> str:
        return f"{system.code}-{name}.{system.zone.value}.{self._domain}"

    def _fulfil(self, tx: Connection, request: HostingRequest, asker: Asker) -> HostingRequest:
        system = self._systems.get(tx, request.system_id)
        try:
            environment = self._carry_out(tx, request, system)
        except (Conflict, Invalid) as error:
            after = self._requests.change(
                tx, request, replace(request, state=RequestState.FAILED, message=error.message)
            )
            self._means.record(tx, asker, "request.fail", after)
            return after
        after = self._requests.change(
            tx, request,
            replace(
                request, state=RequestState.FULFILLED, environment_id=environment.id,
                pool_id=environment.pool_id,
            ),
        )
        if after.windows:
            self._means.announce(tx, after, environment)
        self._means.record(tx, asker, "request.fulfil", after)
        self._means.wake(environment.id)
        return after

    def _carry_out(
        self, tx: Connection, request: HostingRequest, system: System
    ) -> Environment:
        if request.kind is RequestKind.NEW:
            return self._create(tx, request, system)
        assert request.environment_id is not None  # noqa: S101 - checked at submission
        environment = self._environments.get(tx, request.environment_id)
        if environment.retiring:
            raise Conflict("the environment is being retired", code="retiring")
        if request.kind is RequestKind.RETIRE:
            return self._environments.set_retiring(tx, environment)
        if request.kind is RequestKind.RESIZE and request.ask is not None:
            components = request.ask.components
            return self._environments.set_components(
                tx, environment, components,
                target={c.name: _clamped(environment, c) for c in components},
                scaling_class=self._scaling_class(tx, system, request.ask),
            )
        return environment

    def _create(self, tx: Connection, request: HostingRequest, system: System) -> Environment:
        ask = request.ask
        assert ask is not None  # noqa: S101 - checked at submission
        policy = self._means.policy()
        facts = self._placement_facts(tx, system, ask)
        # Placed anew: what was free when it was submitted may be taken by the time it is approved.
        location = self._means.locate(tx, ask.components, _accepts(policy, facts))
        if location.pool_id is None:
            raise Conflict(
                "no pool can take it now: " + _against(location), code="no-pool",
                hint="ask again with a smaller size, or ask the operators for room",
            )
        environment = Environment(
            id=f"env_{uuid.uuid4().hex[:16]}",
            system_id=system.id,
            department_id=system.department_id,
            name=ask.name,
            host=self._host(system, ask.name),
            zone=system.zone,
            pool_id=location.pool_id,
            purpose=ask.purpose,
            scaling_class=policy.scaling_class_for(facts).name,
            components=ask.components,
            target={c.name: c.min_replicas for c in ask.components},
            created_at=self._clock.now(),
        )
        self._environments.add(tx, environment)
        return environment

    def _scaling_class(self, tx: Connection, system: System, ask: EnvironmentAsk) -> str:
        facts = self._placement_facts(tx, system, ask)
        return self._means.policy().scaling_class_for(facts).name

    def _placement_facts(self, tx: Connection, system: System, ask: EnvironmentAsk) -> Facts:
        return request_facts(
            kind=RequestKind.NEW, reason="", roles=(), windows=(),
            department_code=self._means.department_code(tx, system.department_id),
            system=system, environment_name=ask.name, purpose=ask.purpose,
            components=ask.components, cost_per_month=_ZERO, now=self._clock.now(),
        )


def _accepts(policy: PolicyBundle, facts: Facts) -> Callable[[Pool], tuple[Reason, ...]]:
    def reasons(pool: Pool) -> tuple[Reason, ...]:
        decision = policy.accepts(with_pool(facts, pool))
        return () if decision.outcome is Outcome.ALLOW else decision.reasons

    return reasons


def _denied_for_want_of_a_pool(decision: Decision, location: Location) -> Decision:
    reasons = tuple(
        Reason(r.rule, f"资源池 {c.pool_name}：{r.zh}", f"pool {c.pool_name}: {r.en}")
        for c in location.considered for r in c.against
    ) or (Reason("no-pool", "该网络域没有资源池", "there is no pool in this zone"),)
    return replace(
        decision, outcome=Outcome.DENY, reasons=(*decision.reasons, *reasons),
        fired=(*decision.fired, *dict.fromkeys(r.rule for r in reasons)), steps=(),
    )


def _against(location: Location) -> str:
    return "; ".join(
        f"{c.pool_name}: {', '.join(r.en for r in c.against)}" for c in location.considered
    ) or "there is none in this zone"


def _resize_problems(environment: Environment, ask: EnvironmentAsk) -> list[Problem]:
    problems: list[Problem] = []
    if ask.name != environment.name:
        problems.append(("environment.name", f"it is called {environment.name}; a resize keeps that"))
    if ask.purpose is not environment.purpose:
        problems.append(("environment.purpose", "a resize keeps the purpose"))
    kept = {c.name: c for c in ask.components}
    for old in environment.components:
        new = kept.get(old.name)
        if new is not None and new.storage_gib < old.storage_gib:
            problems.append((
                f"environment.components.{old.name}.storage_gib",
                f"storage cannot shrink: it is {old.storage_gib} GiB",
            ))
    return problems


def _clamped(environment: Environment, component: Component) -> int:
    """The current target of a component, moved into its new bounds; asleep stays asleep."""
    if environment.hibernated:
        return 0
    current = environment.target.get(component.name, component.min_replicas)
    return max(component.min_replicas, min(current, component.max_replicas))
