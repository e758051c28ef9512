"""What a scenario adds to a pool's calendar: systems and windows that nobody asked for. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval
from cloudmgr.planning.holders import Promise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta

    from cloudmgr.hosting.environments import Component, Criticality
    from cloudmgr.hosting.requests import WindowAsk
    from cloudmgr.planning.holders import Holder
    from cloudmgr.planning.promises import Ledger

MOST_ADDED = 50_000
# What nobody was promised yet comes after all that somebody was.
_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """An environment that is like none that there is; ``scaling_class`` empty for the default."""

    components: tuple[Component, ...]
    criticality: Criticality
    scaling_class: str = ""


@dataclass(frozen=True, slots=True)
class More:
    """``copies`` environments more.

    :param like: the id of one that there is, with all of its windows; or what they would be.
    :param windows: of each of them, beside these.
    """

    copies: int
    like: str | Newcomer
    windows: tuple[WindowAsk, ...] = ()


@dataclass(frozen=True, slots=True)
class Additions:
    """:param windows: of environments that are there, by their id."""

    windows: tuple[tuple[str, WindowAsk], ...] = ()
    more: tuple[More, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """What the copies are made of."""

    holder: Holder
    lead: timedelta
    promises: tuple[Promise, ...] = ()


def with_additions(
    ledger: Ledger,
    added: Additions,
    leads: Mapping[str, timedelta],
    models: Sequence[Model],
) -> Ledger:
    """``ledger`` with all of it; what is added was booked last.

    :param leads: the lead time of each environment that is there.
    :param models: of each of ``added.more``, in this order.
    :raises Invalid: ``invalid-scenario`` with the path: an environment that the pool does not have,
        a component that the environment does not have, more replicas than its ceiling, an end that
        is no later than the start, more than :data:`MOST_ADDED` windows and environments in all.
    """
    count = len(added.windows) + sum(
        more.copies * (1 + len(model.promises) + len(more.windows))
        for more, model in zip(added.more, models, strict=True)
    )
    if count > MOST_ADDED:
        raise _invalid(
            "more", f"it adds {count:,} environments and windows; {MOST_ADDED:,} at most"
        )
    promises = list(ledger.promises)
    for number, (environment_id, ask) in enumerate(added.windows):
        path = f"windows[{number}]"
        holder = ledger.holders.get(environment_id)
        if holder is None:
            raise _invalid(
                f"{path}.environment_id", f"the pool has no environment {environment_id}"
            )
        lead = leads[environment_id]
        promise = _promise(holder, lead, ask, path)
        promises.append(replace(promise, id=f"added-{number + 1}"))
    holders = dict(ledger.holders)
    for place, (more, model) in enumerate(zip(added.more, models, strict=True)):
        own = [
            *model.promises,
            *(
                _promise(model.holder, model.lead, ask, f"more[{place}].windows[{number}]")
                for number, ask in enumerate(more.windows)
            ),
        ]
        own = [replace(one, booked_at=_LAST) for one in own]
        made, promised = copies(model.holder, own, more.copies, f"more-{place + 1}")
        holders |= made
        promises += promised
    return replace(ledger, holders=holders, promises=tuple(promises))


def copies(
    holder: Holder, promises: Iterable[Promise], count: int, name: str
) -> tuple[dict[str, Holder], list[Promise]]:
    """``count`` environments like ``holder``, each with ``promises`` at the same times.

    :param name: which their ids begin with; no other may.
    """
    holders: dict[str, Holder] = {}
    found: list[Promise] = []
    own = list(promises)
    for number in range(1, count + 1):
        key = f"{name}-{number}"
        holders[key] = replace(holder, environment_id=key)
        found += [
            replace(one, id=f"{key}-{place}", environment_id=key)
            for place, one in enumerate(own, start=1)
        ]
    return holders, found


def _promise(holder: Holder, lead: timedelta, ask: WindowAsk, path: str) -> Promise:
    """Without an id; :raises Invalid: as :func:`with_additions`."""
    part = holder.parts.get(ask.component)
    if part is None:
        has = ", ".join(sorted(holder.parts))
        raise _invalid(f"{path}.component", f"there is no component {ask.component}, but {has}")
    if ask.replicas > part.most:
        raise _invalid(f"{path}.replicas", f"{ask.component} may have {part.most} replicas at most")
    if ask.ends_at <= ask.starts_at:
        raise _invalid(f"{path}.ends_at", "it ends before it begins")
    return Promise(
        id="",
        environment_id=holder.environment_id,
        component=ask.component,
        interval=Interval(ask.starts_at - lead, ask.ends_at),
        replicas=ask.replicas,
        booked_at=_LAST,
    )


def _invalid(path: str, said: str) -> Invalid:
    return Invalid(said, code="invalid-scenario", path=path)
