"""A copy of the packaged policies that a test may break."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from cloudmgr.policy.check import check
from cloudmgr.policy.default import packaged_policies
from cloudmgr.policy.loading import load

if TYPE_CHECKING:
    from pathlib import Path

    from cloudmgr.policy.bundle import PolicyBundle


@dataclass(frozen=True)
class Policies:
    directory: Path

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace the first ``old``; a test that no longer finds it must fail, not pass idly."""
        path = self.directory / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def write(self, file: str, text: str) -> None:
        (self.directory / file).write_text(text, encoding="utf-8")

    def findings(self) -> str:
        return "\n".join(str(finding) for finding in check(self.directory).findings)


@pytest.fixture
def policies(tmp_path: Path) -> Policies:
    shutil.copytree(packaged_policies(), tmp_path / "policies")
    return Policies(tmp_path / "policies")


@pytest.fixture(scope="session")
def bundle() -> PolicyBundle:
    """The packaged policies."""
    return load(packaged_policies())
