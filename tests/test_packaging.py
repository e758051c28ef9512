"""What a person who installs cloudmgr gets, and that what is locked is locked."""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

import cloudmgr

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel, built as ``make wheel`` builds it."""
    to = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", to, ROOT],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (built,) = to.glob("*.whl")
    with zipfile.ZipFile(built) as opened:
        yield opened


def _files(folder: str) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_carries_code_templates_and_migrations(wheel: zipfile.ZipFile) -> None:
    assert _files("cloudmgr") <= set(wheel.namelist())


def test_the_wheel_carries_the_policies(wheel: zipfile.ZipFile) -> None:
    carried = {name for name in wheel.namelist() if name.startswith("cloudmgr/_policies/")}
    assert carried == {f"cloudmgr/_{name}" for name in _files("policies")}


def test_the_wheel_carries_nothing_but_the_package(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"cloudmgr", f"cloudmgr-{cloudmgr.__version__}.dist-info"}


def test_the_wheel_says_its_version_its_licence_and_its_command(wheel: zipfile.ZipFile) -> None:
    info = f"cloudmgr-{cloudmgr.__version__}.dist-info"
    metadata = email.message_from_bytes(wheel.read(f"{info}/METADATA"))
    assert metadata["Version"] == cloudmgr.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert f"{info}/licenses/LICENSE" in wheel.namelist()
    assert "cloudmgr = cloudmgr.cli.main:main" in wheel.read(f"{info}/entry_points.txt").decode()


def test_every_requirement_is_pinned_with_hashes() -> None:
    for lock in LOCKS:
        entries = re.split(
            r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", lock.read_text(), flags=re.MULTILINE)
        )
        for entry in filter(None, entries):
            name = entry.split()[0]
            assert re.match(r"[a-z0-9._-]+(\[[a-z0-9,-]+\])?==[^\s;]+", entry), (lock.name, name)
            assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), (lock.name, name)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_file_names_no_address_and_no_path(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert not re.search(
        r"^\s*(-i|-f|--index-url|--extra-index-url|--find-links|-e)\b", text, re.MULTILINE
    )
    assert not re.search(r"(?:^|\s)(?:file:|\.{0,2}/)", text, re.MULTILINE)


def _pins(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / lock).read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("smaller", "larger"), [("runtime.txt", "demo.txt"), ("demo.txt", "dev.txt")]
)
def test_the_larger_locked_set_holds_the_smaller_one_version_for_version(
    smaller: str, larger: str
) -> None:
    assert _pins(smaller).items() <= _pins(larger).items()


def test_the_lock_files_satisfy_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    asked = {
        "runtime.txt": project["project"]["dependencies"],
        "demo.txt": [*project["project"]["optional-dependencies"]["demo"], *groups["build"]],
        "dev.txt": [line for line in groups["dev"] if isinstance(line, str)],
    }
    for lock, lines in asked.items():
        pins = _pins(lock)
        for requirement in map(Requirement, lines):
            assert requirement.specifier.contains(pins[requirement.name]), (lock, requirement)


def test_the_changelog_speaks_of_this_version_first() -> None:
    versions = re.findall(r"^## \[(\d[^]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == cloudmgr.__version__


def test_what_the_gate_and_the_hooks_run_is_there_to_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "repo: http" not in (ROOT / ".pre-commit-config.yaml").read_text()
