"""What stands in the menu, for whoever may go there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.identity.access import Action
from cloudmgr.portal.language import N_

if TYPE_CHECKING:
    from cloudmgr.portal.view import View


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the menu."""

    address: str
    label: str
    current: bool


@dataclass(frozen=True, slots=True)
class Section:
    """Some lines with a heading."""

    label: str
    entries: tuple[Entry, ...]


_MENU: tuple[tuple[str, tuple[tuple[str, str, Action], ...]], ...] = (
    (
        N_("Overview"),
        (
            ("/", N_("Home"), Action.SELF_READ),
            ("/notices", N_("Notices"), Action.NOTICE_READ),
        ),
    ),
    (
        N_("Hosting"),
        (
            ("/requests", N_("Requests"), Action.REQUEST_READ),
            ("/environments", N_("Environments"), Action.ENVIRONMENT_READ),
            ("/systems", N_("Systems"), Action.SYSTEM_READ),
            ("/windows", N_("Peaks"), Action.WINDOW_READ),
            ("/services", N_("Shared services"), Action.ENVIRONMENT_READ),
            ("/pools", N_("Pools"), Action.POOL_READ),
        ),
    ),
    (
        N_("Money"),
        (
            ("/billing", N_("Billing periods"), Action.CHARGE_READ),
            ("/invoices", N_("Invoices"), Action.INVOICE_READ),
            ("/reports", N_("Reports"), Action.CHARGE_READ),
            ("/usage", N_("Usage"), Action.USAGE_READ),
        ),
    ),
    (
        N_("Rules and records"),
        (
            ("/policy", N_("Policy"), Action.POLICY_READ),
            ("/audit", N_("Audit trail"), Action.AUDIT_READ),
        ),
    ),
    (
        N_("Who is who"),
        (
            ("/departments", N_("Departments"), Action.DEPARTMENT_READ),
            ("/users", N_("Users"), Action.USER_READ),
            ("/accounts", N_("Billing accounts"), Action.ACCOUNT_READ),
        ),
    ),
)


def sections(view: View) -> tuple[Section, ...]:
    """The menu for the reader of ``view``; empty for whoever is not signed in."""
    path = view.request.url.path
    found = []
    for label, lines in _MENU:
        entries = tuple(
            Entry(
                address,
                view._(text),
                path == address or (address != "/" and path.startswith(f"{address}/")),
            )
            for address, text, action in lines
            if view.can(action)
        )
        if entries:
            found.append(Section(view._(label), entries))
    return tuple(found)
