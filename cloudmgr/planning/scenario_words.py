"""What is said of a pool's calendar over a span, on other hosts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.planning.promise_words import amount_en, amount_zh
from cloudmgr.planning.scenario import share

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from cloudmgr.planning.promises import Shortage
    from cloudmgr.planning.scenario import Foreseen
    from cloudmgr.pools.pool import Pool


@dataclass(frozen=True, slots=True)
class Supposed:
    """A pool and what would come of it; sentences tell times in ``zone``."""

    pool: Pool
    found: Foreseen
    zone: ZoneInfo

    @property
    def zh(self) -> str:
        """The finding, as one sentence."""
        found = self.found
        if found.fits:
            at = self._local(found.tightest.interval.start)
            return f"放得下：{at} 最紧张，占用 {self._share():.0%}。{self._hosts_zh()}"
        if not found.held_fits:
            return (
                f"放不下：高峰期之外的占用（{amount_zh(found.held)}）已经超出容量。"
                f"{self._hosts_zh()}"
            )
        worst = self._worst
        return (
            f"放不下：{len(found.broken)} 项预留无法兑现，{self._when(worst)} 起最多缺 "
            f"{amount_zh(worst.missing)}。{self._hosts_zh()}"
        )

    @property
    def en(self) -> str:
        found = self.found
        if found.fits:
            return (
                f"It fits: {self._share():.0%} is taken when it is tightest, on "
                f"{self._local(found.tightest.interval.start)}. {self._hosts_en()}"
            )
        if not found.held_fits:
            return (
                f"It does not fit: what is held outside peaks ({amount_en(found.held)}) is more "
                f"than there is. {self._hosts_en()}"
            )
        worst, count = self._worst, len(found.broken)
        return (
            f"It does not fit: {count:,} promise{'' if count == 1 else 's'} would be broken, and "
            f"from {self._when(worst)} on {amount_en(worst.missing)} would be missing. "
            f"{self._hosts_en()}"
        )

    @property
    def _worst(self) -> Shortage:
        return max(self.found.shortages, key=lambda s: (s.missing.cpu_millis, s.missing.memory_mib))

    def _hosts_zh(self) -> str:
        found = self.found
        if found.least is None:
            return "增加主机也无法满足：现有主机不具备所需资源。"
        spare = f"（含 {found.spare} 台冗余）" if found.spare else ""
        if found.to_buy:
            return (
                f"现有 {found.hosts} 台主机，需要 {found.least} 台{spare}，还差 {found.to_buy} 台。"
            )
        return f"现有 {found.hosts} 台主机，至少需要 {found.least} 台{spare}。"

    def _hosts_en(self) -> str:
        found = self.found
        if found.least is None:
            return "No number of hosts would do: those there are have nothing of what is needed"
        spare = f" with {found.spare} that may fail" if found.spare else ""
        if found.to_buy:
            return (
                f"It would take {found.least:,} hosts{spare}, {found.to_buy:,} more than the "
                f"{found.hosts:,}"
            )
        return f"At least {found.least:,} of the {found.hosts:,} hosts are needed{spare}"

    def _share(self) -> float:
        tightest = self.found.tightest
        return share(tightest.asked, tightest.room)

    def _when(self, short: Shortage) -> str:
        return self._local(short.interval.start)

    def _local(self, moment: datetime) -> str:
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M}"
