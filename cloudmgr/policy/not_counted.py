"""Requests that nobody makes who wants the system: probes, monitors, crawlers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotCounted:
    """Whose requests neither keep an environment awake nor wake it.

    :param user_agents: text found anywhere in ``User-Agent``; small or capital letters are alike.
    :param paths: what is asked for with GET or HEAD, exactly.
    """

    user_agents: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def covers(self, method: str, path: str, user_agent: str) -> bool:
        """Whether a request of ``user_agent`` (empty if it does not say) is one of those."""
        said = user_agent.lower()
        return any(name.lower() in said for name in self.user_agents) or (
            method in {"GET", "HEAD"} and path in self.paths
        )
