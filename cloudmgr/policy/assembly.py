"""From files of the right shape to a bundle: conditions compiled, references followed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid
from cloudmgr.policy.budget_lines import BudgetLines
from cloudmgr.policy.bundle import (
    ApprovalRule,
    Otherwise,
    PolicyBundle,
    ScalingRule,
    Signatures,
)
from cloudmgr.policy.classes import lead_times, rehearsing, scaling_classes, waking
from cloudmgr.policy.idle import IdlePolicy
from cloudmgr.policy.lead_times import LeadTimes
from cloudmgr.policy.not_counted import NotCounted
from cloudmgr.policy.reasons import template_problem
from cloudmgr.policy.rehearsing import USER_AGENT, Rehearsing
from cloudmgr.policy.rules import Expression, Rule, Scope
from cloudmgr.policy.schema import (
    AdmissionFile,
    ApprovalsFile,
    HolidaysFile,
    PlacementFile,
    PricesFile,
    ScalingFile,
    ServicesFile,
)
from cloudmgr.policy.services import city_services
from cloudmgr.policy.tables import holidays, idle, price_list
from cloudmgr.policy.waking import Waking

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic import BaseModel

    from cloudmgr.policy.documents import Document
    from cloudmgr.policy.holidays import Holidays
    from cloudmgr.policy.prices import PriceList
    from cloudmgr.policy.problem import Path, Problem
    from cloudmgr.policy.scaling_class import ScalingClass
    from cloudmgr.policy.schema import (
        CaseText,
        OtherwiseText,
        PlacementScenario,
        RequestScenario,
        RuleText,
        ScalingScenario,
        SignaturesText,
    )
    from cloudmgr.policy.services import CityService


# A request is decided by the rules of both.
_REQUEST_FILES = {"admission.yaml", "approvals.yaml"}


@dataclass(frozen=True, slots=True)
class Trial:
    """A rule that compiles, with the cases that stand beside it at ``path``."""

    document: Document
    path: Path
    rule: Rule
    cases: Sequence[CaseText]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario that stands at ``path``."""

    document: Document
    path: Path
    text: RequestScenario | PlacementScenario | ScalingScenario


@dataclass(slots=True)
class _Parts:
    """What has been built of a bundle so far."""

    admission: tuple[Rule, ...] = ()
    approvals: tuple[ApprovalRule, ...] = ()
    chain: tuple[str, ...] = ()
    otherwise: Otherwise | None = None
    placement: tuple[Rule, ...] = ()
    scaling_rules: tuple[ScalingRule, ...] = ()
    scaling_default: str = ""
    scaling_classes: Mapping[str, ScalingClass] = field(default_factory=dict)
    price_list: PriceList | None = None
    holidays: Holidays | None = None
    not_counted: NotCounted = field(default_factory=NotCounted)
    waking: Waking = field(default_factory=Waking)
    rehearsing: Rehearsing = field(default_factory=Rehearsing)
    book_ahead: timedelta = timedelta(days=396)
    lead: LeadTimes = field(default_factory=LeadTimes)
    idle: IdlePolicy = field(default_factory=IdlePolicy)
    budget_lines: BudgetLines = field(default_factory=BudgetLines)
    services: Mapping[str, CityService] | None = None


