from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import Invalid
from cloudmgr.policy.default import packaged_policies
from cloudmgr.policy.loading import load
from cloudmgr.policy.schema import FILES

if TYPE_CHECKING:
    from pathlib import Path

    from cloudmgr.policy.bundle import PolicyBundle
    from tests.policy.conftest import Policies


def test_the_packaged_policies_are_found_and_complete() -> None:
    assert {path.name for path in packaged_policies().iterdir()} == set(FILES)


@pytest.mark.parametrize(
    ("file", "old", "new", "finding"),
    [
        # shape
        ("admission.yaml", "    when: >-", "    wenn: >-", "wenn: there is no such key here"),
        ("admission.yaml", "    when: >-", "    wenn: >-", "rules[0].when: it is missing"),
        ("admission.yaml", "rules:", "rules: 7\nx:", "rules: it must be a list, not a number"),
        ("admission.yaml", "id: host-name-fits", "id: Host_Name", "'Host_Name' is not of the form"),
        ("admission.yaml", "id: host-name-fits", "id: 7", "id: it must be text, not a number"),
        (
            "holidays.yaml",
            "zh: 元旦",
            "zh: New Year",
            "holidays[0].zh: it has no Chinese character",
        ),
        ("admission.yaml", "en: the system code and", "en: 系统", "en: it has Chinese characters"),
        (
            "admission.yaml",
            "fires: true",
            "fires: yes",
            "fires: it must be true or false, not text",
        ),
        (
            "admission.yaml",
            "fires: true",
            "fires: 1",
            "fires: it must be true or false, not a number",
        ),
        # rules
        (
            "admission.yaml",
            "size(system.code)",
            "len(system.code)",
            "undeclared reference to 'len'",
        ),
        (
            "admission.yaml",
            "protection_level == 5",
            "protection_level == '5'",
            "no matching overload",
        ),
        ("admission.yaml", "c.max_replicas < 2", "c.max_replica < 2", "did you mean max_replicas?"),
        ("admission.yaml", "{system.code}", "{system.name}", "{system.name} is not a fact"),
        (
            "placement.yaml",
            "id: the-pool-is-certified-for-the-level",
            "id: host-name-fits",
            "placement.yaml:19: rules[2].id: there is a rule host-name-fits already, at admission",
        ),
        (
            "admission.yaml",
            "fired: [reserved-names",
            "fired: [reserved-games",
            "scenarios[0].fired[0]: there is no rule reserved-games-belong-to-the-platform",
        ),
        (
            "placement.yaml",
            "fired: [the-intranet-never-leaves-the-intranet",
            "fired: [host-name-fits",
            "scenarios[1].fired[0]: there is no rule host-name-fits to fire here",
        ),
        # approvals
        ("approvals.yaml", "{role: approver}]", "{role: mayor}]", "'mayor' is none of"),
        (
            "approvals.yaml",
            "chain: [approver, operator, finance",
            "chain: [approver, operator",
            "finance is not in the chain",
        ),
        (
            "approvals.yaml",
            "chain: [approver,",
            "chain: [approver, approver,",
            "a role stands here twi",
        ),
        (
            "approvals.yaml",
            "count: 2}, {role: finance}",
            "count: 0}",
            "count: input should be greater",
        ),
        ("approvals.yaml", "{role: finance}", "{role: approver}", "approver stands here twice"),
        ("approvals.yaml", "require: [{role: approver}]", "require: []", "otherwise.require: "),
        # scaling
        (
            "scaling.yaml",
            "default: standard",
            "default: normal",
            "there is no scaling class normal: there is standard, critical, office, dormant",
        ),
        (
            "scaling.yaml",
            "class: dormant",
            "class: asleep",
            "rules[0].class: there is no scaling class",
        ),
        ("scaling.yaml", 'target_in_flight: "8"', "target_in_flight: 8", "it must be quoted text"),
        ("scaling.yaml", 'target_in_flight: "8"', 'target_in_flight: "0"', "must be more than 0"),
        (
            "scaling.yaml",
            'latest_wake: "08:00"',
            'latest_wake: "8:00"',
            "is not a quoted time of the",
        ),
        ("scaling.yaml", "    - kube-probe", "    - Chrome/", "what people's browsers say"),
        (
            "scaling.yaml",
            "    - kube-probe",
            "    - a`b",
            "user_agents[0]: 'a`b' is not of the form",
        ),
        ("scaling.yaml", "[/robots.txt, ", "[/, ", "paths[0]: '/' is not of the form"),
        ("scaling.yaml", 'latest_wake: "08:00"', 'latest_wake: "20:00"', "earlier than earliest_s"),
        ("scaling.yaml", ', earliest_sleep: "20:00"', "", "workdays.earliest_sleep: it is missing"),
        ("scaling.yaml", "wake_within_minutes: 3", "wake_within_minutes: 0", "wake_within_minutes"),
        (
            "scaling.yaml",
            "idle_after_minutes: null\n",
            'idle_after_minutes: null\n    workdays: {earliest_sleep: "20:00"}\n',
            "classes.critical.workdays: a class that never hibernates needs no hours",
        ),
        ("scaling.yaml", "lead_time_minutes: 10", "lead_time_minutes: -1", "lead_time_minutes: "),
        (
            "scaling.yaml",
            "measured_from: 3",
            "measured_from: 21",
            "lead.measured_from: it must not",
        ),
        ("scaling.yaml", "idle_after_minutes: 30", "idle_after_minutes: 0", "idle_after_minutes: "),
        (
            "scaling.yaml",
            "    wake_replicas: 2\n",
            "",
            "classes.critical.wake_replicas: it is missing",
        ),
        (
            "scaling.yaml",
            "system.criticality == 4",
            "request.kind == 'new'",
            "undeclared reference",
        ),
    ],
)
def test_a_mistake_is_found_where_it_was_made(
    policies: Policies, file: str, old: str, new: str, finding: str
) -> None:
    policies.edit(file, old, new)
    with pytest.raises(Invalid) as caught:
        load(policies.directory)
    assert caught.value.code == "broken-policy"
    told = "\n".join(f"{place}: {sentence}" for place, sentence in caught.value.problems)
    assert finding in told
    assert f"{file}:" in told


