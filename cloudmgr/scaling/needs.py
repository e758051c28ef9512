"""Which environments another one needs: awake before it is, and for as long. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.errors import Conflict, Invalid

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from cloudmgr.hosting.environments import Environment

MOST = 20


@dataclass(frozen=True, slots=True)
class Need:
    """``environment_id`` does not work without ``needed_id``, as ``actor`` said at ``at``."""

    environment_id: str
    needed_id: str
    actor: str
    at: datetime


def check(
    environment: Environment, needed: Sequence[Environment], known: Iterable[tuple[str, str]]
) -> None:
    """Whether ``environment`` may need all of ``needed``.

    :param known: who needs whom now, by ids; what ``environment`` needs now does not count.
    :raises Invalid: ``needs-itself``, ``too-many-needs``, ``another-zone``, ``needs-in-a-circle``.
    :raises Conflict: ``retiring``.
    """
    if len(needed) > MOST:
        raise Invalid(f"it needs at most {MOST} others", code="too-many-needs", path="needs")
    for other in needed:
        if other.id == environment.id:
            raise Invalid("it cannot need itself", code="needs-itself", path="needs")
        if other.zone is not environment.zone:
            raise Invalid(
                f"{other.id} is in {other.zone.value}, not in {environment.zone.value}: "
                "zones do not reach each other",
                code="another-zone",
                path="needs",
            )
        if other.retiring:
            raise Conflict(f"{other.id} is being retired", code="retiring")
    edges: dict[str, set[str]] = {}
    for one, two in known:
        if one != environment.id:
            edges.setdefault(one, set()).add(two)
    for other in needed:
        way = path(edges, other.id, environment.id)
        if way is not None:
            raise Invalid(
                "they would need each other in a circle: " + " needs ".join((environment.id, *way)),
                code="needs-in-a-circle",
                path="needs",
                hint="leave one of these needs out",
            )


def path(edges: Mapping[str, Collection[str]], start: str, end: str) -> tuple[str, ...] | None:
    """The ids from ``start`` to ``end`` by what each needs; None if there is no way."""
    came: dict[str, str | None] = {start: None}
    ahead = [start]
    while ahead:
        one = ahead.pop()
        if one == end:
            way, at = [], came[one]
            while at is not None:
                way.append(at)
                at = came[at]
            return (*way[::-1], end)
        for two in sorted(edges.get(one, ())):
            if two not in came:
                came[two] = one
                ahead.append(two)
    return None
