"""Rules in CEL, the Common Expression Language: compiled once, evaluated often.

The only file that knows the CEL library, whose traps it hides: an error at run time comes back as
a value that looks true; running out of budget raises; and the elements of lists are untyped, so
that a misspelt field of a component would be found only when some request first gets there.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING

from cel_expr_python import cel  # type: ignore[import-untyped]

from cloudmgr.errors import Invalid, Permanent
from cloudmgr.policy.facts import SCHEMA, Number, Records, Text, Texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmgr.policy.facts import Kind

_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_TRAILER = re.compile(r"\s*\[[A-Z_]+\]$")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_LITERAL_OR_COMMENT = re.compile(
    r"""[rRbB]{0,2}(?:\"{3}(?s:.)*?\"{3}|'{3}(?s:.)*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
    r"|//[^\n]*"
)
_SELECTED = re.compile(r"\.\s*([A-Za-z_]\w*)\b(?!\s*\()")


class Scope(Enum):
    """Which facts a family of rules may speak of: those that are known when it is asked."""

    REQUEST = (
        "request",
        "department",
        "actor",
        "system",
        "environment",
        "windows",
        "cost_per_month_cents",
    )
    PLACEMENT = ("department", "system", "environment", "pool")
    SCALING = ("department", "system", "environment")

    @property
    def names(self) -> Mapping[str, Kind]:
        """The facts by dotted name."""
        return _names(self)


class Bound:
    """Facts, as :func:`cloudmgr.policy.facts.flatten` gives them, ready for every rule of a scope.

    Made once for each decision: handing the facts over costs more than a rule does.
    """

    __slots__ = ("activation", "facts")

    def __init__(self, facts: Mapping[str, object], scope: Scope) -> None:
        self.facts = facts
        self.activation = _environment(scope).Activation(
            {name: facts[name] for name in scope.names}
        )


class Expression:
    """One compiled condition.

    :param text: CEL that gives a bool.
    :raises Invalid: ``bad-expression``, saying where in the text.
    """

    __slots__ = ("_compiled", "scope", "text")

    def __init__(self, text: str, scope: Scope) -> None:
        self.text = text
        self.scope = scope
        try:
            self._compiled = _environment(scope).compile(text)
        except RuntimeError as error:
            raise Invalid(_explained(str(error), scope), code="bad-expression") from None
        result = self._compiled.return_type()
        if result != cel.Type.BOOL:
            raise Invalid(
                f"it must say true or false, but it gives {result.name()}", code="bad-expression"
            )
        if problem := _unknown_field(text, scope):
            raise Invalid(problem, code="bad-expression")

    def holds(self, bound: Bound) -> bool:
        """Whether it is true of the facts in ``bound``.

        :raises Permanent: ``rule-failed``: divided by zero, beyond 64 bits, out of budget.
        """
        try:
            result = self._compiled.eval(bound.activation)
        except RuntimeError as error:
            raise Permanent(_trimmed(str(error)), code="rule-failed") from None
        if result.type() != cel.Type.BOOL:
            raise Permanent(_trimmed(str(result.value())), code="rule-failed")
        return bool(result.value())


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition with its name, and what a person is told when it fires."""

    id: str
    when: Expression
    zh: str
    en: str


@cache
def _names(scope: Scope) -> Mapping[str, Kind]:
    return {name: kind for name, kind in SCHEMA.items() if name.split(".")[0] in scope.value}


@cache
def _environment(scope: Scope) -> cel.Env:
    return cel.NewEnv(variables={name: _type(kind) for name, kind in scope.names.items()})


def _type(kind: Kind) -> cel.Type:
    match kind:
        case Text():
            return cel.Type.STRING
        case Number():
            return cel.Type.INT
        case Texts():
            return cel.Type.List(cel.Type.STRING)
        case Records():
            return cel.Type.List(cel.Type.Map(cel.Type.STRING, cel.Type.DYN))


def _explained(error: str, scope: Scope) -> str:
    found = _ERROR.findall(error)
    if not found:
        return _trimmed(error)
    sentences = []
    for line, column, message in found:
        sentence = f"{_trimmed(message)} (line {line}, column {column} of the condition)"
        unknown = _UNDECLARED.search(message)
        if unknown:
            sentence += _suggestion(unknown[1], list(scope.names))
        sentences.append(sentence)
    return "; ".join(sentences)


def _unknown_field(text: str, scope: Scope) -> str:
    """The first ``.name`` that no fact has. CEL checks dotted names, not elements of lists."""
    known: set[str] = set()
    for name, kind in scope.names.items():
        known.update(name.split("."))
        if isinstance(kind, Records):
            known.update(kind.fields)
    for selected in _SELECTED.finditer(_LITERAL_OR_COMMENT.sub("''", text)):
        if selected[1] not in known:
            return f"nothing has a field {selected[1]!r}{_suggestion(selected[1], list(known))}"
    return ""


def _suggestion(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f": did you mean {close[0]}?" if close else ""


def _trimmed(error: str) -> str:
    """The sentence without the library's decoration, on one line."""
    plain = error.replace(" (in container '')", "")
    return _TRAILER.sub("", " ".join(plain.split()))[:300]
