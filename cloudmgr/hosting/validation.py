"""What no policy may allow: a workload that makes no sense. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid
from cloudmgr.pools.drivers.driver import SharedService

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from cloudmgr.hosting.environments import Component, Environment
    from cloudmgr.hosting.requests import EnvironmentAsk, WindowAsk

_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
# Set by the pool itself; a component that sets them would break its own contract.
_RESERVED = {"PORT", "DATA_DIR", "CONFIG_DIR", "CLOUDMGR_REPLICA"}
_FILE = re.compile(r"/?[A-Za-z0-9._-]{1,100}(/[A-Za-z0-9._-]{1,100}){0,15}")
# A pool keeps with an environment what its components are told; Kubernetes gives that 256 KiB,
# in which a line break takes two bytes.
_MOST_TOLD = 100_000
_BOUNDS = {
    "cpu_millis": (10, 256_000),
    "memory_mib": (16, 4_194_304),
    "storage_gib": (0, 65_536),
    "min_replicas": (1, 1_000),
    "max_replicas": (1, 1_000),
    "startup_seconds": (1, 3_600),
}
MAX_COMPONENTS = 20
_PLAIN = str.maketrans("", "", "\t\n\r")
_LONGEST_LABEL = 63

Problem = tuple[str, str]


def refuse(problems: Iterable[Problem]) -> None:
    """:raises Invalid: ``invalid-workload`` with every problem, if there is one."""
    found = tuple(problems)
    if found:
        path, sentence = found[0]
        raise Invalid(sentence, code="invalid-workload", path=path, problems=found)


def ask_problems(ask: EnvironmentAsk) -> list[Problem]:
    """Everything wrong with an environment that is asked for, each with its path."""
    problems: list[Problem] = []
    if not _LABEL.fullmatch(ask.name):
        problems.append(("environment.name", _label_sentence(ask.name)))
    if not 1 <= len(ask.components) <= MAX_COMPONENTS:
        problems.append(
            ("environment.components", f"an environment has 1 to {MAX_COMPONENTS} components")
        )
    names = [c.name for c in ask.components]
    for index, component in enumerate(ask.components):
        path = f"environment.components[{index}]"
        if names.index(component.name) != index:
            problems.append((f"{path}.name", f"two components are called {component.name}"))
        problems.extend(_component_problems(component, path))
    told = sum(map(_told, ask.components))
    if told > _MOST_TOLD:
        sentence = (
            f"commands, variables and files have {told:,} bytes, and an environment at most "
            f"{_MOST_TOLD:,}: put what is larger into the image"
        )
        problems.append(("environment.components", sentence))
    return problems


def label_problems(code: str, name: str) -> list[Problem]:
    """``code`` of the system and ``name`` make one label of an address: RFC 1035, 2.3.4."""
    room = _LONGEST_LABEL - len(code) - 1
    if len(name) <= room:
        return []
    return [("environment.name", f"beside {code} it has at most {room} letters, not {len(name)}")]


def window_problems(
    windows: Sequence[WindowAsk], components: Sequence[Component], now: datetime
) -> list[Problem]:
    """Everything wrong with announced peaks, each with its path."""
    problems: list[Problem] = []
    ceilings = {c.name: c.max_replicas for c in components}
    for index, window in enumerate(windows):
        path = f"windows[{index}]"
        if window.ends_at <= window.starts_at:
            problems.append((f"{path}.ends_at", "the window ends before it starts"))
        elif window.ends_at <= now:
            problems.append((f"{path}.ends_at", "the window is over already"))
        elif (window.ends_at - window.starts_at).days > 31:
            problems.append((f"{path}.ends_at", "a window lasts at most 31 days"))
        if (window.starts_at - now).days > 5 * 366:
            problems.append((f"{path}.starts_at", "a window starts within five years"))
        ceiling = ceilings.get(window.component)
        if ceiling is None:
            problems.append((f"{path}.component", f"there is no component {window.component}"))
        elif not 1 <= window.replicas <= ceiling:
            problems.append(
                (
                    f"{path}.replicas",
                    f"{window.replicas} replicas are outside 1 to {ceiling}, the approved ceiling",
                )
            )
        rate = window.expected_rps
        if rate is not None and not (rate.is_finite() and 0 < rate < 10**7):
            problems.append((f"{path}.expected_rps", "it must be above 0 and below 10,000,000"))
    return problems


def _component_problems(component: Component, path: str) -> Iterable[Problem]:
    if not _LABEL.fullmatch(component.name):
        yield f"{path}.name", _label_sentence(component.name)
    if bool(component.command) == bool(component.image):
        yield path, "give either a command or an image"
    for part in component.command:
        if not part or len(part) > 4_000 or "\0" in part:
            yield f"{path}.command", "a part of the command is empty, too long or not plain text"
            break
    for field, (low, high) in _BOUNDS.items():
        value = getattr(component, field)
        if not low <= value <= high:
            yield f"{path}.{field}", f"{value:,} is outside {low:,} to {high:,}"
    if component.max_replicas < component.min_replicas:
        yield (
            f"{path}.max_replicas",
            f"the ceiling {component.max_replicas} is below the minimum {component.min_replicas}",
        )
    yield from _web_problems(component, path)
    yield from _variable_problems(component, path)
    yield from _file_problems(component, path)
    yield from _named_problems(component, path)


def _web_problems(component: Component, path: str) -> Iterable[Problem]:
    if component.port is not None and not 1 <= component.port <= 65_535:
        yield f"{path}.port", f"{component.port} is not a port (1 to 65535)"
    if not component.health_path.startswith("/") or _has_control(component.health_path):
        yield f"{path}.health_path", "it must begin with / and be plain text"


def _variable_problems(component: Component, path: str) -> Iterable[Problem]:
    for name, value in component.variables.items():
        if not _VARIABLE.fullmatch(name) or name in _RESERVED or name.startswith("CLOUDMGR_"):
            yield f"{path}.variables", f"{name[:100]!r} cannot be the name of a variable here"
        elif len(value) > 32_000 or "\0" in value:
            yield f"{path}.variables.{name}", "the value is too long or not text"


def _file_problems(component: Component, path: str) -> Iterable[Problem]:
    for name, text in component.files.items():
        where = f"{path}.files.{name[:200]}"
        if not _FILE.fullmatch(name) or {".", ".."} & set(name.split("/")):
            sentence = f"{name[:200]!r} is no path here: letters, digits, . - _ between slashes"
            yield where, sentence
        elif name.startswith("/") and component.command:
            # A command has no file system of its own.
            sentence = f"{name}: leave out the first /, and look for it in the directory CONFIG_DIR"
            yield where, sentence
        elif any(other.startswith(f"{name}/") for other in component.files):
            yield where, f"{name} cannot be a file and a directory"
        elif _has_control(text.translate(_PLAIN)):
            yield where, "it is not plain text"


def _named_problems(component: Component, path: str) -> Iterable[Problem]:
    """Secrets and shared services, of which a component has only the names."""
    for index, name in enumerate(component.secrets):
        where = f"{path}.secrets[{index}]"
        if not _VARIABLE.fullmatch(name) or name in _RESERVED or name.startswith("CLOUDMGR_"):
            yield where, f"{name[:100]!r} cannot be the name of a secret here"
        elif name in component.variables:
            yield where, f"{name} is a variable already: a secret is told as a variable of its name"
        elif component.secrets.index(name) != index:
            yield where, f"{name} stands here twice"
    for index, name in enumerate(component.bindings):
        if component.bindings.index(name) != index:
            yield f"{path}.bindings[{index}]", f"{name} stands here twice"
        prefix = SharedService(name, 0).prefix
        told = {f"{prefix}_HOST", f"{prefix}_PORT"}
        for taken in sorted(told & {*component.variables, *component.secrets}):
            sentence = f"{taken} is told of {name}: call your variable or secret otherwise"
            yield f"{path}.bindings[{index}]", sentence


def _told(component: Component) -> int:
    """Bytes that a pool keeps of what a component is told."""
    parts = [*component.command]
    for texts in (component.variables, component.files):
        parts += [text for pair in texts.items() for text in pair]
    return sum(len(part.encode("utf-8", "surrogatepass")) for part in parts)


def _has_control(text: str) -> bool:
    return any(unicodedata.category(letter) == "Cc" for letter in text)


def _label_sentence(name: str) -> str:
    return (
        f"{name[:60]!r} is not a name here: begin with a letter a to z, then letters, digits "
        "and dashes, 40 at most"
    )


def resize_problems(environment: Environment, ask: EnvironmentAsk) -> list[Problem]:
    """What speaks against another size of what is there."""
    problems: list[Problem] = []
    if ask.name != environment.name:
        problems.append(
            ("environment.name", f"it is called {environment.name}; a resize keeps that")
        )
    if ask.purpose is not environment.purpose:
        problems.append(("environment.purpose", "a resize keeps the purpose"))
    kept = {c.name: c for c in ask.components}
    for old in environment.components:
        new = kept.get(old.name)
        if new is not None and new.storage_gib < old.storage_gib:
            problems.append(
                (
                    f"environment.components.{old.name}.storage_gib",
                    f"storage cannot shrink: it is {old.storage_gib} GiB",
                )
            )
    return problems
