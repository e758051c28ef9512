"""How things in a cloud are called, and by what they are known as ours. Pure."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

# Properties of a project that keystone keeps and does not look at.
WORKLOAD = "cloudmgr_workload"
REMOVED = "cloudmgr_removed"
GROUND = "cloudmgr_ground"
SECRETS = "cloudmgr_secrets"  # sealed
PROBLEMS = "cloudmgr_problems"  # a line each
ENVIRONMENT = "cloudmgr_environment"

# Metadata of a server; one that is empty says nothing.
TEMPLATE = "cloudmgr:template"  # what it was made from
SHAPE = "cloudmgr:shape"  # … but for its size
RESIZES = "cloudmgr:resizes"  # the template whose size it is to get
MOVES = "cloudmgr:moves"  # when nova was asked for that
UNFIT = "cloudmgr:unfit"  # a template whose size it could not have, when, and why
READY = "cloudmgr:ready"  # since when it has been Ready
BEGAN = "cloudmgr:began"  # when it was last started after a failure
DRAINS = "cloudmgr:drains"  # since when it gets no new traffic
SLEEPS = "cloudmgr:sleeps"  # it drains to be shelved, not to be deleted
FAILED = "cloudmgr:failed"  # when it failed; it waits before the next try
WHY = "cloudmgr:why"
OF = "cloudmgr:of"  # when the run began that these notes were written in
RUN = "cloudmgr:run"  # the allocation that is open: `<number> <start> <cpu millis> <MiB>`
RUN_OVER = "cloudmgr:run."  # with its number: as above, and the end
RESTARTS = "cloudmgr:restarts"
# Metadata of a volume.
GIB = "cloudmgr:gib"  # what it is metered with, since the last of …
WAS = "cloudmgr:was."  # with a number: how large it was before, and until when
ENDS = "cloudmgr:ends"  # since when it is to go
# What is being done to a server that has just been asked for something: until a later look.
ASKED = "asked"
# What is said of a run, and of no other.
PASSING = (READY, BEGAN, DRAINS, SLEEPS, FAILED, WHY)


def tag(prefix: str) -> str:
    """The tag of every project of a pool."""
    return f"cloudmgr-{prefix}"


def project_of(prefix: str, environment_id: str) -> str:
    """The name of an environment's project, and of its user."""
    return f"{prefix}-{environment_id}"


def department_of(prefix: str, department_id: str) -> str:
    """The name of the project above those of a department."""
    return f"{prefix}-department-{department_id or 'none'}"


def lease_of(prefix: str) -> str:
    return f"{prefix}-lease"


def server_of(component: str, slot: int, template: str) -> str:
    """There is at most one of each name in a project."""
    return f"{component}-{slot}-{template[:8]}"


def volume_of(component: str, slot: int) -> str:
    """There is at most one of each name in a project."""
    return f"{component}-{slot}"


def slot_of(name: str) -> tuple[str, int] | None:
    """The component and slot of a volume that is called so; None for a stranger's."""
    component, _, slot = name.rpartition("-")
    return (component, int(slot)) if component and slot.isdecimal() else None


def password(seed: str, project_id: str) -> str:
    """Of an environment's user: nobody keeps it, and only who has ``seed`` can tell it."""
    return hmac.new(seed.encode(), project_id.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a server or a volume is, and ``rest``: the run that its last sleep ended, and when.

    It stands in the description, which is all that outlives a deletion, and all that nova lets us
    write while a server sleeps.
    """

    prefix: str
    environment_id: str
    department_id: str
    system_id: str
    rest: str = ""

    def __str__(self) -> str:
        said = f"cloudmgr {self.prefix} {self.environment_id} {self.department_id} {self.system_id}"
        return f"{said} {self.rest}".rstrip()


def owner(description: str) -> Owner | None:
    """None for what is not ours."""
    words = description.split(" ")
    return Owner(*words[1:]) if len(words) in {5, 6} and words[0] == "cloudmgr" else None


def component_of(name: str) -> tuple[str, int] | None:
    """The component and slot of a server that is called so; None for a stranger's."""
    head, _, template = name.rpartition("-")
    component, _, slot = head.rpartition("-")
    return (component, int(slot)) if component and slot.isdecimal() and template else None
