"""YAML without surprises: text, whole numbers, true, false, null, lists and mappings.

Built from the parser's events, so that nothing is constructed that is not listed here. Anchors,
tags, decimals, dates as objects, ``no`` as false, ``012`` as ten and a key that silently replaces
an earlier one do not exist. Source of the plain scalars: the core schema of YAML 1.2, less floats.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from cloudmgr.policy.problem import Problem, dotted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudmgr.policy.problem import Path

MAX_BYTES = 1 << 20
_MAX_DEPTH = 24
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_NUMBER_LIKE = re.compile(
    r"[-+]?(?:[0-9][0-9_,]*\.?[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9_]+(?:[eE][-+]?[0-9]+)?"
    r"|0[xob][0-9a-fA-F_]+|\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN"
)
_CONSTANTS: Mapping[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Document:
    """The content of one file, and on which line each part of it stands."""

    file: str
    content: object
    lines: Mapping[Path, int]

    def problem(self, path: Path, message: str) -> Problem:
        """A problem at ``path``, on the line of the closest part that exists."""
        end = len(path)
        while end and path[:end] not in self.lines:
            end -= 1
        return Problem(self.file, self.lines.get(path[:end], 1), dotted(path), message)


def read_document(file: str, raw: bytes) -> tuple[Document | None, list[Problem]]:
    """The document in ``raw``, or None, and every problem found on the way."""
    if len(raw) > MAX_BYTES:
        return None, [Problem(file, 0, "", f"the file is larger than {MAX_BYTES >> 10} KiB")]
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return None, [Problem(file, line, "", "the file is not UTF-8")]
    reader = _Reader(file)
    try:
        content = reader.read(text)
    except _Unreadable as error:
        return None, [*reader.problems, error.problem]
    except yaml.YAMLError as error:
        return None, [*reader.problems, _syntax_problem(file, error)]
    return Document(file, content, reader.lines), reader.problems


class _Unreadable(Exception):
    """What follows cannot be understood any more."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class _Reader:
    def __init__(self, file: str) -> None:
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []
        self._file = file

    def read(self, text: str) -> object:
        events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=_LOADER))
        next(events)  # the stream starts
        event = next(events)
        if isinstance(event, yaml.StreamEndEvent):
            raise _Unreadable(Problem(self._file, 0, "", "the file is empty"))
        content = self._value(next(events), events, ())
        next(events)  # the document ends
        event = next(events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._unreadable(event, (), "a file holds one document: nothing after ---")
        return content

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], path: Path) -> object:
        if len(path) > _MAX_DEPTH:
            raise self._unreadable(event, path, "it is nested too deeply")
        self.lines[path] = _line(event)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            # A few lines of them can stand for a billion values.
            raise self._unreadable(event, path, "anchors (&) and aliases (*) are not used here")
        if tag := getattr(event, "tag", None):
            self._note(event, path, f"tags are not used here: remove {tag}")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, path)
        assert isinstance(event, yaml.ScalarEvent)  # noqa: S101 - the only kind that is left
        return self._scalar(event, path)

    def _mapping(self, events: Iterator[yaml.Event], path: Path) -> dict[str, object]:
        found: dict[str, object] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._unreadable(event, path, "a key must be a word")
            key: str = event.value
            inner = (*path, key)
            if key in found:
                first = self.lines[inner]
                self._note(event, inner, f"the key stands here twice, first on line {first}")
            if key == "<<":
                self._note(event, inner, "merge keys (<<) are not used here")
            if event.anchor:
                raise self._unreadable(event, inner, "anchors (&) are not used here")
            value = self._value(next(events), events, inner)
            self.lines[inner] = _line(event)
            found[key] = value
        return found

    def _sequence(self, events: Iterator[yaml.Event], path: Path) -> list[object]:
        found: list[object] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            found.append(self._value(event, events, (*path, len(found))))
        return found

    def _scalar(self, event: yaml.ScalarEvent, path: Path) -> object:
        text = event.value
        if event.style:  # quoted or a block
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        if _NUMBER_LIKE.fullmatch(text):
            self._note(event, path, f"{text[:40]} is not a plain whole number: quote it")
        return text

    def _note(self, event: yaml.Event, path: Path, message: str) -> None:
        self.problems.append(Problem(self._file, _line(event), dotted(path), message))

    def _unreadable(self, event: yaml.Event, path: Path, message: str) -> _Unreadable:
        return _Unreadable(Problem(self._file, _line(event), dotted(path), message))


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


def _syntax_problem(file: str, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    sentence = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    column = f" (column {mark.column + 1})" if mark else ""
    return Problem(file, mark.line + 1 if mark else 0, "", f"this is not YAML: {sentence}{column}")
