"""All policies as they were at one moment: asked, never changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.errors import Permanent
from cloudmgr.policy.budget_lines import BudgetLines
from cloudmgr.policy.decision import ApprovalStep, Decision, Outcome, Reason
from cloudmgr.policy.facts import flatten
from cloudmgr.policy.idle import IdlePolicy
from cloudmgr.policy.lead_times import LeadTimes
from cloudmgr.policy.not_counted import NotCounted
from cloudmgr.policy.reasons import render
from cloudmgr.policy.rehearsing import Rehearsing
from cloudmgr.policy.rules import Bound, Scope
from cloudmgr.policy.waking import Waking

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloudmgr.policy.holidays import Holidays
    from cloudmgr.policy.prices import PriceList
    from cloudmgr.policy.rules import Rule
    from cloudmgr.policy.scaling_class import ScalingClass
    from cloudmgr.policy.services import CityService


@dataclass(frozen=True, slots=True)
class Signatures:
    """``count`` different persons in ``role``."""

    role: str
    count: int


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """When ``rule`` fires, these must sign; with no one named, it says that nobody needs to."""

    rule: Rule
    require: tuple[Signatures, ...]


@dataclass(frozen=True, slots=True)
class Otherwise:
    """Who signs what no approval rule speaks of."""

    id: str
    zh: str
    en: str
    require: tuple[Signatures, ...]


@dataclass(frozen=True, slots=True)
class ScalingRule:
    """When ``rule`` fires, the environment is of the class ``scaling_class``."""

    rule: Rule
    scaling_class: str


@dataclass(frozen=True, slots=True)
class PolicyBundle:
    """Admission, approvals, placement, scaling, the tables and the services under one ``digest``.

    :param digest: sha256 (64 hex digits) of the content of all files; comments and layout of the
        YAML do not count.
    :param book_ahead: dates of series of peaks are booked so far ahead.
    :param chain: the roles that may have to approve, in the order in which they are asked.
    """

    digest: str
    admission: tuple[Rule, ...]
    approvals: tuple[ApprovalRule, ...]
    chain: tuple[str, ...]
    otherwise: Otherwise
    placement: tuple[Rule, ...]
    scaling_rules: tuple[ScalingRule, ...]
    scaling_default: str
    scaling_classes: Mapping[str, ScalingClass]
    price_list: PriceList
    holidays: Holidays
    services: Mapping[str, CityService]
    not_counted: NotCounted = field(default_factory=NotCounted)
    waking: Waking = field(default_factory=Waking)
    rehearsing: Rehearsing = field(default_factory=Rehearsing)
    book_ahead: timedelta = timedelta(days=396)
    lead: LeadTimes = field(default_factory=LeadTimes)
    idle: IdlePolicy = field(default_factory=IdlePolicy)
    budget_lines: BudgetLines = field(default_factory=BudgetLines)

    def admit(self, facts: Mapping[str, object]) -> Decision:
        """May this be had, and who must agree? A refusal beats an approval beats a permission.

        A rule that cannot be evaluated refuses, and says so.

        :raises Invalid: ``bad-facts``.
        """
        bound = Bound(flatten(facts), Scope.REQUEST)
        refused = _refusals(self.admission, bound)
        fired: list[ApprovalRule] = []
        for approval in self.approvals:
            try:
                if approval.rule.when.holds(bound):
                    fired.append(approval)
            except Permanent as error:
                refused.append(_unevaluated(approval.rule, error))
        if refused:
            return self._refused(refused)
        reasons = [_reason(approval.rule, bound) for approval in fired]
        ids = tuple(reason.rule for reason in reasons)
        wanted = [
            (signatures, reason)
            for approval, reason in zip(fired, reasons, strict=True)
            for signatures in approval.require
        ]
        if not fired:
            by_default = _reason(self.otherwise, bound)
            reasons, ids = [by_default], (by_default.rule,)
            wanted = [(signatures, by_default) for signatures in self.otherwise.require]
        if not wanted:
            return Decision(Outcome.ALLOW, tuple(reasons), ids, self.digest)
        # A permission beside a demand would read as a contradiction.
        asking = {reason.rule for _, reason in wanted}
        return Decision(
            Outcome.NEEDS_APPROVAL,
            tuple(reason for reason in reasons if reason.rule in asking),
            ids,
            self.digest,
            self._steps(wanted),
        )

    def accepts(self, facts: Mapping[str, object]) -> Decision:
        """May ``facts["environment"]`` of ``facts["system"]`` lie on ``facts["pool"]``?

        A rule that cannot be evaluated refuses, and says so.

        :raises Invalid: ``bad-facts``.
        """
        refused = _refusals(self.placement, Bound(flatten(facts), Scope.PLACEMENT))
        return self._refused(refused) if refused else Decision(Outcome.ALLOW, (), (), self.digest)

    def scaling_class_for(self, facts: Mapping[str, object]) -> ScalingClass:
        """The class of the first scaling rule that fires, else the default.

        :raises Invalid: ``bad-facts``.
        :raises Permanent: ``rule-failed``, since a class chosen by a broken rule would look right.
        """
        bound = Bound(flatten(facts), Scope.SCALING)
        for scaling in self.scaling_rules:
            try:
                if scaling.rule.when.holds(bound):
                    return self.scaling_classes[scaling.scaling_class]
            except Permanent as error:
                raise Permanent(
                    f"scaling rule {scaling.rule.id} cannot be evaluated: {error.message}",
                    code=error.code,
                    hint="mend the rule in scaling.yaml and reload the policies",
                ) from error
        return self.scaling_classes[self.scaling_default]

    def _refused(self, reasons: list[Reason]) -> Decision:
        ids = tuple(reason.rule for reason in reasons)
        return Decision(Outcome.DENY, tuple(reasons), ids, self.digest)

    def _steps(self, wanted: list[tuple[Signatures, Reason]]) -> tuple[ApprovalStep, ...]:
        """One step for each role, with the largest count and the first reason that asks for it."""
        steps: dict[str, ApprovalStep] = {}
        for signatures, reason in wanted:
            step = steps.get(signatures.role)
            if step is None or signatures.count > step.count:
                steps[signatures.role] = ApprovalStep(
                    signatures.role, signatures.count, reason.rule, reason.zh, reason.en
                )
        return tuple(steps[role] for role in self.chain if role in steps)


def _refusals(rules: Iterable[Rule], bound: Bound) -> list[Reason]:
    reasons = []
    for rule in rules:
        try:
            if rule.when.holds(bound):
                reasons.append(_reason(rule, bound))
        except Permanent as error:
            reasons.append(_unevaluated(rule, error))
    return reasons


def _reason(rule: Rule | Otherwise, bound: Bound) -> Reason:
    return Reason(rule.id, render(rule.zh, bound.facts), render(rule.en, bound.facts))


def _unevaluated(rule: Rule, error: Permanent) -> Reason:
    return Reason(
        rule.id,
        f"规则 {rule.id} 无法对该申请求值，为稳妥起见予以拒绝，请联系运维人员({error.message})",
        f"rule {rule.id} cannot be evaluated for this request, so it is refused to be safe; "
        f"tell an operator ({error.message})",
    )
