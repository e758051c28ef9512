"""Notices to test with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cloudmgr.notices import words
from cloudmgr.notices.notice import Subject
from tests.builders import CREATED

if TYPE_CHECKING:
    from cloudmgr.notices.notice import Notice

EXAM = Subject("env_exam", "dep_exam", "中考报名（production）", "Exam enrolment (production)")
TAX = Subject("env_tax", "dep_tax", "个税申报（production）", "Income tax (production)")
WHY = "等保级别不符。", "Its protection level is too high."


def a_refusal(subject: Subject = EXAM, request_id: str = "req_1", **changes: Any) -> Notice:
    return replace(words.refused(subject, request_id, "new", WHY, CREATED), **changes)