class Assembly:
    """Takes the files one by one; ``bundle`` gives the whole if nothing is wrong."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.trials: list[Trial] = []
        self.scenarios: list[Scenario] = []
        self._parts = _Parts()
        self._places: dict[str, str] = {}
        self._names: dict[str, set[str]] = {}

    def add(self, document: Document, file: BaseModel) -> None:
        match file:
            case AdmissionFile():
                self._parts.admission = self._rules(document, file.rules, Scope.REQUEST)
                self._keep(document, file.scenarios)
            case ApprovalsFile():
                self._approvals(document, file)
            case PlacementFile():
                self._parts.placement = self._rules(document, file.rules, Scope.PLACEMENT)
                self._keep(document, file.scenarios)
            case ScalingFile():
                self._scaling(document, file)
            case PricesFile():
                self._parts.price_list, problems = price_list(document, file)
                self.problems += problems
                told = file.budgets
                self._parts.budget_lines = BudgetLines(tuple(told.used), tuple(told.projected))
                self._parts.idle, problems = idle(document, file.idle)
                self.problems += problems
            case HolidaysFile():
                self._parts.holidays, problems = holidays(document, file)
                self.problems += problems
            case ServicesFile():
                self._parts.services, problems = city_services(document, file)
                self.problems += problems

    def bundle(self, digest: str) -> PolicyBundle | None:
        """The bundle, or None if a file is missing or anything is wrong. Call it last."""
        parts = self._parts
        self._follow_references()
        if self.problems or not (parts.otherwise and parts.price_list and parts.holidays):
            return None
        if not (parts.placement and parts.admission and parts.scaling_classes):
            return None
        if parts.services is None:
            return None
        return PolicyBundle(
            digest=digest,
            admission=parts.admission,
            approvals=parts.approvals,
            chain=parts.chain,
            otherwise=parts.otherwise,
            placement=parts.placement,
            scaling_rules=parts.scaling_rules,
            scaling_default=parts.scaling_default,
            scaling_classes=parts.scaling_classes,
            waking=parts.waking,
            lead=parts.lead,
            rehearsing=parts.rehearsing,
            price_list=parts.price_list,
            holidays=parts.holidays,
            services=parts.services,
            not_counted=parts.not_counted,
            book_ahead=parts.book_ahead,
            idle=parts.idle,
            budget_lines=parts.budget_lines,
        )

    def _note(self, document: Document, path: Path, message: str) -> None:
        self.problems.append(document.problem(path, message))

    def _keep(
        self,
        document: Document,
        texts: Iterable[RequestScenario | PlacementScenario | ScalingScenario],
    ) -> None:
        self.scenarios.extend(
            Scenario(document, ("scenarios", index), text) for index, text in enumerate(texts)
        )

    def _rules(
        self, document: Document, texts: Sequence[RuleText], scope: Scope
    ) -> tuple[Rule, ...]:
        found = (
            self._rule(document, ("rules", index), text, scope) for index, text in enumerate(texts)
        )
        return tuple(rule for rule in found if rule is not None)

    def _rule(self, document: Document, path: Path, text: RuleText, scope: Scope) -> Rule | None:
        self._name(document, (*path, "id"), text.id)
        self._reasons(document, path, text, scope)
        try:
            when = Expression(text.when, scope)
        except Invalid as error:
            self._note(document, (*path, "when"), error.message)
            return None
        rule = Rule(text.id, when, text.zh, text.en)
        self.trials.append(Trial(document, path, rule, text.cases))
        return rule

    def _name(self, document: Document, path: Path, name: str) -> None:
        place = document.problem(path, "").place
        first = self._places.setdefault(name, place)
        if first != place:
            self._note(document, path, f"there is a rule {name} already, at {first}")
        self._names.setdefault(document.file, set()).add(name)

    def _reasons(
        self, document: Document, path: Path, text: RuleText | OtherwiseText, scope: Scope
    ) -> None:
        for language, sentence in (("zh", text.zh), ("en", text.en)):
            if problem := template_problem(sentence, scope):
                self._note(document, (*path, language), problem)

    def _approvals(self, document: Document, file: ApprovalsFile) -> None:
        if len(set(file.chain)) < len(file.chain):
            self._note(document, ("chain",), "a role stands here twice")
        found = []
        for index, text in enumerate(file.rules):
            path: Path = ("rules", index)
            rule = self._rule(document, path, text, Scope.REQUEST)
            require = self._signatures(document, path, text.require, file.chain)
            if rule is not None:
                found.append(ApprovalRule(rule, require))
        path = ("otherwise",)
        self._name(document, (*path, "id"), file.otherwise.id)
        self._reasons(document, path, file.otherwise, Scope.REQUEST)
        self._parts.chain = tuple(file.chain)
        self._parts.approvals = tuple(found)
        self._parts.otherwise = Otherwise(
            file.otherwise.id,
            file.otherwise.zh,
            file.otherwise.en,
            self._signatures(document, path, file.otherwise.require, file.chain),
        )
        self._keep(document, file.scenarios)

    def _signatures(
        self,
        document: Document,
        path: Path,
        texts: Sequence[SignaturesText],
        chain: Sequence[str],
    ) -> tuple[Signatures, ...]:
        seen: set[str] = set()
        for index, text in enumerate(texts):
            inner: Path = (*path, "require", index, "role")
            if text.role not in chain:
                self._note(document, inner, f"{text.role} is not in the chain of this file")
            if text.role in seen:
                self._note(document, inner, f"{text.role} stands here twice: raise its count")
            seen.add(text.role)
        return tuple(Signatures(text.role, text.count) for text in texts)

    def _scaling(self, document: Document, file: ScalingFile) -> None:
        self._parts.scaling_classes, problems = scaling_classes(document, file)
        self.problems += problems
        told = file.not_counted
        agents = dict.fromkeys((*told.user_agents, USER_AGENT))
        self._parts.not_counted = NotCounted(tuple(agents), tuple(told.paths))
        self._parts.rehearsing = rehearsing(file.rehearsals)
        self._parts.waking, problems = waking(document, file.waking)
        self.problems += problems
        self._parts.book_ahead = timedelta(days=file.book_ahead_days)
        self._parts.lead, problems = lead_times(document, file.lead)
        self.problems += problems
        self._parts.scaling_default = file.default
        self._class_exists(document, ("default",), file.default)
        found = []
        for index, text in enumerate(file.rules):
            path: Path = ("rules", index)
            rule = self._rule(document, path, text, Scope.SCALING)
            self._class_exists(document, (*path, "class"), text.scaling_class)
            if rule is not None:
                found.append(ScalingRule(rule, text.scaling_class))
        self._parts.scaling_rules = tuple(found)
        for index, scenario in enumerate(file.scenarios):
            self._class_exists(document, ("scenarios", index, "class"), scenario.scaling_class)
        self._keep(document, file.scenarios)

    def _class_exists(self, document: Document, path: Path, name: str) -> None:
        classes = self._parts.scaling_classes
        if name not in classes:
            self._note(
                document, path, f"there is no scaling class {name}: there is {', '.join(classes)}"
            )

    def _follow_references(self) -> None:
        """A scenario may only speak of rules that exist, in the files that it is decided by."""
        for scenario in self.scenarios:
            file = scenario.document.file
            deciding = _REQUEST_FILES if file in _REQUEST_FILES else {file}
            if not deciding <= self._names.keys():
                continue  # a file that cannot be read is trouble enough
            known = set[str]().union(*(self._names[file] for file in deciding))
            for index, name in enumerate(getattr(scenario.text, "fired", None) or []):
                if name not in known:
                    path: Path = (*scenario.path, "fired", index)
                    self._note(scenario.document, path, f"there is no rule {name} to fire here")
