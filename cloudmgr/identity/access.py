"""Who may do what, to whose things. Pure, and the only place that knows.

A principal may do something if one of its roles grants it *and* its token's scopes allow it. A
grant reaches either everything or the things of the principal's own department. What lies beyond
one's reach is *not found* rather than forbidden, so that nobody learns what others have.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from cloudmgr.errors import Forbidden, NotFound
from cloudmgr.identity.user import Role, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloudmgr.identity.user import Principal


class Action(StrEnum):
    """Everything that can be allowed: the kind of thing, a dot, what is done to it."""

    SELF_READ = "self.read"
    SELF_WRITE = "self.write"
    DEPARTMENT_READ = "department.read"
    DEPARTMENT_WRITE = "department.write"
    ACCOUNT_READ = "billing-account.read"
    ACCOUNT_WRITE = "billing-account.write"
    USER_READ = "user.read"
    USER_WRITE = "user.write"
    AUDIT_READ = "audit.read"
    SYSTEM_READ = "system.read"
    SYSTEM_WRITE = "system.write"
    ENVIRONMENT_READ = "environment.read"
    ENVIRONMENT_LOG = "environment.log"
    ENVIRONMENT_SCALE = "environment.scale"
    ENVIRONMENT_HIBERNATE = "environment.hibernate"
    ENVIRONMENT_WAKE = "environment.wake"
    ENVIRONMENT_SECRET = "environment.secret"  # noqa: S105 - a word
    REQUEST_READ = "request.read"
    REQUEST_SUBMIT = "request.submit"
    REQUEST_CANCEL = "request.cancel"
    REQUEST_APPROVE = "request.approve"
    WINDOW_READ = "window.read"
    WINDOW_WRITE = "window.write"
    WINDOW_BOOK = "window.book"
    POOL_READ = "pool.read"
    POOL_WRITE = "pool.write"
    USAGE_READ = "usage.read"
    RECONCILIATION_READ = "reconciliation.read"
    CHARGE_READ = "charge.read"
    INVOICE_READ = "invoice.read"
    BUDGET_READ = "budget.read"
    BUDGET_WRITE = "budget.write"
    PERIOD_READ = "period.read"
    PERIOD_CLOSE = "period.close"
    POLICY_READ = "policy.read"
    POLICY_RELOAD = "policy.reload"
    METRICS_READ = "metrics.read"
    NOTICE_READ = "notice.read"
    NOTICE_MARK = "notice.mark"
    DELIVERY_READ = "delivery.read"
    DELIVERY_TEST = "delivery.test"


class Reach(Enum):
    """How far a grant reaches."""

    OWN = "the things of one's own department"
    ALL = "everything"


def _grants(
    *, own: Iterable[Action] = (), everywhere: Iterable[Action] = ()
) -> Mapping[Action, Reach]:
    # What concerns oneself, and what belongs to no department, reaches no further than it says.
    common = (Action.SELF_READ, Action.SELF_WRITE, Action.PERIOD_READ, Action.POLICY_READ)
    return MappingProxyType(
        dict.fromkeys(own, Reach.OWN)
        | dict.fromkeys(everywhere, Reach.ALL)
        | dict.fromkeys(common, Reach.ALL)
    )


_HOSTING = (
    Action.DEPARTMENT_READ,
    Action.SYSTEM_READ,
    Action.ENVIRONMENT_READ,
    Action.REQUEST_READ,
    Action.WINDOW_READ,
)
_MONEY = (
    Action.ACCOUNT_READ,
    Action.USAGE_READ,
    Action.CHARGE_READ,
    Action.INVOICE_READ,
    Action.BUDGET_READ,
)
_TOLD = (Action.NOTICE_READ, Action.NOTICE_MARK)
_RUNNING = (Action.ENVIRONMENT_SCALE, Action.ENVIRONMENT_HIBERNATE, Action.ENVIRONMENT_WAKE)

# Approving: a role may sign; which roles a request waits for is policy's to say, and that nobody
# signs his own request is the desk's.
GRANTS: Mapping[Role, Mapping[Action, Reach]] = MappingProxyType(
    {
        Role.DEPARTMENT_OFFICER: _grants(
            own=(
                *_HOSTING,
                *_MONEY,
                *_RUNNING,
                *_TOLD,
                Action.SYSTEM_WRITE,
                Action.ENVIRONMENT_LOG,
                # Nobody else's: who runs the pools has no need to choose a department's passwords.
                Action.ENVIRONMENT_SECRET,
                Action.REQUEST_SUBMIT,
                Action.REQUEST_CANCEL,
                Action.WINDOW_WRITE,
            ),
        ),
        # Of its own department, or, with no department, of the city: see reach().
        Role.APPROVER: _grants(own=(*_HOSTING, *_MONEY, *_TOLD, Action.REQUEST_APPROVE)),
        Role.OPERATOR: _grants(
            everywhere=(
                *_HOSTING,
                *_RUNNING,
                *_TOLD,
                Action.DELIVERY_READ,
                Action.DELIVERY_TEST,
                Action.ENVIRONMENT_LOG,
                Action.REQUEST_APPROVE,
                Action.WINDOW_WRITE,
                # Departments ask, and others sign; who runs the pools may promise without.
                Action.WINDOW_BOOK,
                Action.POOL_READ,
                Action.POOL_WRITE,
                Action.USAGE_READ,
                Action.RECONCILIATION_READ,
                Action.POLICY_RELOAD,
                Action.METRICS_READ,
            ),
        ),
        Role.FINANCE: _grants(
            # What runs, and how, is not its business, but for its own department's.
            own=_TOLD,
            everywhere=(
                *_HOSTING,
                *_MONEY,
                Action.RECONCILIATION_READ,
                Action.ACCOUNT_WRITE,
                Action.REQUEST_APPROVE,
                Action.PERIOD_CLOSE,
                Action.BUDGET_WRITE,
            ),
        ),
        Role.AUDITOR: _grants(
            everywhere=(
                *_HOSTING,
                *_MONEY,
                *_TOLD,
                Action.DELIVERY_READ,
                Action.RECONCILIATION_READ,
                Action.USER_READ,
                Action.AUDIT_READ,
                Action.POOL_READ,
                Action.METRICS_READ,
            ),
        ),
        # Says who is who, and what the rules are; signs where policy says; neither asks nor closes.
        Role.ADMINISTRATOR: _grants(
            everywhere=(
                *_HOSTING,
                *_MONEY,
                *_TOLD,
                Action.DELIVERY_READ,
                Action.DELIVERY_TEST,
                Action.RECONCILIATION_READ,
                Action.REQUEST_APPROVE,
                Action.DEPARTMENT_WRITE,
                Action.ACCOUNT_WRITE,
                Action.USER_READ,
                Action.USER_WRITE,
                Action.AUDIT_READ,
                Action.POOL_READ,
                Action.POOL_WRITE,
                Action.POLICY_RELOAD,
                Action.METRICS_READ,
            ),
        ),
    }
)

_BILLING = frozenset({Action.ACCOUNT_WRITE, Action.PERIOD_CLOSE, Action.BUDGET_WRITE})
_ADMIN = frozenset(
    {
        Action.DEPARTMENT_WRITE,
        Action.USER_WRITE,
        Action.POOL_WRITE,
        Action.POLICY_RELOAD,
    }
)


def scope_for(action: Action) -> Scope:
    """The one scope that a token needs for ``action``; the scope ``portal`` does instead of any."""
    if action is Action.METRICS_READ:
        return Scope.METRICS
    if action in _ADMIN:
        return Scope.ADMIN
    if action in _BILLING:
        return Scope.BILLING
    # A log is looked at, however much it may tell.
    if action.endswith(".read") or action is Action.ENVIRONMENT_LOG:
        return Scope.READ
    return Scope.WRITE


def reach(principal: Principal, action: Action) -> Reach | None:
    """How far ``principal`` may do ``action``; None for nowhere.

    An approver of no department is one of the city's: it reads and signs for every department.
    Every other grant for one's own department is worth nothing to someone who has none.
    """
    if not principal.scopes & {Scope.PORTAL, scope_for(action)}:
        return None
    reaches = {(role, GRANTS[role].get(action)) for role in principal.roles}
    if any(found is Reach.ALL for _, found in reaches):
        return Reach.ALL
    if principal.department_id is None:
        return Reach.ALL if (Role.APPROVER, Reach.OWN) in reaches else None
    return Reach.OWN if any(found is Reach.OWN for _, found in reaches) else None


def may(principal: Principal, action: Action, department_id: str | None) -> bool:
    """Whether ``principal`` may do ``action`` to a thing of ``department_id``.

    None stands for a thing that belongs to no department: only a grant for everything reaches it.
    """
    match reach(principal, action):
        case Reach.ALL:
            return True
        case Reach.OWN:
            return department_id is not None and department_id == principal.department_id
        case None:
            return False


def require_somewhere(principal: Principal, action: Action) -> None:
    """Whether ``principal`` may do ``action`` to anything: asked before a thing is looked up.

    :raises Forbidden: ``scope-missing`` or ``role-missing``.
    """
    if reach(principal, action) is not None:
        return
    needed = scope_for(action)
    if not principal.scopes & {Scope.PORTAL, needed}:
        raise Forbidden(
            f"this token does not have the scope {needed}",
            code="scope-missing",
            hint=f"use a token that was made with the scope {needed}",
        )
    granting = ", ".join(sorted(role for role, grants in GRANTS.items() if action in grants))
    raise Forbidden(
        f"none of your roles allows {action}",
        code="role-missing",
        hint=f"it takes one of: {granting}; an administrator gives roles",
    )


def require(principal: Principal, action: Action, department_id: str | None) -> None:
    """Whether ``principal`` may do ``action`` to this thing of ``department_id``.

    :raises Forbidden: when no role or scope allows it anywhere, or here although the thing may be
        seen. :raises NotFound: when the thing lies in a department that is none of its business.
    """
    require_somewhere(principal, action)
    if may(principal, action, department_id):
        return
    if may(principal, Action(f"{action.split('.')[0]}.read"), department_id):
        raise Forbidden(
            f"none of your roles allows {action} for this department", code="role-missing"
        )
    raise NotFound("there is no such thing, or not for you")


def confine(principal: Principal, action: Action, asked: str | None = None) -> str | None:
    """The department that a list must be held to, or None for no limit; ``asked`` narrows it.

    :raises Forbidden: when no role or scope allows ``action``. :raises NotFound: for another
        department than one's own.
    """
    require_somewhere(principal, action)
    if asked is not None:
        require(principal, action, asked)
        return asked
    return None if reach(principal, action) is Reach.ALL else principal.department_id
