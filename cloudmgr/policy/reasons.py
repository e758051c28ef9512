"""Reasons that quote the facts: ``{system.protection_level}``, ``{cost_per_month_cents|yuan}``."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING

from cloudmgr.policy.facts import Number, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudmgr.policy.rules import Scope

_PLACEHOLDER = re.compile(r"\{([a-z_.]+)(?:\|([a-z]+))?\}")
_MOST = 80

# What rules count in, and what people read.
FORMATS: Mapping[str, Callable[[int], str]] = {
    "yuan": lambda cents: f"{Decimal(cents) / 100:,.2f}",
    "cores": lambda millis: f"{Decimal(millis) / 1000:,f}",
    "gib": lambda mib: f"{Decimal(mib) / 1024:,f}",
}


def template_problem(text: str, scope: Scope) -> str:
    """What is wrong with the placeholders of a reason; empty when nothing is."""
    for name, form in _PLACEHOLDER.findall(text):
        kind = scope.names.get(name)
        if not isinstance(kind, Text | Number):
            return f"{{{name}}} is not a fact that a reason can quote here"
        if form and form not in FORMATS:
            return f"there is no format {form!r}: {', '.join(FORMATS)}"
        if form and not isinstance(kind, Number):
            return f"{{{name}|{form}}}: only numbers have a format"
    rest = _PLACEHOLDER.sub("", text)
    return "a brace that quotes no fact" if "{" in rest or "}" in rest else ""


def render(text: str, facts: Mapping[str, object]) -> str:
    """``text`` with the facts in place; what people typed is cut to 80 letters, no controls."""

    def quoted(match: re.Match[str]) -> str:
        value = facts[match[1]]
        if isinstance(value, int):
            return FORMATS[match[2]](value) if match[2] else str(value)
        clean = "".join(c for c in str(value) if unicodedata.category(c)[0] != "C")
        return clean if len(clean) <= _MOST else f"{clean[:_MOST]}…"

    return _PLACEHOLDER.sub(quoted, text)
