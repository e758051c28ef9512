from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import Invalid
from cloudmgr.policy.holder import PolicyHolder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.policy.conftest import Policies


def test_a_change_is_taken_over_without_a_restart(policies: Policies) -> None:
    holder = PolicyHolder(policies.directory)
    before = holder.current
    assert holder.reload() is False
    assert holder.current is before
    policies.edit("prices.yaml", '"0.0450"', '"0.0460"')
    assert holder.reload() is True
    assert holder.current.digest != before.digest
    assert holder.last_error is None


def test_a_comment_changes_nothing_that_is_in_force(policies: Policies) -> None:
    holder = PolicyHolder(policies.directory)
    policies.edit("prices.yaml", "currency:", "# checked by finance\ncurrency:")
    assert holder.reload() is False


def test_a_broken_bundle_is_refused_and_the_old_one_stays(policies: Policies) -> None:
    holder = PolicyHolder(policies.directory)
    before = holder.current
    policies.edit("scaling.yaml", "default: standard", "default: normal")
    policies.edit("prices.yaml", '"0.0450"', "0.0450")
    for _ in range(2):  # also when nothing has changed since
        with pytest.raises(Invalid) as caught:
            holder.reload()
        assert len(caught.value.problems) == 2
        assert f"cloudmgr policy check {policies.directory}" in caught.value.hint
        assert holder.last_error is caught.value
        assert holder.current is before
    policies.edit("scaling.yaml", "default: normal", "default: standard")
    policies.edit("prices.yaml", "0.0450", '"0.0450"')
    assert holder.reload() is False
    assert holder.last_error is None
    assert holder.current.digest == before.digest


def test_a_bundle_that_fails_its_own_cases_is_refused(policies: Policies) -> None:
    holder = PolicyHolder(policies.directory)
    policies.edit("approvals.yaml", "cost_per_month_cents > 2000000", "cost_per_month_cents > 1")
    with pytest.raises(Invalid, match="costly-needs-the-department-and-an-operator fires in"):
        holder.reload()


def test_a_directory_that_disappears_leaves_the_old_bundle(policies: Policies) -> None:
    holder = PolicyHolder(policies.directory)
    before = holder.current
    policies.directory.rename(policies.directory.with_name("gone"))
    with pytest.raises(Invalid, match="cannot be read"):
        holder.reload()
    assert holder.current is before


def test_there_is_no_start_without_good_policies(tmp_path: Path, policies: Policies) -> None:
    with pytest.raises(Invalid, match="cannot be read"):
        PolicyHolder(tmp_path / "nowhere")
    policies.write("prices.yaml", "")
    with pytest.raises(Invalid, match=r"prices.yaml: the file is empty"):
        PolicyHolder(policies.directory)


def test_many_threads_may_ask_while_others_reload(policies: Policies) -> None:
    holder = PolicyHolder(policies.directory)
    digests = {holder.current.digest}
    policies.edit("prices.yaml", '"0.0450"', '"0.0460"')

    def work(number: int) -> str:
        changed = holder.reload() if number % 4 == 0 else False
        decision = holder.current.admit({"request": {"kind": "retire"}})
        return "changed" if changed else decision.digest

    with ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(work, range(40)))
    digests.add(holder.current.digest)
    assert seen.count("changed") == 1
    assert set(seen) - {"changed"} <= digests
