"""What is said of budgets: that so much is used, and that the year will come to so much. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.notices.notice import Kind, Notice

if TYPE_CHECKING:
    from datetime import datetime

    from cloudmgr.notices.notice import Subject

_SAID = {
    Kind.BUDGET_USED: ("已使用", "{percent} % of the budget of {year} is used"),
    Kind.BUDGET_PROJECTED: (
        "预计全年费用将达到",
        "the year {year} will come to {percent} % of its budget",
    ),
}


def budget(  # noqa: PLR0917 - one fact with its words
    kind: Kind,
    subject: Subject,
    budget_id: str,
    year: int,
    threshold: int,
    percent: int,
    at: datetime,
) -> Notice:
    """A budget has reached ``threshold`` percent, and is at ``percent`` now; told once of each.

    No amounts: who is told of what runs need not know what it costs.

    :param subject: the department or system whose budget it is, in place of an environment.
    """
    zh, en = _SAID[kind]
    where = f"年度预算的 {percent}%"
    return Notice(
        kind=kind,
        about_kind="budget",
        about_id=budget_id,
        department_id=subject.department_id,
        at=at,
        zh=f"{subject.zh}：{year} {zh}{where}（提醒线 {threshold}%）。已承诺的高峰期照常保障。",
        en=f"{subject.en}: {en.format(percent=percent, year=year)} (to be told at {threshold} %)."
        " Peaks that were promised are kept all the same.",
        key=f"budget:{budget_id}:{kind.value}:{threshold}",
        fact="reached",
    )
