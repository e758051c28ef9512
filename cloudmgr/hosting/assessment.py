"""What would come of a request: checked, decided by policy, priced and placed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from cloudmgr.errors import Conflict, Invalid, NotFound
from cloudmgr.hosting.bindings import against, binding_problems
from cloudmgr.hosting.coming import refused, series_problems, sized
from cloudmgr.hosting.facts import request_facts, with_pool
from cloudmgr.hosting.refusing import denied, want_of_a_pool
from cloudmgr.hosting.requests import CHANGES, RequestKind
from cloudmgr.hosting.validation import (
    Problem,
    ask_problems,
    label_problems,
    refuse,
    resize_problems,
    window_problems,
)
from cloudmgr.policy.decision import Decision, Outcome
from cloudmgr.pools.capacity import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.hosting.environments import Component, Environment, Purpose, System
    from cloudmgr.hosting.facts import Facts
    from cloudmgr.hosting.means import Means
    from cloudmgr.hosting.requests import Coming, EnvironmentAsk, Estimate, SeriesAsk, WindowAsk
    from cloudmgr.hosting.store import EnvironmentStore, SystemStore
    from cloudmgr.planning.promise_words import Told
    from cloudmgr.policy.bundle import PolicyBundle
    from cloudmgr.policy.decision import Reason
    from cloudmgr.pools.pool import Pool


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
    series: tuple[SeriesAsk, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A pool that was considered and the reasons against it; none if it would do."""

    pool_name: str
    against: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Location:
    """Where an environment would go, or None, and every pool that was considered.

    ``room`` is what the chosen pool has left for it, what it holds there already included.
    """

    pool_id: str | None
    considered: tuple[Refusal, ...] = ()
    room: Room = Room()  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True)
class Prospect:
    """An environment as it would be, with the peaks that come with it.

    ``environment_id`` is None of a new one.
    """

    environment_id: str | None
    system: System
    components: tuple[Component, ...]
    scaling_class: str
    windows: tuple[WindowAsk, ...] = ()


@dataclass(frozen=True, slots=True)
class Assessment:
    """Would it be allowed, what would it cost a month, where would it go.

    ``promises`` is what its pool answers to each peak that is announced for what is there;
    ``windows`` are the peaks with their replicas, also where those were worked out; ``series`` the
    same of what comes round, and ``coming`` when it does. Of theirs the answers come last.
    """

    decision: Decision
    estimate: Estimate
    location: Location
    promises: tuple[Told, ...] = ()
    windows: tuple[WindowAsk, ...] = ()
    series: tuple[SeriesAsk, ...] = ()
    coming: tuple[Coming, ...] = ()


