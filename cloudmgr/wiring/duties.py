"""What one control plane of a city does for all, now and then: learn, remind, look back.

Unlike the rounds nothing waits for it within seconds. Each computes what is to be done from what is
stored and from the time, so that a turn that was missed, or came twice, changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cloudmgr.jobs.scheduler import Scheduler
    from cloudmgr.reconcile.leases import Leases

DUTIES = "duties"


@dataclass(frozen=True, slots=True)
class Duty:
    """``do`` every ``seconds`` of elapsed time; an error of it is logged, and it goes on."""

    name: str
    seconds: float
    do: Callable[[], object]


def schedule(duties: Iterable[Duty], scheduler: Scheduler, leases: Leases) -> None:
    """Have ``scheduler`` do all that is ours while this control plane holds their lease."""
    for duty in duties:
        scheduler.every(duty.seconds, duty.name, _if_ours(duty, leases), at_once=False)


def _if_ours(duty: Duty, leases: Leases) -> Callable[[], object]:
    def do() -> None:
        if leases.single(DUTIES) is not None:
            duty.do()

    return do
