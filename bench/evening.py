"""What an announced peak gains over reaction alone, on real traffic: a match evening of 1998.

The evening, the systems and the control plane are those of ``tests/end_to_end/test_traces.py``: two
systems with the same crowd, side by side, one of which was promised a window; and ten small ones
that sleep. All of it runs on this machine, in a little over a minute where nothing else does.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.table import machine, show, verdict
from tests.end_to_end.evening import PROMISED, TOP_RATE
from tests.end_to_end.plane import Place
from tests.end_to_end.replay import set_up

if TYPE_CHECKING:
    from tests.end_to_end.seen import Evening, Seen


def evening() -> Evening:
    """One evening, nothing of which is left behind."""
    with tempfile.TemporaryDirectory(prefix="cloudmgr-evening-") as directory:
        place = Place(Path(directory))
        try:
            return set_up(place).play()
        finally:
            place.down()


def main() -> None:
    busy = machine()
    seen = evening()
    show(
        "A match evening, announced and not",
        ["", "Ready as it begins", "requests", "5xx", "dropped", "p95 s", "replica-hours"],
        [_row("announced", seen.announced, seen), _row("reaction alone", seen.reacting, seen)],
        f"World Cup 98, 8 July, {TOP_RATE:.0f} requests a second at the top, "
        f"{seen.announced.span.speed:.0f} times the evening's pace; promised: {PROMISED} replicas; "
        "replica-hours: of the evening, those of starting included",
        f"goal: {PROMISED} Ready before it begins, no 5xx, nothing dropped: "
        + verdict(held=_held(seen)),
    )
    show(
        "Ten small systems that sleep, in the same evening",
        ["", "requests", "5xx", "dropped", "p95 s", "wakes", "asleep"],
        [_asleep(system) for system in seen.small],
        "NAB tweets, 8 April 2015; asleep: of the evening. goal: no 5xx, nothing dropped: "
        + verdict(held=not any(system.errors or system.dropped for system in seen.small)),
        busy,
    )


def _row(name: str, system: Seen, seen: Evening) -> list[str]:
    return [
        name,
        str(system.ready(seen.opens)),
        f"{system.planned:,}",
        str(system.errors),
        str(system.dropped),
        f"{system.p95:.2f}",
        f"{system.paid:.1f}",
    ]


def _held(seen: Evening) -> bool:
    announced = seen.announced
    return announced.ready(seen.opens) >= PROMISED and not (announced.errors or announced.dropped)


def _asleep(system: Seen) -> list[str]:
    wakes = sum(change.before == 0 for change in system.changes)
    return [
        system.name,
        f"{system.planned:,}",
        str(system.errors),
        str(system.dropped),
        f"{system.p95:.2f}",
        str(wakes),
        f"{system.asleep / (system.span.end - system.span.start):.0%}",
    ]


if __name__ == "__main__":
    main()
