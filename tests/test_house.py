"""Rules of the house that neither ruff nor import-linter can hold."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path for folder in ("cloudmgr", "tests", "bench") for path in (ROOT / folder).rglob("*.py")
)
SAYS_NOTHING = {"utils", "util", "helpers", "common", "manager", "misc", "base"}


def test_no_module_has_a_name_that_says_nothing() -> None:
    named = [
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if SAYS_NOTHING & {path.stem, *path.relative_to(ROOT).parts}
    ]
    assert named == []


def test_no_file_holds_so_much_that_it_holds_two_things() -> None:
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for path in SOURCES
        # A migration is generated, and never changed afterwards.
        if "versions" not in path.parts
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}
