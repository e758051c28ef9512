"""Says what happens when it happens, with the time that a clock on a wall in Shanghai shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from cloudmgr.clock import SystemClock

if TYPE_CHECKING:
    from cloudmgr.cli.demo.timeline import Timeline

# What the tables at the end need.
_WIDTH = 168


class Teller:
    """Prints one line for each thing that happens, without a time until :meth:`follow`."""

    def __init__(self) -> None:
        console = Console(highlight=False)
        # A log has no width of its own.
        self.console = console if console.is_terminal else Console(highlight=False, width=_WIDTH)
        self._timeline: Timeline | None = None

    def follow(self, timeline: Timeline) -> None:
        """From now on, tell the time by ``timeline``."""
        self._timeline = timeline

    def at(self, machine: float, sentence: str) -> None:
        """Say what happened at ``machine``, seconds since the Unix epoch."""
        wall = self._timeline.wall(machine) if self._timeline else "     "
        self.lines(f"{wall}  {sentence}")

    def __call__(self, sentence: str) -> None:
        self.at(SystemClock().now().timestamp(), sentence)

    def lines(self, *lines: str) -> None:
        """Print as it stands."""
        for line in lines:
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)
