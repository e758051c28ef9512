"""Runs the test cases that stand beside the rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid, Permanent
from cloudmgr.policy.facts import flatten
from cloudmgr.policy.loading import inspect, read_source
from cloudmgr.policy.rules import Bound
from cloudmgr.policy.schema import PlacementScenario, RequestScenario

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cloudmgr.policy.assembly import Scenario, Trial
    from cloudmgr.policy.bundle import PolicyBundle
    from cloudmgr.policy.loading import Source
    from cloudmgr.policy.problem import Problem
    from cloudmgr.policy.rules import Scope


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found in ``directory``. ``bundle`` is None unless there are no findings."""

    directory: Path
    findings: tuple[Problem, ...]
    rules: int
    cases: int
    bundle: PolicyBundle | None

    @property
    def ok(self) -> bool:
        return not self.findings

    def lines(self) -> Iterator[str]:
        """Each finding as ``file:line: path: message``, the file as seen from where one stands."""
        for finding in self.findings:
            yield str(self.directory / str(finding)) if finding.file else str(finding)

    def __str__(self) -> str:
        if self.bundle is not None:
            last = (
                f"{self.directory}: {self.rules} rules and {self.cases} cases, nothing wrong; "
                f"digest {self.bundle.digest}"
            )
        else:
            last = f"{self.directory}: findings: {len(self.findings)}"
        return "\n".join([*self.lines(), last])


def check(bundle_dir: Path) -> CheckReport:
    """Everything that is wrong with the bundle in ``bundle_dir``, its own test cases included."""
    return check_source(bundle_dir, read_source(bundle_dir))


def check_source(directory: Path, source: Source) -> CheckReport:
    """As :func:`check`, of files that were read already."""
    inspection = inspect(source)
    findings = list(inspection.problems)
    cases = 0
    for trial in inspection.trials:
        findings += _try(trial)
        cases += len(trial.cases)
    if inspection.bundle is not None:
        for scenario in inspection.scenarios:
            findings += _play(scenario, inspection.bundle)
            cases += 1
    return CheckReport(
        directory,
        tuple(sorted(findings)),
        len(inspection.trials),
        cases,
        None if findings else inspection.bundle,
    )


def _try(trial: Trial) -> Iterator[Problem]:
    """What the cases of one rule show."""
    for index, case in enumerate(trial.cases):
        path = (*trial.path, "cases", index)
        try:
            scope = trial.rule.when.scope
            fires = trial.rule.when.holds(Bound(_facts(case.facts, scope), scope))
        except Invalid as error:
            for inner, sentence in error.problems:
                yield trial.document.problem((*path, "facts", *_parts(inner)), sentence)
        except Permanent as error:
            yield trial.document.problem(
                path, f"{trial.rule.id} cannot be evaluated in {case.name!r}: {error.message}"
            )
        else:
            if fires is not case.fires:
                found, said = ("fires", "must not") if fires else ("does not fire", "must")
                yield trial.document.problem(
                    path, f"{trial.rule.id} {found} in {case.name!r} and {said}"
                )
    for wanted, words in ((True, "where it fires"), (False, "where it does not fire")):
        if not any(case.fires is wanted for case in trial.cases):
            yield trial.document.problem(trial.path, f"{trial.rule.id} has no case {words}")


def _facts(facts: Mapping[str, object], scope: Scope) -> dict[str, object]:
    """:raises Invalid: ``bad-facts``, also for facts that rules of this file never see."""
    outside = tuple(
        (name, "rules here do not see this") for name in facts if name not in scope.value
    )
    if outside:
        raise Invalid("facts that rules here do not see", code="bad-facts", problems=outside)
    return flatten(facts)


def _play(scenario: Scenario, bundle: PolicyBundle) -> Iterator[Problem]:
    """What one scenario shows of all the rules together."""
    text = scenario.text
    found: dict[str, object]
    wanted: dict[str, object]
    try:
        if isinstance(text, RequestScenario | PlacementScenario):
            placing = isinstance(text, PlacementScenario)
            decision = bundle.accepts(text.facts) if placing else bundle.admit(text.facts)
            found = {
                "outcome": decision.outcome.value,
                "fired": sorted(decision.fired),
                "steps": {step.role: step.count for step in decision.steps},
            }
            wanted = {
                "outcome": text.outcome,
                "fired": None if text.fired is None else sorted(text.fired),
                "steps": getattr(text, "steps", None),
            }
        else:
            found = {"class": bundle.scaling_class_for(text.facts).name}
            wanted = {"class": text.scaling_class}
    except Invalid as error:
        for inner, sentence in error.problems:
            path = (*scenario.path, "facts", *_parts(inner))
            yield scenario.document.problem(path, sentence)
        return
    except Permanent as error:
        yield scenario.document.problem(scenario.path, error.message)
        return
    for key, value in wanted.items():
        if value is not None and found[key] != value:
            yield scenario.document.problem(
                (*scenario.path, key),
                f"{text.name!r} expects {_shown(value)} and gets {_shown(found[key])}",
            )


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{role} {count}" for role, count in value.items()) or "nobody"
    return (", ".join(value) or "no rule") if isinstance(value, list) else str(value)


def _parts(path: str) -> Iterator[str | int]:
    """``components[0].name`` as its parts."""
    for part in path.replace("[", ".[").split("."):
        yield int(part[1:-1]) if part.startswith("[") else part