def test_every_problem_of_every_file_is_told_at_once(policies: Policies) -> None:
    policies.edit("admission.yaml", "size(system.code)", "len(system.code)")
    policies.edit("scaling.yaml", "default: standard", "default: normal")
    policies.write("prices.yaml", "currency: CNY\ncurrency: USD\n")
    policies.write("notes.txt", "?")
    (policies.directory / "holidays.yaml").unlink()
    with pytest.raises(Invalid) as caught:
        load(policies.directory)
    files = {place.split(":")[0] for place, _ in caught.value.problems}
    assert files == {"admission.yaml", "scaling.yaml", "prices.yaml", "notes.txt", "holidays.yaml"}


@pytest.mark.parametrize("name", ["admission.yml", "admission.yaml.bak", "README.md"])
def test_a_file_that_nobody_reads_is_refused(policies: Policies, name: str) -> None:
    policies.write(name, "")
    assert policies.findings().startswith(f"{name}: no policy file is called so: only admission.")


def test_a_folder_among_the_policies_is_refused(policies: Policies) -> None:
    (policies.directory / "old").mkdir()
    assert policies.findings().startswith("old: no policy file")


def test_a_folder_with_the_name_of_a_policy_is_refused(policies: Policies) -> None:
    (policies.directory / "prices.yaml").unlink()
    (policies.directory / "prices.yaml").mkdir()
    assert policies.findings().startswith("prices.yaml: it cannot be read: Is a directory")


def test_hidden_files_and_links_as_a_mounted_config_map_has_them_are_fine(
    policies: Policies, bundle: PolicyBundle
) -> None:
    data = policies.directory / "..2026_01_01"
    data.mkdir()
    (policies.directory / "..data").symlink_to(data.name)
    for name in FILES:
        shutil.move(policies.directory / name, data / name)
        (policies.directory / name).symlink_to(f"..data/{name}")
    policies.write(".admission.yaml.swp", "\0")
    assert load(policies.directory).digest == bundle.digest


def test_a_directory_that_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot be read: No such file or directory"):
        load(tmp_path / "nowhere")


def test_a_file_that_cannot_be_read_is_said_plainly(policies: Policies) -> None:
    (policies.directory / "prices.yaml").unlink()
    (policies.directory / "prices.yaml").symlink_to("nowhere")
    assert policies.findings() == "prices.yaml: it cannot be read: No such file or directory"


def test_the_digest_is_of_the_content_and_not_of_comments_or_layout(
    policies: Policies, bundle: PolicyBundle
) -> None:
    policies.edit("prices.yaml", "currency: CNY", "# a remark\n\ncurrency:   'CNY'")
    assert load(policies.directory).digest == bundle.digest
    assert len(bundle.digest) == 64


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("prices.yaml", '"0.0450"', '"0.0451"'),
        ("approvals.yaml", "> 2000000", "> 2000001"),
        ("holidays.yaml", "New Year's Day", "New Year"),
        ("admission.yaml", "name: 五级", "name: 第五级"),
    ],
)
def test_any_change_of_content_changes_the_digest(
    policies: Policies, bundle: PolicyBundle, file: str, old: str, new: str
) -> None:
    policies.edit(file, old, new)
    assert load(policies.directory).digest != bundle.digest
