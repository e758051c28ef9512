"""Requests that nobody makes who wants the system: probes, monitors, crawlers."""

from __future__ import annotations

from dataclasses import dataclass

# What each of them says, whatever its version: nobody who looks like a person is left out.
_BROWSERS = (
    (
        "mozilla/5.0 (windows nt 10.0; win64; x64) applewebkit/537.36 (khtml, like gecko) "
        "chrome/130.0.0.0 safari/537.36 edg/130.0.0.0"
    ),
    (
        "mozilla/5.0 (macintosh; intel mac os x 10_15_7) applewebkit/605.1.15 (khtml, like gecko) "
        "version/18.0 safari/605.1.15"
    ),
    "mozilla/5.0 (x11; linux x86_64; rv:131.0) gecko/20100101 firefox/131.0",
    (
        "mozilla/5.0 (iphone; cpu iphone os 18_0 like mac os x) applewebkit/605.1.15 (khtml, like "
        "gecko) mobile/15e148 micromessenger/8.0.50 nettype/wifi language/zh_cn"
    ),
    "mozilla/5.0 (linux; android 14) applewebkit/537.36 mobile safari/537.36",
)


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


def said_by_browsers(text: str) -> bool:
    """Whether ``text`` stands in what people's browsers say of themselves."""
    return any(text.lower() in said for said in _BROWSERS)
