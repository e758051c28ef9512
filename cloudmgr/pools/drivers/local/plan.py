"""What to do next about one environment: pure, from what is wanted and what is there."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.pools.drivers.driver import ReplicaState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from cloudmgr.pools.drivers.driver import ComponentWorkload, Workload
    from cloudmgr.pools.drivers.local.records import Replica


@dataclass(frozen=True, slots=True)
class Start:
    """A new incarnation in ``slot``, in place of the failed one ``after``, if any."""

    component: ComponentWorkload
    slot: int
    after: str = ""


@dataclass(frozen=True, slots=True)
class Drain:
    """No new traffic for it; end it when its requests have."""

    id: str


@dataclass(frozen=True, slots=True)
class Revive:
    """It was draining, has not been asked to end, and is wanted again."""

    id: str


@dataclass(frozen=True, slots=True)
class Discard:
    """It does not run and is not wanted any more."""

    id: str


Action = Start | Drain | Revive | Discard


def plan(
    wanted: Workload | None,
    replicas: Iterable[Replica],
    due: Collection[str] = (),
    revivable: Collection[str] = (),
) -> list[Action]:
    """The steps that lead on from here; none when there is nothing to do but wait.

    Slot by slot, so that each keeps its number, its log and its storage. A replica of another
    template goes on serving until its slot's new one is Ready, one slot of a component at a time;
    with storage it ends first, for two must not write to one directory.

    :param wanted: None when nothing is.
    :param due: ids of replicas in Backoff whose wait is over.
    :param revivable: ids of draining replicas that have not been asked to end yet.
    """
    components = {c.name: c for c in wanted.components} if wanted is not None else {}
    mine: defaultdict[str, list[Replica]] = defaultdict(list)
    for replica in replicas:
        mine[replica.component.name].append(replica)
    actions: list[Action] = []
    for name in sorted({*components, *mine}):
        component = components.get(name)
        count = component.replicas if component is not None else 0
        actions += [
            _let_go(r)
            for r in mine[name]
            if r.slot >= count and r.state is not ReplicaState.DRAINING
        ]
        if component is not None:
            actions += _fill(component, mine[name], due, revivable)
    return actions


def _let_go(replica: Replica) -> Action:
    return Discard(replica.id) if replica.state is ReplicaState.BACKOFF else Drain(replica.id)


@dataclass(slots=True)
class _Slot:
    """One wanted slot: who is there, by what they are there for."""

    number: int
    current: Replica | None  # of the wanted template
    serving: Replica | None  # of another one, and Ready
    useless: list[Replica]  # of another one, and not the one that serves
    leaving: list[Replica]  # draining


def _sort(component: ComponentWorkload, replicas: list[Replica]) -> list[_Slot]:
    template = component.template_digest
    slots = [_Slot(number, None, None, [], []) for number in range(component.replicas)]
    for replica in sorted(replicas, key=lambda r: r.started_at, reverse=True):
        if replica.slot >= component.replicas:
            continue
        slot = slots[replica.slot]
        if replica.state is ReplicaState.DRAINING:
            slot.leaving.append(replica)
        elif replica.template == template and slot.current is None:
            slot.current = replica
        elif replica.state is ReplicaState.READY and slot.serving is None:
            slot.serving = replica
        else:
            slot.useless.append(replica)
    return slots


def _fill(
    component: ComponentWorkload,
    replicas: list[Replica],
    due: Collection[str],
    revivable: Collection[str],
) -> list[Action]:
    actions: list[Action] = []
    outdated: list[_Slot] = []
    replacing = False
    alone = component.storage_gib > 0  # nobody else may be in the slot
    for slot in _sort(component, replicas):
        actions += [_let_go(r) for r in slot.useless]
        current, serving = slot.current, slot.serving
        if current is not None:
            if serving is not None and (current.state is ReplicaState.READY or alone):
                actions.append(Drain(serving.id))
            if current.state is ReplicaState.BACKOFF and current.id in due:
                actions.append(Start(component, slot.number, after=current.id))
            replacing |= current.state is not ReplicaState.READY and (alone or serving is not None)
        elif serving is not None:
            outdated.append(slot)
        else:
            actions += _occupy(component, slot, alone=alone, revivable=revivable)
            replacing |= alone
    if outdated and not replacing:
        slot = outdated[0]
        if alone and slot.serving is not None:
            actions.append(Drain(slot.serving.id))
        else:
            actions.append(Start(component, slot.number))
    return actions


def _occupy(
    component: ComponentWorkload, slot: _Slot, *, alone: bool, revivable: Collection[str]
) -> list[Action]:
    """Someone for a slot in which nobody serves."""
    template = component.template_digest
    for replica in slot.leaving:
        if replica.template == template and replica.id in revivable:
            return [Revive(replica.id)]
    if alone and (slot.leaving or any(r.holds for r in slot.useless)):
        return []  # its directory is still in use
    return [Start(component, slot.number)]
