"""What people order by hand, what makes it valid, and what was decided in the end. Pure."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloudmgr.errors import Conflict, Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cloudmgr.hosting.environments import Component, Environment

LONGEST_REASON = 500
WHOLE = ""  # stands for the environment as a whole where a component is named


@dataclass(frozen=True, slots=True)
class Order:
    """What a person ordered of one component, or of the environment as a whole: to sleep.

    In force from ``at`` until ``until``, or until it is taken back.
    """

    environment_id: str
    component: str
    replicas: int
    until: datetime | None
    actor: str
    why: str
    at: datetime

    @property
    def hibernates(self) -> bool:
        return self.component == WHOLE

    def in_force(self, now: datetime) -> bool:
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class ScalingDecision:
    """One decision on one component, with what it was made of.

    ``actor`` and ``reason`` are those of a command; None when the city's rules decided.
    ``terms`` are the numbers of the explanation: ``window``, ``reactive``, ``ceiling``, …
    """

    id: str
    environment_id: str
    component: str
    at: datetime
    before: int
    after: int
    zh: str
    en: str
    terms: Mapping[str, object] = field(default_factory=dict)
    actor: str | None = None
    reason: str | None = None


def check_reason(why: str) -> str:
    """``why`` without the blanks around it.

    :raises Invalid: ``reason-missing``, ``reason-unfit``.
    """
    why = why.strip()
    if not why:
        raise Invalid(
            "say why",
            code="reason-missing",
            path="reason",
            hint="whoever reads the history of this environment will want to know",
        )
    if len(why) > LONGEST_REASON:
        raise Invalid(
            f"the reason has {len(why):,} letters; {LONGEST_REASON} at most",
            code="reason-unfit",
            path="reason",
        )
    if any(unicodedata.category(letter) == "Cc" for letter in why):
        raise Invalid("the reason is not plain text", code="reason-unfit", path="reason")
    return why


def check_until(until: datetime | None, now: datetime) -> None:
    """:raises Invalid: ``naive-time``, ``in-the-past``."""
    if until is None:
        return
    if until.tzinfo is None:
        raise Invalid("until has no time zone", code="naive-time", path="until")
    if until <= now:
        raise Invalid(
            "that moment is over already",
            code="in-the-past",
            path="until",
            hint="leave it out for an order without an end",
        )


def check_alive(environment: Environment) -> None:
    """:raises Conflict: ``retiring``."""
    if environment.retiring:
        raise Conflict("the environment is being retired", code="retiring")


def component_of(environment: Environment, name: str) -> Component:
    """:raises NotFound: ``no-such-component``."""
    for component in environment.components:
        if component.name == name:
            return component
    names = ", ".join(c.name for c in environment.components)
    raise NotFound(
        f"the environment has no component {name[:60]!r}",
        code="no-such-component",
        hint=f"it has {names}",
        path="component",
    )


def check_replicas(component: Component, replicas: int) -> None:
    """:raises Invalid: ``outside-ceiling``."""
    if 1 <= replicas <= component.max_replicas:
        return
    raise Invalid(
        f"{replicas:,} replicas are outside 1 to {component.max_replicas}, the approved ceiling",
        code="outside-ceiling",
        path="replicas",
        hint="hibernate the environment to give everything back"
        if replicas == 0
        else "ask for a resize to raise the ceiling",
    )
