"""What rules may speak of: names, kinds and bounds of every fact, and the empty value of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

# Products of a few facts stay within 64 bits, which is all that CEL counts with.
_LARGEST = 10**15
_LONGEST = 10_000


@dataclass(frozen=True, slots=True)
class Text:
    """A string, empty when missing; one of ``allowed`` where they are given."""

    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number from ``low`` to ``high``, 0 when missing."""

    low: int = 0
    high: int = _LARGEST


@dataclass(frozen=True, slots=True)
class Texts:
    """A list of strings, empty when missing."""

    most: int = 64


@dataclass(frozen=True, slots=True)
class Records:
    """A list of things with ``fields``, empty when missing."""

    fields: Mapping[str, Text | Number | Texts]
    most: int


Kind = Text | Number | Texts | Records
Flat = dict[str, object]

ZONES = ("intranet", "extranet")

# At most this many of each: a rule that looks at every pair of them stays within CEL's budget of
# 10,000 steps.
_COMPONENTS = Records(
    {
        "name": Text(),
        "cpu_millis": Number(),
        "memory_mib": Number(),
        "min_replicas": Number(),
        "max_replicas": Number(),
        "storage_gib": Number(),
        "port": Number(),
        "image": Text(),
        "bindings": Texts(),
    },
    most=64,
)
_WINDOWS = Records(
    {"hours_ahead": Number(-_LARGEST), "hours": Number(-_LARGEST), "replicas": Number()}, most=128
)

SCHEMA: Mapping[str, Kind] = {
    "request.kind": Text(("new", "resize", "peak", "retire")),
    "request.reason": Text(),
    "department.code": Text(),
    "actor.roles": Texts(),
    "system.code": Text(),
    "system.zone": Text(ZONES),
    "system.protection_level": Number(0, 5),
    "system.criticality": Number(0, 4),
    "system.purpose": Text(),
    "environment.name": Text(),
    "environment.purpose": Text(("production", "test")),
    "environment.components": _COMPONENTS,
    "environment.ceiling.cpu_millis": Number(),
    "environment.ceiling.memory_mib": Number(),
    "environment.ceiling.storage_gib": Number(),
    "windows": _WINDOWS,
    "cost_per_month_cents": Number(),
    "pool.name": Text(),
    "pool.kind": Text(),
    "pool.zone": Text(ZONES),
    "pool.protection_level": Number(0, 5),
}
_PREFIXES = {name[:end] for name in SCHEMA for end, letter in enumerate(name) if letter == "."}


def flatten(facts: Mapping[str, object]) -> Flat:
    """``facts`` by dotted name, each of its kind; what is missing gets its empty value.

    :raises Invalid: ``bad-facts`` with every unknown name, wrong type and value out of bounds.
    """
    flat: Flat = {}
    problems = list(_walk(facts, "", flat))
    if problems:
        path, sentence = problems[0]
        raise Invalid(f"{path}: {sentence}", code="bad-facts", path=path, problems=tuple(problems))
    for name, kind in SCHEMA.items():
        if name not in flat:
            flat[name] = _empty(kind)
    return flat


def _walk(facts: Mapping[str, object], prefix: str, flat: Flat) -> Iterator[tuple[str, str]]:
    for key, value in facts.items():
        name = f"{prefix}{key}"
        kind = SCHEMA.get(name)
        if kind is not None:
            flat[name] = value
            yield from _fill(kind, value, name, flat)
        elif name not in _PREFIXES:
            yield name, "there is no such fact"
        elif isinstance(value, Mapping):
            yield from _walk(value, f"{name}.", flat)
        else:
            yield name, f"it must be a mapping, not {describe(value)}"


def _fill(kind: Kind, value: object, name: str, flat: Flat) -> Iterator[tuple[str, str]]:
    """Put ``value`` into ``flat`` as plain ``str``, ``int``, ``list``, not as an enumeration."""
    if isinstance(kind, Text | Number):
        if problem := _scalar_problem(kind, value):
            yield name, problem
        else:
            flat[name] = _plain(value)
        return
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        yield name, f"it must be a list, not {describe(value)}"
        return
    if len(value) > kind.most:
        yield name, f"at most {kind.most} entries are possible, not {len(value):,}"
        return
    if isinstance(kind, Texts):
        for index, item in enumerate(value):
            if problem := _scalar_problem(Text(), item):
                yield f"{name}[{index}]", problem
        flat[name] = [str(item) for item in value]
        return
    records: list[dict[str, object]] = []
    for index, item in enumerate(value):
        records.append({field: _empty(of) for field, of in kind.fields.items()})
        yield from _record_problems(kind, item, f"{name}[{index}]", records[-1])
    flat[name] = records


def _record_problems(
    kind: Records, item: object, path: str, into: dict[str, object]
) -> Iterator[tuple[str, str]]:
    if not isinstance(item, Mapping):
        yield path, f"it must be a mapping, not {describe(item)}"
        return
    for field, value in item.items():
        of = kind.fields.get(field)
        if of is None:
            yield f"{path}.{field}", "there is no such fact"
            continue
        inner: Flat = {}
        for place, problem in _fill(of, value, field, inner):
            yield f"{path}.{place}", problem
        into |= inner


def _scalar_problem(kind: Text | Number, value: object) -> str:
    return _text_problem(kind, value) if isinstance(kind, Text) else _number_problem(kind, value)


def _number_problem(kind: Number, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        return f"it must be a whole number, not {describe(value)}"
    if not kind.low <= value <= kind.high:
        return f"{value:,} is outside {kind.low:,} to {kind.high:,}"
    return ""


def _text_problem(kind: Text, value: object) -> str:
    if not isinstance(value, str):
        return f"it must be text, not {describe(value)}"
    if len(value) > _LONGEST:
        return f"it is longer than {_LONGEST:,} letters"
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        return "it is not text: half a character"
    if kind.allowed and value and value not in kind.allowed:
        return f"{value[:40]!r} is none of {', '.join(kind.allowed)}"
    return ""


def _plain(value: object) -> object:
    return str(value) if isinstance(value, str) else int(value) if isinstance(value, int) else value


def _empty(kind: Kind) -> object:
    match kind:
        case Text():
            return ""
        case Number():
            return 0
        case _:
            return []


def describe(value: object) -> str:
    """What a value is, in words of YAML and not of Python."""
    names = {
        type(None): "nothing",
        bool: "true or false",
        int: "a number",
        float: "a number with decimals",
        str: "text",
        list: "a list",
        dict: "a mapping",
    }
    return names.get(type(value), f"a {type(value).__name__}")
