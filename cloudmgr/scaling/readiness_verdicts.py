"""What is to be said of each thing that an announced peak needs. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.conditions import Status
from cloudmgr.hosting.workload import drifted, readiness
from cloudmgr.scaling.readiness import Check, Kind, Word
from cloudmgr.scaling.wakes import Fate

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cloudmgr.hosting.environments import Component, Environment
    from cloudmgr.scaling.readiness import Facts, Spending
    from cloudmgr.scaling.wakes import Wake

# A wake that is older tells nothing of today: images, hosts and secrets have changed since.
FRESH = timedelta(days=45)
# How drivers say that an image cannot be had.
_NO_IMAGE = ("cannot be pulled", "there is no image")


def verdicts(facts: Facts, now: datetime) -> tuple[Check, ...]:
    """All checks of one window: whoever adds one adds it here."""
    return (
        _capacity(facts),
        _health(facts, now),
        _images(facts, now),
        _lead(facts),
        _budget(facts),
    )


def _capacity(facts: Facts) -> Check:
    window, promised = facts.window, facts.promised
    component = _component(facts)
    if component is None or component.max_replicas < window.replicas:
        most = 0 if component is None else component.max_replicas
        return Check(
            Kind.CAPACITY,
            Word.AT_RISK,
            f"预约 {window.replicas} 个副本，而 {window.component} 最多只批准了 {most} 个",
            f"{window.replicas} replicas are promised, and {most} of {window.component} are "
            "approved at most",
            "申请变更规格以提高上限",
            "ask for a resize with a higher ceiling",
        )
    if promised.kept is None:
        return Check(
            Kind.CAPACITY,
            Word.NOT_KNOWN,
            "资源池目前没有应答，容量未知",
            "its pool does not answer now: what it has is not known",
            "稍后再次检查；仍不应答时请联系运维人员",
            "check again in a while, and tell an operator if it goes on",
        )
    if not promised.kept:
        return Check(
            Kind.CAPACITY,
            Word.AT_RISK,
            promised.zh,
            promised.en,
            "请运维人员增加容量，或改期、减少副本",
            "have operators add capacity, or choose another time or fewer replicas",
        )
    return Check(
        Kind.CAPACITY,
        Word.READY,
        f"资源池能够兑现承诺的 {window.replicas} 个副本",
        f"its pool can keep the promise of {window.replicas} replicas",
    )


def _health(facts: Facts, now: datetime) -> Check:
    environment = facts.environment
    wrong = _wrong(environment)
    if wrong is not None:
        return wrong
    return _sleeper(facts, now) if environment.hibernated else _awake(environment)


def _wrong(environment: Environment) -> Check | None:
    """What would keep it from being scaled, awake or asleep."""
    if environment.retiring:
        return _ill(
            "系统环境正在退役",
            "its environment is being retired",
            "取消该高峰期",
            "cancel the peak",
        )
    if drifted(environment):
        return _ill(
            "资源池中有他人改动且仍未恢复",
            "what cloudmgr keeps in the pool was changed by others, and still is",
            "在系统环境页面查看改动并恢复",
            "look at what was changed on its page, and put it right",
        )
    applied = next((c for c in environment.status.conditions if c.type == "Applied"), None)
    if applied is not None and applied.status is Status.FALSE:
        return _ill(
            f"资源池没有接受已批准的配置：{applied.message}",
            f"its pool has not taken what was approved: {applied.message}",
            "处理上述原因后再次检查",
            "put that right and check again",
        )
    return None


def _awake(environment: Environment) -> Check:
    found = readiness(environment)
    if found.status is Status.TRUE:
        return Check(Kind.HEALTH, Word.READY, "正在正常服务", "it serves as approved")
    if found.status is Status.UNKNOWN:
        return Check(
            Kind.HEALTH,
            Word.NOT_KNOWN,
            "正在变更或尚未观察到",
            "it is changing, or has not been looked at yet",
            "几分钟后再次检查",
            "check again in a few minutes",
        )
    return _ill(
        f"没有就绪：{found.message or found.reason}",
        f"it is not Ready: {found.message or found.reason}",
        "在系统环境页面查看状况和日志",
        "read its conditions and its log",
    )


def _ill(zh: str, en: str, do_zh: str, do_en: str) -> Check:
    return Check(Kind.HEALTH, Word.AT_RISK, zh, en, do_zh, do_en)


def _sleeper(facts: Facts, now: datetime) -> Check:
    """What sleeps is as healthy as its last wake was."""
    last = _last(facts.wakes, now)
    do_zh, do_en = "试唤醒一次，然后再次检查", "try whether it wakes, then check again"
    if last is None:
        return Check(
            Kind.HEALTH,
            Word.NOT_KNOWN,
            "正在休眠，还没有唤醒记录",
            "it sleeps, and no wake of it is on record",
            do_zh,
            do_en,
        )
    day = f"{last.asked_at.astimezone(facts.zone):%Y-%m-%d}"
    if last.fate(now) is not Fate.KEPT:
        return Check(
            Kind.HEALTH,
            Word.AT_RISK,
            f"正在休眠，{day} 的最近一次唤醒没有按时就绪",
            f"it sleeps, and its last wake, of {day}, was not Ready in time",
            do_zh,
            do_en,
        )
    if last.asked_at < now - FRESH:
        return Check(
            Kind.HEALTH,
            Word.NOT_KNOWN,
            f"正在休眠，最近一次唤醒是 {day}，时间已久",
            f"it sleeps, and its last wake, of {day}, is long ago",
            do_zh,
            do_en,
        )
    return Check(
        Kind.HEALTH,
        Word.READY,
        f"正在休眠，{day} 的最近一次唤醒按时就绪",
        f"it sleeps, and its last wake, of {day}, was Ready in time",
    )


def _last(wakes: Iterable[Wake], now: datetime) -> Wake | None:
    """The newest that tells something: not one under way, nor one that was called off."""
    tells = {Fate.KEPT, Fate.MISSED, Fate.LATE}
    return next((one for one in wakes if one.fate(now) in tells), None)


def _images(facts: Facts, now: datetime) -> Check:
    environment = facts.environment
    said = [
        c.message
        for c in environment.status.conditions
        if c.status is not Status.TRUE and any(text in c.message for text in _NO_IMAGE)
    ]
    if said:
        return Check(
            Kind.IMAGES,
            Word.AT_RISK,
            f"镜像无法取得：{said[0]}",
            f"an image cannot be had: {said[0]}",
            "核对镜像名称与镜像库权限",
            "see that the image is there and may be pulled",
        )
    if not any(c.image for c in environment.components):
        return Check(
            Kind.IMAGES, Word.READY, "不需要镜像：运行的是命令", "it needs none: it runs commands"
        )
    if not environment.hibernated and readiness(environment).status is Status.TRUE:
        return Check(
            Kind.IMAGES,
            Word.READY,
            "正在运行的副本已取得镜像",
            "the replicas that run have theirs",
        )
    last = _last(facts.wakes, now)
    if last is not None and last.ready_at is not None and last.asked_at >= now - FRESH:
        day = f"{last.ready_at.astimezone(facts.zone):%Y-%m-%d}"
        return Check(
            Kind.IMAGES,
            Word.READY,
            f"{day} 唤醒时已取得镜像",
            f"they were had when it woke on {day}",
        )
    return Check(
        Kind.IMAGES,
        Word.NOT_KNOWN,
        "目前没有副本在运行，无从得知镜像能否取得",
        "no replica runs now, so that nothing tells whether they can be pulled",
        "试唤醒一次，然后再次检查",
        "try whether it wakes, then check again",
    )


def _lead(facts: Facts) -> Check:
    found = facts.lead
    zh, en = found.words
    if found.measured is None:
        return Check(
            Kind.LEAD,
            Word.NOT_KNOWN,
            zh,
            en,
            "试唤醒几次即可测得",
            "trying whether it wakes, a few times, measures it",
        )
    if found.capped or found.measured > found.time:
        return Check(
            Kind.LEAD,
            Word.AT_RISK,
            zh,
            en,
            "请运维人员放宽策略上限，或将高峰期提前预约",
            "have operators let policy allow more, or announce the peak from earlier on",
        )
    return Check(Kind.LEAD, Word.READY, zh, en)


def _budget(facts: Facts) -> Check:
    """Warns at the most: what was promised is kept, whatever it costs."""
    beyond = [one for one in facts.spending if one.exceeds]
    if beyond:
        one = max(beyond, key=lambda each: each.percent or 0)
        of_zh, of_en = _whose(one)
        much_zh = "" if one.percent is None else f"（{one.percent}%）"
        much_en = "" if one.percent is None else f", at {one.percent} % of it"
        return Check(
            Kind.BUDGET,
            Word.WARNED,
            f"预计全年费用超出{of_zh}预算{much_zh}；该高峰期仍照常保障",
            f"the year will exceed the budget of its {of_en}{much_en}; the peak is kept all the "
            "same",
            "请财务人员调整预算，或减少副本、缩减规格",
            "have finance look at the budget, or plan with fewer or smaller replicas",
        )
    if not facts.spending:
        return Check(
            Kind.BUDGET,
            Word.NOT_KNOWN,
            "该年度没有预算",
            "there is no budget for the year",
            "需要时请财务人员设定预算",
            "have finance set one if you want this to be watched",
        )
    if any(one.exceeds is None for one in facts.spending):
        return Check(
            Kind.BUDGET,
            Word.NOT_KNOWN,
            "尚无法预计全年费用",
            "where the year is going is not known yet",
            "稍后再次检查；仍未知时请财务人员查看预算",
            "check again later, and have finance look at the budget if it goes on",
        )
    one = max(facts.spending, key=lambda each: each.percent or 0)
    of_zh, of_en = _whose(one)
    much_zh = "" if one.percent is None else f"的 {one.percent}%"
    much_en = "" if one.percent is None else f", at {one.percent} % of it"
    return Check(
        Kind.BUDGET,
        Word.READY,
        f"预计全年费用在{of_zh}预算之内{'，为预算' + much_zh if much_zh else ''}",
        f"the year will stay within the budget of its {of_en}{much_en}",
    )


def _whose(one: Spending) -> tuple[str, str]:
    return ("业务系统", "system") if one.of_system else ("委办局", "department")


def _component(facts: Facts) -> Component | None:
    return next((c for c in facts.environment.components if c.name == facts.window.component), None)
