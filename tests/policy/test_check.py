from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudmgr.policy.check import check
from cloudmgr.policy.default import packaged_policies

if TYPE_CHECKING:
    from tests.policy.conftest import Policies


def test_the_packaged_policies_pass_their_own_cases() -> None:
    report = check(packaged_policies())
    assert report.ok, str(report)
    assert report.rules > 25
    assert report.cases > 2 * report.rules
    assert str(report).endswith(report.bundle.digest if report.bundle else "no bundle")


def test_a_rule_that_changes_its_mind_breaks_its_cases(policies: Policies) -> None:
    policies.edit(
        "placement.yaml", "level > pool.protection_level", "level < pool.protection_level"
    )
    findings = policies.findings()
    assert (
        "the-pool-is-certified-for-the-level does not fire in '三级系统与二级资源池' and"
        in findings
    )
    assert (
        "the-pool-is-certified-for-the-level fires in '二级系统与四级资源池' and must" in findings
    )


@pytest.mark.parametrize(
    ("fires", "words"), [("true", "where it fires"), ("false", "where it does not fire")]
)
def test_a_rule_needs_a_case_of_both_kinds(policies: Policies, fires: str, words: str) -> None:
    text = (policies.directory / "scaling.yaml").read_text(encoding="utf-8")
    start = text.index("- {name: 关键等级 4, fires: true")
    if fires == "false":
        start = text.index("- {name: 关键等级 3, fires: false")
    end = text.index("\n", start)
    policies.write("scaling.yaml", text[:start].rstrip() + text[end:])
    (finding,) = check(policies.directory).findings
    assert finding.message == f"vital-systems-never-sleep has no case {words}"
    assert finding.path == "rules[1]"


def test_a_rule_without_cases_is_two_findings(policies: Policies) -> None:
    text = (policies.directory / "scaling.yaml").read_text(encoding="utf-8")
    start, end = text.index("    cases:"), text.index("  - id: vital")
    policies.write("scaling.yaml", text[:start] + text[end:])
    assert policies.findings().count("tests-are-dormant has no case") == 2


def test_a_case_that_speaks_of_unknown_facts_is_found_with_its_line(policies: Policies) -> None:
    policies.edit("placement.yaml", "pool: {kind: openstack}", "pool: {knid: openstack}")
    (finding,) = check(policies.directory).findings
    line = (policies.directory / "placement.yaml").read_text().split("knid")[0].count("\n") + 1
    assert str(finding) == (
        f"placement.yaml:{line}: rules[3].cases[2].facts.pool.knid: there is no such fact"
    )


def test_a_case_with_facts_that_its_rules_never_see_is_found(policies: Policies) -> None:
    policies.edit("scaling.yaml", "facts: {system: {criticality: 1}}",
                  "facts: {system: {criticality: 1}, request: {kind: new}}")  # fmt: skip
    assert "facts.request: rules here do not see this" in policies.findings()


def test_a_case_in_which_the_rule_fails_is_found(policies: Policies) -> None:
    policies.edit("scaling.yaml", "when: system.criticality == 1",
                  "when: 4 / (system.criticality - 2) == -4")  # fmt: skip
    assert "rarely-used-systems-are-dormant cannot be evaluated in '关键等级 2': INVALID_ARG" in (
        policies.findings()
    )


@pytest.mark.parametrize(
    ("file", "old", "new", "finding"),
    [
        (
            "approvals.yaml",
            "steps: {approver: 2, operator: 1, finance: 1}",
            "steps: {approver: 1, operator: 1, finance: 1}",
            "expects approver 1, operator 1, finance 1 and gets approver 2, operator 1, finance 1",
        ),
        ("approvals.yaml", "outcome: allow", "outcome: deny", "expects deny and gets allow"),
        (
            "approvals.yaml",
            "fired: [a-small-test-environment-passes]",
            "fired: []",
            "expects no rule and gets a-small-test-environment-passes",
        ),
        ("approvals.yaml", "steps: {}", "steps: {finance: 1}", "expects finance 1 and gets nobody"),
        (
            "scaling.yaml",
            "    class: critical\n    facts",
            "    class: dormant\n    facts",
            "expects dormant and gets critical",
        ),
        ("placement.yaml", "outcome: allow", "outcome: deny", "expects deny and gets allow"),
        (
            "placement.yaml",
            "zone: intranet, protection_level: 3}\n      env",
            "zone: 3, protection_level: 3}\n      env",
            "scenarios[0].facts.system.zone: it must be text",
        ),
    ],
)
def test_a_scenario_that_comes_out_otherwise_is_found(
    policies: Policies, file: str, old: str, new: str, finding: str
) -> None:
    policies.edit(file, old, new)
    assert finding in policies.findings()


def test_cases_are_run_even_where_another_file_is_broken(policies: Policies) -> None:
    policies.write("prices.yaml", "currency: 1")
    policies.edit("scaling.yaml", "system.criticality == 1", "system.criticality == 3")
    findings = policies.findings()
    assert "prices.yaml:1: currency: it must be text" in findings
    assert "rarely-used-systems-are-dormant does not fire in '关键等级 1'" in findings


def test_a_report_prints_a_line_for_each_finding_with_the_path_to_the_file(
    policies: Policies,
) -> None:
    policies.edit("scaling.yaml", "default: standard", "default: normal")
    file = policies.directory / "scaling.yaml"
    line = file.read_text("utf-8").splitlines().index("default: normal") + 1
    lines = str(check(policies.directory)).splitlines()
    assert lines[0].startswith(f"{file}:{line}: default: there is no scaling")
    assert lines[-1] == f"{policies.directory}: findings: 1"
