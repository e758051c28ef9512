"""How long before a peak an environment has to start, by how long its starts took. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from cloudmgr.policy.lead_times import LeadTimes
    from cloudmgr.policy.scaling_class import ScalingClass

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Start:
    """More replicas were asked for at ``raised_at``; all were Ready at ``ready_at``.

    None while they are not.
    """

    environment_id: str
    raised_at: datetime
    ready_at: datetime | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Lead:
    """How long before a peak it starts, and what that comes of.

    :param time: whole minutes where it was measured.
    :param of_class: what its class says.
    :param measured: what nearly all starts that count did not take longer than; None if too few
        were measured, so that the class's time holds.
    :param starts: how many were measured, of those that count.
    :param capped: whether it ought to be more than policy lets it be.
    """

    time: timedelta
    of_class: timedelta
    measured: timedelta | None = None
    starts: int = 0
    capped: bool = False

    @property
    def slower(self) -> bool:
        """Whether it starts more slowly than its class allows for."""
        return self.measured is not None and self.time > self.of_class

    @property
    def words(self) -> tuple[str, str]:
        """Chinese and English."""
        minutes = _minutes(self.time)
        if self.measured is None:
            zh = f"高峰前 {minutes} 分钟开始准备：按其类别（已实测启动 {self.starts} 次，尚不足）"
            en = (
                f"starts {minutes} minutes before a peak: as its class says "
                f"({self.starts} starts measured, too few to go by)"
            )
            return zh, en
        took = _minutes(self.measured)
        zh = f"高峰前 {minutes} 分钟开始准备：{self.starts} 次启动实测 {took} 分钟"
        en = (
            f"starts {minutes} minutes before a peak: measured {took} min over {self.starts} starts"
        )
        if self.time == self.of_class:
            zh += "；不少于其类别所定"
            en += "; never less than its class says"
        if self.slower:
            zh += f"；比其类别的 {_minutes(self.of_class)} 分钟慢"
            en += f"; slower than the {_minutes(self.of_class)} min of its class"
        if self.capped:
            zh += "；已达策略上限，可能赶不上"
            en += "; that is the most policy allows, and it may come too late"
        return zh, en


def lead(took: Sequence[timedelta], of_class: timedelta, terms: LeadTimes) -> Lead:
    """The lead time that comes of ``took``, how long each measured start took, newest first.

    Never less than its class's: the starts that were measured may have been of one replica, on a
    host that had the image, and a peak's are not.
    """
    counting = sorted(took[: terms.newest])
    if len(counting) < terms.measured_from or not counting:
        return Lead(of_class, of_class, starts=len(counting))
    # The nearest rank, upwards: of few starts, the slowest.
    rank = -(-len(counting) * terms.percent // 100)
    measured = counting[max(rank, 1) - 1]
    wanted = _with_margin(measured, terms)
    time = max(min(wanted, terms.at_most), of_class)
    return Lead(time, of_class, measured, len(counting), capped=wanted > terms.at_most)


def longest(slowest: timedelta, of_classes: Iterable[timedelta], terms: LeadTimes) -> timedelta:
    """No environment has a longer lead time, if no start took longer than ``slowest``."""
    measured = min(_with_margin(slowest, terms), terms.at_most)
    return max((measured, *of_classes))


def by_class(scaling_class: ScalingClass) -> Lead:
    """The lead time of one of which nothing was measured."""
    return Lead(scaling_class.lead_time, scaling_class.lead_time)


def steadied(found: Lead, took: Sequence[timedelta], terms: LeadTimes) -> Lead:
    """``found``, but not less than what a peak may have begun to be prepared by.

    For as long as a peak is prepared or under way: else one that starts faster than was thought
    would be let go again as soon as that was measured, and started once more a little later.
    """
    slowest = max(took, default=timedelta())
    before = min(_with_margin(slowest, terms), terms.at_most)
    return replace(found, time=max(found.time, found.of_class, before))


def with_lead(scaling_class: ScalingClass, found: Lead) -> ScalingClass:
    """``scaling_class`` as it is for one environment."""
    if found.time == scaling_class.lead_time:
        return scaling_class
    return replace(scaling_class, lead_time=found.time)


def _with_margin(span: timedelta, terms: LeadTimes) -> timedelta:
    return -(-span * (100 + terms.margin_percent) // (100 * _MINUTE)) * _MINUTE


def _minutes(span: timedelta) -> str:
    return f"{span / _MINUTE:.1f}".removesuffix(".0")
