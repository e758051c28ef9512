"""What was seen of a peak in the city of the API's tests: one thing of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.scaling.readiness import Check, Kind, Moment, Readiness, Word

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.api.services import Services


def looked(services: Services, tx: Connection, window_id: str, name: str, now: datetime) -> None:
    checks = (
        Check(Kind.CAPACITY, Word.AT_RISK, f"{name}：缺 2 核", "it lacks 2 cores", "改期", "wait"),
        Check(Kind.HEALTH, Word.READY, "正在正常服务", "it serves as approved"),
        Check(Kind.IMAGES, Word.NOT_KNOWN, "无从得知", "nothing tells", "试唤醒", "try a wake"),
        Check(Kind.LEAD, Word.READY, "提前 10 分钟准备", "it is prepared 10 min before"),
        Check(Kind.BUDGET, Word.WARNED, "预计超出预算", "the year will exceed it", "调整", "plan"),
    )
    services.readiness.add(tx, Readiness(window_id, Moment.DAY, now, checks))