class Assessor:
    """Looks at drafts. Reads only."""

    def __init__(
        self,
        systems: SystemStore,
        environments: EnvironmentStore,
        means: Means,
        clock: Clock,
        gateway_domain: str,
    ) -> None:
        self._systems = systems
        self._environments = environments
        self._means = means
        self._clock = clock
        self._domain = gateway_domain

    def assess(
        self, tx: Connection, draft: Draft, asker: Asker
    ) -> tuple[Assessment, System, Environment | None]:
        system = self._systems.get(tx, draft.system_id)
        self._check_department(tx, draft, system)
        environment = self._subject(tx, draft, system)
        name, purpose, components = self._shape(draft, environment)
        draft = self._sized(tx, draft, asker, system, environment)
        coming = self._means.coming(tx, draft.environment_id, draft.series)
        dated = tuple(window for one in coming for window in one.windows)
        problems: list[Problem] = ask_problems(draft.ask) if draft.ask else []
        problems += label_problems(system.code, name)
        problems += window_problems(draft.windows, components, self._clock.now())
        problems += series_problems(draft, coming, components, self._clock.now())
        if draft.kind is RequestKind.PEAK and not (draft.windows or draft.series):
            problems.append(("windows", "announce at least one peak window"))
        if draft.windows and draft.kind not in {RequestKind.NEW, RequestKind.PEAK}:
            problems.append(("windows", f"a request to {draft.kind.value} announces no peak"))
        if draft.kind is RequestKind.RESIZE and environment and draft.ask:
            problems += resize_problems(environment, draft.ask)
        policy = self._means.policy()
        code = self._means.department_code(tx, system.department_id)
        if draft.ask is not None:
            problems += binding_problems(
                components,
                system.zone.value,
                code,
                policy.services,
                lambda service: self._means.place(tx, service),
            )
        refuse(problems)

        def facts(cost: Decimal) -> Facts:
            return request_facts(
                kind=draft.kind,
                reason=draft.reason,
                department_code=code,
                roles=asker.roles,
                system=system,
                environment_name=name,
                purpose=purpose,
                components=components,
                windows=(*draft.windows, *dated),
                cost_per_month=cost,
                now=self._clock.now(),
            )

        estimate = self._means.estimate(components, system.zone)
        location = Location(environment.pool_id if environment else None)
        if draft.ask is not None:
            known = facts(estimate.high)
            may = self.accepts(
                tx, policy, known, self.prospect(policy, known, system, draft, components)
            )
            location = self._means.locate(tx, components, may, system.zone, environment)
        sizes = self._means.sizes(location.pool_id)
        if sizes.known:
            # What it takes there is what is paid for, whatever was asked.
            estimate = self._means.estimate([c.taking(sizes) for c in components], system.zone)
        decision = policy.admit(facts(estimate.high))
        promises: tuple[Told, ...] = ()
        if draft.kind is RequestKind.PEAK and environment is not None:
            promises = self._means.promises(tx, environment, (*draft.windows, *dated))
            decision = denied(decision, refused(promises, draft.windows, coming))
        decision = self._told_of_freeze(tx, draft, environment, decision)
        nowhere = draft.ask is not None and location.pool_id is None
        if nowhere and decision.outcome is not Outcome.DENY:
            decision = denied(decision, want_of_a_pool(location))
        found = Assessment(
            decision, estimate, location, promises, draft.windows, draft.series, coming
        )
        return found, system, environment

    def _told_of_freeze(
        self, tx: Connection, draft: Draft, environment: Environment | None, decision: Decision
    ) -> Decision:
        """With a word on when it may be carried out; it may be asked for all the same."""
        if draft.kind not in CHANGES or environment is None:
            return decision
        frozen = self._means.frozen(tx, environment)
        if frozen is None:
            return decision
        return replace(decision, reasons=(*decision.reasons, frozen))

    def _sized(
        self,
        tx: Connection,
        draft: Draft,
        asker: Asker,
        system: System,
        environment: Environment | None,
    ) -> Draft:
        """With the replicas of peaks that were announced in other terms."""
        said = [one.expected for one in draft.windows] + [one.expected for one in draft.series]
        if not any(said):
            return draft
        name, purpose, components = self._shape(draft, environment)
        if environment is not None:
            scaling_class = environment.scaling_class
        else:
            known = request_facts(
                kind=draft.kind,
                reason=draft.reason,
                department_code=self._means.department_code(tx, system.department_id),
                roles=asker.roles,
                system=system,
                environment_name=name,
                purpose=purpose,
                components=components,
                windows=(),
                cost_per_month=Decimal(0),
                now=self._clock.now(),
            )
            scaling_class = self._means.policy().scaling_class_for(known).name

        def size(asks: Sequence[WindowAsk]) -> tuple[WindowAsk, ...]:
            return self._means.sized(tx, draft.environment_id, scaling_class, components, asks)

        series = sized(draft.series, self._clock.now(), size)
        return replace(draft, windows=size(draft.windows), series=series)

    @staticmethod
    def prospect(
        policy: PolicyBundle,
        facts: Facts,
        system: System,
        draft: Draft,
        components: tuple[Component, ...],
    ) -> Prospect:
        """What ``draft`` would make of its environment."""
        return Prospect(
            draft.environment_id,
            system,
            components,
            policy.scaling_class_for(facts).name,
            draft.windows,
        )

    def _check_department(self, tx: Connection, draft: Draft, system: System) -> None:
        """One that has ended asks for nothing more; what it had must be let go all the same."""
        if draft.kind is RequestKind.RETIRE:
            return
        if not self._means.department_active(tx, system.department_id):
            raise Conflict(
                "the department of this system does not exist now",
                code="department-ended",
                hint="its environments can be retired; an administrator says what departments are",
            )

    def _subject(self, tx: Connection, draft: Draft, system: System) -> Environment | None:
        if draft.kind is RequestKind.NEW:
            if draft.ask is None:
                raise Invalid(
                    "say which environment you need", code="ask-missing", path="environment"
                )
            if draft.environment_id is not None:
                raise Invalid(
                    "a new environment has no id yet", code="unexpected", path="environment_id"
                )
            taken = self.taken(tx, self.host(system, draft.ask.name))
            if taken:
                raise Invalid(
                    taken,
                    code="name-taken",
                    path="environment.name",
                    hint="choose another name, or ask to resize the environment that has it",
                )
            return None
        if draft.environment_id is None:
            raise Invalid(
                f"a request to {draft.kind.value} names an environment",
                code="environment-missing",
                path="environment_id",
            )
        environment = self._environments.get(tx, draft.environment_id)
        if environment.department_id != system.department_id:
            # In the words of the store: nobody learns what others have.
            raise NotFound(f"there is no environment {environment.id}", code="no-such-environment")
        if environment.system_id != system.id:
            raise Invalid(
                "the environment belongs to another system",
                code="wrong-system",
                path="environment_id",
            )
        if environment.retiring:
            raise Conflict("the environment is being retired", code="retiring")
        if (draft.ask is None) == (draft.kind is RequestKind.RESIZE):
            raise Invalid(
                "a resize says what the environment is to become; no other request does",
                code="ask-missing" if draft.ask is None else "unexpected",
                path="environment",
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

    def taken(self, tx: Connection, host: str) -> str:
        """A sentence when an environment has this address, whosesoever; empty when it is free."""
        return "" if self._environments.by_host(tx, host) is None else f"{host} is taken"

    def host(self, system: System, name: str) -> str:
        return f"{system.code}-{name}.{system.zone.value}.{self._domain}"

    def accepts(
        self, tx: Connection, policy: PolicyBundle, facts: Facts, prospect: Prospect
    ) -> Callable[[Pool], tuple[Reason, ...]]:
        """What speaks against a pool: the rules, services out of reach there, what it promised."""
        out_of_reach = against(
            prospect.components, policy.services, lambda service: self._means.place(tx, service)
        )

        def reasons(pool: Pool) -> tuple[Reason, ...]:
            decision = policy.accepts(with_pool(facts, pool))
            refused = () if decision.outcome is Outcome.ALLOW else decision.reasons
            promised = self._means.promised(tx, pool, prospect)
            return (*refused, *out_of_reach(pool), *promised)

        return reasons
