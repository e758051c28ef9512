"""The scaling classes of a bundle, made and checked as a whole."""

from __future__ import annotations

from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from cloudmgr.policy.lead_times import LeadTimes
from cloudmgr.policy.rehearsing import Rehearsing
from cloudmgr.policy.scaling_class import Hours, ScalingClass
from cloudmgr.policy.waking import Waking

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudmgr.policy.documents import Document
    from cloudmgr.policy.problem import Problem
    from cloudmgr.policy.schema import (
        HoursText,
        LeadText,
        RehearsalsText,
        ScalingClassText,
        ScalingFile,
        WakingText,
    )


def scaling_classes(
    document: Document, file: ScalingFile
) -> tuple[Mapping[str, ScalingClass], list[Problem]]:
    """By name, and what contradicts itself."""
    problems = [p for name, text in file.classes.items() for p in _hours(document, name, text)]
    made = {name: _made(name, text) for name, text in file.classes.items()}
    return MappingProxyType(made), problems


def _made(name: str, text: ScalingClassText) -> ScalingClass:
    return ScalingClass(
        name=name,
        lead_time=timedelta(minutes=text.lead_time_minutes),
        idle_after=None
        if text.idle_after_minutes is None
        else timedelta(minutes=text.idle_after_minutes),
        target_in_flight=text.target_in_flight,
        scale_down_after=timedelta(minutes=text.scale_down_after_minutes),
        wake_replicas=text.wake_replicas,
        requests_per_user_minute=text.requests_per_user_minute,
        wake_within=timedelta(minutes=text.wake_within_minutes),
        after_needs=timedelta(minutes=text.after_needs_minutes),
        freeze_before=None if text.freeze_hours is None else timedelta(hours=text.freeze_hours),
        reserve=timedelta(minutes=text.reserve_minutes),
        elastic=text.scaled_by == "pool",
        corrects_drift=text.on_drift == "correct",
        workdays=_kept(text.workdays),
        other_days=_kept(text.other_days),
        zh=text.zh,
        en=text.en,
    )


def rehearsing(text: RehearsalsText) -> Rehearsing:
    return Rehearsing(
        longest=timedelta(minutes=text.most_minutes),
        most_per_second=text.most_per_second,
        most_failures=text.most_failures_percent / 100,
    )


def waking(document: Document, text: WakingText) -> tuple[Waking, list[Problem]]:
    """What holds for all classes, and what contradicts itself."""
    problems = []
    if text.tests_from >= text.tests_until:
        problems.append(
            document.problem(
                ("waking", "tests_until"), "it must be later than tests_from of the same day"
            )
        )
    every = text.test_every_days
    made = Waking(
        at_once=text.at_once,
        ahead=timedelta(minutes=text.ahead_minutes),
        test_every=None if every is None else timedelta(days=every),
        tests_from=text.tests_from,
        tests_until=text.tests_until,
    )
    return made, problems


def lead_times(document: Document, text: LeadText) -> tuple[LeadTimes, list[Problem]]:
    """What holds for all classes, and what contradicts itself."""
    problems = []
    if text.measured_from > text.newest:
        problems.append(
            document.problem(("lead", "measured_from"), "it must not be more than newest")
        )
    made = LeadTimes(
        measured_from=text.measured_from,
        newest=text.newest,
        percent=text.percent,
        margin_percent=text.margin_percent,
        at_most=timedelta(minutes=text.at_most_minutes),
    )
    return made, problems


def _kept(text: HoursText | None) -> Hours | None:
    return None if text is None else Hours(text.earliest_sleep, text.latest_wake)


def _hours(document: Document, name: str, text: ScalingClassText) -> Iterator[Problem]:
    for key, hours in (("workdays", text.workdays), ("other_days", text.other_days)):
        if hours is None:
            continue
        path = ("classes", name, key)
        if text.idle_after_minutes is None:
            yield document.problem(path, "a class that never hibernates needs no hours")
        if hours.latest_wake is not None and hours.latest_wake >= hours.earliest_sleep:
            yield document.problem(
                (*path, "latest_wake"), "it must be earlier than earliest_sleep of the same day"
            )
