"""What the people of the seeded city were told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.notices import words
from cloudmgr.notices.notice import Subject

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.api.services import Services
    from cloudmgr.hosting.environments import Environment


def told(
    services: Services, tx: Connection, environment: Environment, name: str, now: datetime
) -> None:
    """A request that was refused, of ``environment``."""
    subject = Subject(environment.id, environment.department_id, name, name)
    code = environment.id.removeprefix("env_")
    why = "等保级别不符", "its protection level is too high"
    services.notices.put(tx, words.refused(subject, f"req_{code}", "retire", why, now))
