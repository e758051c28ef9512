"""The desk where departments ask: submit, decide, cancel, fulfil; the same for every face."""

from __future__ import annotations

import uuid
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from cloudmgr.errors import Conflict, Forbidden, Invalid, NotFound
from cloudmgr.hosting.assessment import Prospect
from cloudmgr.hosting.environments import Environment, System, held
from cloudmgr.hosting.facts import request_facts
from cloudmgr.hosting.requests import (
    CHANGES,
    Approval,
    HostingRequest,
    RequestKind,
    RequestState,
    cancel,
    first_state,
    sign,
)
from cloudmgr.policy.decision import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.hosting.assessment import Asker, Assessment, Assessor, Draft, Location
    from cloudmgr.hosting.environments import Component
    from cloudmgr.hosting.facts import Facts
    from cloudmgr.hosting.means import Means
    from cloudmgr.hosting.requests import EnvironmentAsk, Verdict
    from cloudmgr.hosting.store import EnvironmentStore, RequestStore, SystemStore
    from cloudmgr.pools.capacity import Room

_ZERO = Decimal(0)


class Desk:
    """Use cases of hosting requests. Each method is one transaction."""

    def __init__(
        self,
        *,
        systems: SystemStore,
        environments: EnvironmentStore,
        requests: RequestStore,
        assessor: Assessor,
        means: Means,
        clock: Clock,
    ) -> None:
        self._systems = systems
        self._environments = environments
        self._requests = requests
        self._means = means
        self._clock = clock
        self._assessor = assessor

    def dry_run(self, tx: Connection, draft: Draft, asker: Asker) -> Assessment:
        """What would come of ``draft``; nothing is written.

        :raises Invalid: ``invalid-workload`` with every problem. :raises NotFound, Conflict: as
            :meth:`submit`.
        """
        return self._assessor.assess(tx, draft, asker)[0]

    def submit(self, tx: Connection, draft: Draft, asker: Asker) -> HostingRequest:
        """Decide on ``draft`` by policy, keep it with its reasons, fulfil it if it needs nobody.

        :raises Invalid: ``invalid-workload``, ``name-taken``. :raises NotFound: no such system or
            environment. :raises Conflict: ``retiring``; ``change-frozen``, where nobody need sign.
        """
        assessment, system, environment = self._assessor.assess(tx, draft, asker)
        request = HostingRequest(
            id=f"req_{uuid.uuid4().hex[:16]}",
            kind=draft.kind,
            department_id=system.department_id,
            system_id=system.id,
            environment_id=environment.id if environment else None,
            ask=draft.ask,
            windows=assessment.windows,
            reason=draft.reason,
            submitted_by=asker.user_id,
            submitted_by_login=asker.login,
            submitted_at=self._clock.now(),
            state=first_state(assessment.decision),
            decision=assessment.decision,
            pool_id=assessment.location.pool_id,
            estimate=assessment.estimate,
            series=assessment.series,
        )
        self._requests.add(tx, request)
        self._means.record(tx, asker, "request.submit", request)
        if request.state is RequestState.APPROVED:
            return self._fulfil(tx, request, asker)
        return request

    def decide(
        self,
        tx: Connection,
        request: HostingRequest,
        asker: Asker,
        *,
        verdict: Verdict,
        reason: str,
        role: str | None = None,
    ) -> HostingRequest:
        """Sign ``request`` in ``role``, or in the first role that is waited for and that one has.

        :raises Forbidden: ``role-missing``, ``four-eyes``, ``already-signed``, ``role-not-needed``.
        :raises Conflict: ``not-awaiting-approval``, ``stale-version``; ``change-frozen`` for the
            last signature. :raises Invalid: a rejection without a reason.
        """
        if verdict.value == "reject" and not reason.strip():
            raise Invalid(
                "a rejection needs a reason",
                code="reason-missing",
                path="reason",
                hint="say what the department should change",
            )
        if role is not None and role not in asker.roles:
            raise Forbidden(
                f"you cannot sign as {role[:40]}: that is none of your roles", code="role-missing"
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

    def _fulfil(self, tx: Connection, request: HostingRequest, asker: Asker) -> HostingRequest:
        system = self._systems.get(tx, request.system_id)
        if request.kind in CHANGES and request.environment_id is not None:
            # Nothing of it is kept then, no signature either: it is signed once the freeze is over.
            for environment in self._environments.by_ids(tx, [request.environment_id]):
                self._means.check_change(tx, environment)
        try:
            # All or nothing, so that what failed half-way leaves only the request and its message.
            with tx.begin_nested():
                environment = self._carry_out(tx, request, system)
                if request.windows or request.series:
                    self._means.announce(tx, request, environment)
        except (Conflict, Invalid, NotFound) as error:
            failed = replace(request, state=RequestState.FAILED, message=error.message)
            if error.zh:
                # In both languages, beside what policy said.
                why = Reason(error.code, error.zh, error.message)
                decision = request.decision
                decision = replace(decision, reasons=(*decision.reasons, why))
                failed = replace(failed, decision=decision)
            after = self._requests.change(tx, request, failed)
            self._means.record(tx, asker, "request.fail", after)
            return after
        after = self._requests.change(
            tx,
            request,
            replace(
                request,
                state=RequestState.FULFILLED,
                environment_id=environment.id,
                pool_id=environment.pool_id,
            ),
        )
        self._means.record(tx, asker, "request.fulfil", after)
        self._means.wake(tx, environment.id)
        return after

    def _carry_out(self, tx: Connection, request: HostingRequest, system: System) -> Environment:
        if request.kind is RequestKind.NEW:
            return self._create(tx, request, system)
        assert request.environment_id is not None  # noqa: S101 - checked at submission
        # In this order, which scaling keeps too. Its status is written all the time: a row that is
        # not locked would fail a request that people have signed.
        self._means.hold(tx, request.environment_id)
        environment = self._environments.get(tx, request.environment_id, lock=True)
        if environment.retiring:
            raise Conflict("the environment is being retired", code="retiring")
        if request.kind is RequestKind.RETIRE:
            return self._environments.set_retiring(tx, environment)
        if request.kind is RequestKind.RESIZE and request.ask is not None:
            facts = self._placement_facts(tx, system, request.ask)
            location = self._place(tx, system, request, facts, environment)
            resized = self._environments.set_components(
                tx,
                environment,
                request.ask.components,
                target=_target(environment, request.ask.components, location.room),
                scaling_class=self._means.policy().scaling_class_for(facts).name,
            )
            found = self._means.resolve(tx, resized)
            if not found.differs(resized):
                return resized
            return self._environments.set_services(tx, resized, found.services, found.offers)
        return environment

    def _create(self, tx: Connection, request: HostingRequest, system: System) -> Environment:
        ask = request.ask
        assert ask is not None  # noqa: S101 - checked at submission
        host = self._assessor.host(system, ask.name)
        taken = self._assessor.taken(tx, host)
        if taken:
            raise Conflict(taken, code="name-taken")
        facts = self._placement_facts(tx, system, ask)
        location = self._place(tx, system, request, facts)
        assert location.pool_id is not None  # noqa: S101 - _place has seen to it
        environment = Environment(
            id=f"env_{uuid.uuid4().hex[:16]}",
            system_id=system.id,
            department_id=system.department_id,
            name=ask.name,
            host=host,
            zone=system.zone,
            pool_id=location.pool_id,
            purpose=ask.purpose,
            scaling_class=self._means.policy().scaling_class_for(facts).name,
            components=ask.components,
            target={c.name: c.min_replicas for c in ask.components},
            created_at=self._clock.now(),
            criticality=system.criticality,
        )
        # Before its pool hears of it: a replica that must be told later is replaced.
        found = self._means.resolve(tx, environment)
        environment = replace(environment, services=found.services, offers=found.offers)
        self._environments.add(tx, environment)
        return environment

    def _place(
        self,
        tx: Connection,
        system: System,
        request: HostingRequest,
        facts: Facts,
        resized: Environment | None = None,
    ) -> Location:
        """Anew: what was free, or allowed, at submission may not be by the last signature.

        :raises Conflict: ``no-pool``.
        """
        ask = request.ask
        assert ask is not None  # noqa: S101 - checked at submission
        policy, now = self._means.policy(), self._clock.now()
        prospect = Prospect(
            resized.id if resized else None,
            system,
            ask.components,
            policy.scaling_class_for(facts).name,
            tuple(window for window in request.windows if window.ends_at > now),
        )
        may = self._assessor.accepts(tx, policy, facts, prospect)
        location = self._means.locate(tx, ask.components, may, system.zone, resized, promise=True)
        if location.pool_id is None:
            raise Conflict(
                "no pool can take it now: " + _against(location),
                code="no-pool",
                hint="ask again with a smaller size, or ask the operators for room",
            )
        return location

    def _placement_facts(self, tx: Connection, system: System, ask: EnvironmentAsk) -> Facts:
        return request_facts(
            kind=RequestKind.NEW,
            reason="",
            roles=(),
            windows=(),
            department_code=self._means.department_code(tx, system.department_id),
            system=system,
            environment_name=ask.name,
            purpose=ask.purpose,
            components=ask.components,
            cost_per_month=_ZERO,
            now=self._clock.now(),
        )


def _against(location: Location) -> str:
    return (
        "; ".join(
            f"{c.pool_name}: {', '.join(r.en for r in c.against)}" for c in location.considered
        )
        or "there is none in this zone"
    )


def _target(
    environment: Environment, components: Sequence[Component], room: Room
) -> dict[str, int]:
    """The current target in its new bounds, as far as there is room; asleep stays asleep."""
    if environment.hibernated:
        return {c.name: 0 for c in components}
    target = {c.name: c.min_replicas for c in components}
    left = room.left - held(components, target, room.sizes)
    for c in components:
        one = room.sizes.takes(c.size)
        wish = min(environment.target.get(c.name, 0), c.max_replicas) - c.min_replicas
        more = max(0, min(wish, one.copies_in(left)))
        target[c.name] += more
        left -= one.times(more)
    return target
