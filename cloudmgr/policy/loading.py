"""From a directory of YAML files to a bundle, with every problem on the way."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid
from cloudmgr.policy.assembly import Assembly
from cloudmgr.policy.documents import MAX_BYTES, read_document
from cloudmgr.policy.problem import Problem
from cloudmgr.policy.schema import FILES, PricesFile, validate
from cloudmgr.policy.tables import price_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cloudmgr.policy.assembly import Scenario, Trial
    from cloudmgr.policy.bundle import PolicyBundle
    from cloudmgr.policy.prices import PriceList

PRICES = "prices.yaml"


@dataclass(frozen=True, slots=True)
class Source:
    """The files of a directory as they were read, once, at one moment."""

    files: Mapping[str, bytes]
    problems: tuple[Problem, ...] = ()

    @property
    def fingerprint(self) -> str:
        """sha256 of every byte and every problem: differs whenever the directory does."""
        state = hashlib.sha256()
        for name, raw in sorted(self.files.items()):
            state.update(f"{name}\0{len(raw)}\0".encode() + raw)
        for problem in self.problems:
            state.update(f"{problem}\0".encode(errors="backslashreplace"))
        return state.hexdigest()


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was made of a source. There is a bundle if, and only if, there are no problems."""

    bundle: PolicyBundle | None
    problems: tuple[Problem, ...]
    trials: tuple[Trial, ...]
    scenarios: tuple[Scenario, ...]


def read_source(directory: Path) -> Source:
    """The policy files in ``directory``.

    Names that begin with a dot are passed over: editors and mounted ConfigMaps leave them there.
    """
    files: dict[str, bytes] = {}
    problems: list[Problem] = []
    try:
        entries = sorted(directory.iterdir())
    except OSError as error:
        sentence = f"the directory {directory} cannot be read: {error.strerror}"
        return Source({}, (Problem("", 0, "", sentence),))
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.name not in FILES:
            expected = ", ".join(FILES)
            sentence = f"no policy file is called so: only {expected} are read"
            problems.append(Problem(entry.name, 0, "", sentence))
            continue
        try:
            with entry.open("rb") as file:
                files[entry.name] = file.read(MAX_BYTES + 1)
        except OSError as error:
            problems.append(Problem(entry.name, 0, "", f"it cannot be read: {error.strerror}"))
    named = {problem.file for problem in problems}
    problems += [
        Problem(name, 0, "", "the file is missing")
        for name in FILES
        if name not in files and name not in named
    ]
    return Source(files, tuple(problems))


def inspect(source: Source) -> Inspection:
    """Everything that can be said of ``source`` without running its test cases."""
    problems = list(source.problems)
    assembly = Assembly()
    contents: dict[str, object] = {}
    for name in FILES:
        if name not in source.files:
            continue
        document, faults = read_document(name, source.files[name])
        problems += faults
        if document is None:
            continue
        contents[name] = document.content
        file, faults = validate(document)
        # A scalar that was already complained of is text now, and would be complained of again.
        known = {(p.line, p.path) for p in problems if p.file == name}
        problems += [p for p in faults if (p.line, p.path) not in known]
        if file is not None:
            assembly.add(document, file)
    bundle = assembly.bundle(_digest(contents))
    problems += assembly.problems
    return Inspection(
        None if problems else bundle,
        tuple(problems),
        tuple(assembly.trials),
        tuple(assembly.scenarios),
    )


def load(directory: Path) -> PolicyBundle:
    """The bundle in ``directory``; its test cases are not run: see :mod:`cloudmgr.policy.check`.

    :raises Invalid: ``broken-policy`` with every problem.
    """
    inspection = inspect(read_source(directory))
    if inspection.bundle is None:
        raise broken(directory, inspection.problems)
    return inspection.bundle


def broken(directory: Path, problems: Iterable[Problem]) -> Invalid:
    """The error that refuses a bundle, with all that is wrong with it."""
    found = tuple(problems)
    first, count = found[0], len(found)
    more = f", and {count - 1} more" if count > 1 else ""
    return Invalid(
        f"the policies cannot be used: {first}{more}",
        code="broken-policy",
        path=first.place,
        hint=f"run `cloudmgr policy check {directory}` and mend what it lists",
        problems=tuple((problem.place, problem.message) for problem in found),
    )


def _digest(contents: Mapping[str, object]) -> str:
    """sha256 over the contents as canonical JSON: sorted keys, no spaces, UTF-8."""
    canonical = json.dumps(contents, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()


def price_list_in(path: Path) -> PriceList:
    """The price list in one file of the form of ``prices.yaml``, by whatever name.

    :raises Invalid: ``bad-prices`` with every problem, each with its line.
    """
    try:
        with path.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise Invalid(
            f"{path} cannot be read: {error.strerror}", code="bad-prices", path=str(path)
        ) from None
    document, problems = read_document(PRICES, raw)
    file, prices = None, None
    if document is not None and not problems:
        file, problems = validate(document)
    if document is not None and isinstance(file, PricesFile):
        prices, problems = price_list(document, file)
    if prices is None or problems:
        found = tuple(replace(problem, file=str(path)) for problem in problems)
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise Invalid(
            f"{found[0]}{more}",
            code="bad-prices",
            problems=tuple((problem.place, str(problem)) for problem in found),
        )
    return prices
