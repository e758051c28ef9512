"""What a policy decides, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """Yes, no, or yes if the right people agree."""

    ALLOW = "allow"
    DENY = "deny"
    NEEDS_APPROVAL = "needs-approval"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, in Chinese and in English, according to the rule ``rule``."""

    rule: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class ApprovalStep:
    """``count`` different persons of ``role`` must approve, because of ``rule``.

    ``role`` is ``approver`` (of the department that asks), ``operator``, ``finance`` or
    ``administrator``.
    """

    role: str
    count: int
    rule: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome with everything needed to explain it years later.

    ``fired`` are the ids of the rules that were true, in the order of the files; ``digest`` is
    that of the bundle they came from; ``steps`` are in the order in which people are asked, each
    role once.
    """

    outcome: Outcome
    reasons: tuple[Reason, ...]
    fired: tuple[str, ...]
    digest: str
    steps: tuple[ApprovalStep, ...] = ()
