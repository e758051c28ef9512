"""States, kinds and roles as words a person reads, and conditions as sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.conditions import Status
from cloudmgr.portal.language import N_

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmgr.conditions import Condition
    from cloudmgr.portal.view import View

# Word and tone: good, busy, bad, asleep, quiet.
ENVIRONMENT_STATES: Mapping[str, tuple[str, str]] = {
    "ready": (N_("Ready"), "good"),
    "hibernated": (N_("Asleep"), "asleep"),
    "starting": (N_("Starting"), "busy"),
    "scaling": (N_("Scaling"), "busy"),
    "degraded": (N_("Running, with problems"), "bad"),
    "waiting": (N_("Waits for a secret"), "bad"),
    "refused": (N_("Refused by the pool"), "bad"),
    "retiring": (N_("Being retired"), "quiet"),
}
ENVIRONMENT_MEANINGS: Mapping[str, str] = {
    "ready": N_("It serves, with as many replicas as it ought to have."),
    "hibernated": N_("All compute is given back. It wakes on the first request or for a peak."),
    "starting": N_("No replica is ready yet. If this lasts, read the log."),
    "scaling": N_("It serves, and replicas are being added or taken away."),
    "degraded": N_("It serves, but some replica has trouble. Read the problems below and the log."),
    "waiting": N_("A secret has no value, or one that cannot be opened. What ran before goes on."),
    "refused": N_("The pool cannot run it as approved. Read why below, then ask for a resize."),
    "retiring": N_("Everything it holds is being given back."),
}
REQUEST_STATES: Mapping[str, tuple[str, str]] = {
    "awaiting-approval": (N_("Waits for signatures"), "busy"),
    "approved": (N_("Approved"), "good"),
    "denied": (N_("Denied by policy"), "bad"),
    "rejected": (N_("Rejected"), "bad"),
    "cancelled": (N_("Cancelled"), "quiet"),
    "fulfilled": (N_("Done"), "good"),
    "failed": (N_("Could not be carried out"), "bad"),
}
OUTCOMES: Mapping[str, tuple[str, str]] = {
    "allow": (N_("Allowed, without a signature"), "good"),
    "needs-approval": (N_("Allowed, once signed"), "busy"),
    "deny": (N_("Not allowed"), "bad"),
}
VERDICTS: Mapping[str, tuple[str, str]] = {
    "approve": (N_("Approved"), "good"),
    "reject": (N_("Rejected"), "bad"),
}
PERIOD_STATES: Mapping[str, tuple[str, str]] = {
    "open": (N_("Open"), "busy"),
    "closed": (N_("Closed"), "good"),
}
WAKE_FATES: Mapping[str, tuple[str, str]] = {
    "waiting": (N_("Under way"), "busy"),
    "late": (N_("Late"), "bad"),
    "kept": (N_("Kept"), "good"),
    "missed": (N_("Missed"), "bad"),
    "dropped": (N_("Put to sleep again"), "quiet"),
}
WAKE_CAUSES: Mapping[str, str] = {
    "request": N_("A request"),
    "order": N_("An order"),
    "window": N_("A peak"),
    "hours": N_("The hours of its class"),
    "rules": N_("The rules"),
    "needed": N_("One that needs it"),
    "test": N_("A test"),
}
POOL_STATES: Mapping[str, str] = {
    "free": N_("has room"),
    "full": N_("is full"),
    "unreachable": N_("does not answer"),
}
FORECAST_WAYS: Mapping[str, str] = {
    "forecast": N_("a learned forecast"),
    "seasonal": N_("the same hours of the last days"),
    "reaction": N_("its latest demand with a margin"),
}
WINDOW_STATES: Mapping[str, tuple[str, str]] = {
    "ahead": (N_("Ahead"), "quiet"),
    "preparing": (N_("Being prepared"), "busy"),
    "now": (N_("Now"), "good"),
    "over": (N_("Over"), "quiet"),
    "cancelled": (N_("Cancelled"), "quiet"),
}
SERIES_STATES: Mapping[str, tuple[str, str]] = {
    "going-on": (N_("Goes on"), "good"),
    "unmet": (N_("Goes on, with dates that do not fit"), "bad"),
    "ended": (N_("Ended"), "quiet"),
}
DATE_STATES: Mapping[str, tuple[str, str]] = {
    "booked": (N_("Booked"), "good"),
    "unmet": (N_("Does not fit"), "bad"),
    "waiting": (N_("Waits for the calendar"), "quiet"),
    "skipped": (N_("Left out"), "quiet"),
    "due": (N_("Soon looked at"), "busy"),
}
ANCHORS: Mapping[str, str] = {
    "yearly": N_("A day of each year"),
    "lunar": N_("A day of each lunar year"),
    "days": N_("Certain days"),
    "rule": N_("A rule of RFC 5545"),
}
FITTING: Mapping[str, tuple[str, str]] = {
    "yes": (N_("Fits"), "good"),
    "no": (N_("Does not fit"), "bad"),
}
KEPT: Mapping[str, tuple[str, str]] = {
    "kept": (N_("Can be kept"), "good"),
    "at-risk": (N_("At risk"), "bad"),
    "unknown": (N_("Not known"), "quiet"),
}
READINESS: Mapping[str, tuple[str, str]] = {
    "ready": (N_("Ready"), "good"),
    "warned": (N_("Warned"), "busy"),
    "not-known": (N_("Not known"), "quiet"),
    "at-risk": (N_("At risk"), "bad"),
}
READINESS_KINDS: Mapping[str, str] = {
    "capacity": N_("Room in its pool"),
    "health": N_("Health"),
    "images": N_("Images"),
    "lead": N_("Time to start"),
    "budget": N_("Budget of the year"),
}
READINESS_MOMENTS: Mapping[str, str] = {
    "week": N_("A week ahead"),
    "day": N_("A day ahead"),
    "asked": N_("On demand"),
}
TOKEN_STATES: Mapping[str, tuple[str, str]] = {
    "alive": (N_("In use"), "good"),
    "expired": (N_("Expired"), "quiet"),
    "revoked": (N_("Revoked"), "quiet"),
}
ACTIVE: Mapping[str, tuple[str, str]] = {
    "yes": (N_("Active"), "good"),
    "no": (N_("Not active"), "quiet"),
}
KINDS: Mapping[str, str] = {
    "new": N_("New environment"),
    "resize": N_("Resize"),
    "peak": N_("Announce a peak"),
    "retire": N_("Retire"),
}
UNITS: Mapping[str, str] = {
    "": N_("How many replicas"),
    "users": N_("How many use it at once"),
    "requests": N_("How many requests per second"),
    "times": N_("How many times the normal"),
}
PURPOSES: Mapping[str, str] = {"production": N_("Production"), "test": N_("Test")}
GROUPINGS: Mapping[str, str] = {
    "department": N_("Department"),
    "system": N_("System"),
    "pool": N_("Pool"),
    "zone": N_("Zone"),
    "month": N_("Month"),
}
ZONES: Mapping[str, str] = {
    "intranet": N_("Government intranet"),
    "extranet": N_("Government extranet"),
}
CRITICALITIES: Mapping[str, str] = {
    "1": N_("Low"),
    "2": N_("Normal"),
    "3": N_("High"),
    "4": N_("Vital"),
}
ROLES: Mapping[str, str] = {
    "department-officer": N_("Department officer"),
    "approver": N_("Approver"),
    "operator": N_("Operator"),
    "finance": N_("Finance officer"),
    "auditor": N_("Auditor"),
    "administrator": N_("Administrator"),
}
SCOPES: Mapping[str, str] = {
    "read": N_("Look at things"),
    "write": N_("Ask, approve, scale"),
    "billing": N_("Billing accounts, closing a month"),
    "admin": N_("Departments, users, pools, policy"),
    "metrics": N_("Metrics of the control plane, nothing else"),
    "portal": N_("Signed in to these pages"),
}
METERS: Mapping[str, str] = {
    "vcpu": N_("vCPU"),
    "memory": N_("Memory"),
    "storage": N_("Storage"),
    "requests": N_("Requests served"),
    "vcpu-used": N_("vCPU really used"),
    "memory-used": N_("Memory really used"),
    "address": N_("Addresses"),
}
GAP_REASONS: Mapping[str, str] = {
    "unanswered": N_("Prometheus could not be asked"),
    "silent": N_("nothing of the pool was measured"),
    "unseen": N_("this replica was not measured"),
    "refused": N_("what was measured cannot be"),
}
CATEGORIES: Mapping[str, str] = {
    "Usage": N_("Usage"),
    "Purchase": N_("Purchase"),
    "Tax": N_("Tax"),
    "Credit": N_("Credit"),
    "Adjustment": N_("Adjustment"),
}
CHECKS: Mapping[str, str] = {
    "ended": N_("The month is over"),
    "in-order": N_("Every month before it is closed"),
    "collected": N_("All usage is in the ledger"),
    "priced": N_("Everything used has a price"),
}
AUDIT_ACTIONS: Mapping[str, str] = {
    "notice.test": N_("sent a test notice"),
    "department.create": N_("created a department"),
    "department.revise": N_("changed a department"),
    "billing-account.create": N_("created a billing account"),
    "user.create": N_("created a user"),
    "user.change": N_("changed a user"),
    "user.change-password": N_("changed the password"),
    "token.create": N_("made a token"),
    "token.revoke": N_("revoked a token"),
    "system.create": N_("registered a system"),
    "request.submit": N_("submitted a request"),
    "request.approve": N_("approved a request"),
    "request.reject": N_("rejected a request"),
    "request.cancel": N_("cancelled a request"),
    "request.fulfil": N_("carried out a request"),
    "request.fail": N_("could not carry out a request"),
    "environment.scale": N_("scaled an environment"),
    "environment.hibernate": N_("put an environment to sleep"),
    "environment.wake": N_("woke an environment"),
    "environment.needs": N_("said what an environment needs"),
    "environment.set-secret": N_("set a secret"),
    "environment.drop-secret": N_("dropped a secret"),
    "window.cancel": N_("cancelled a peak"),
    "window.rehearse": N_("rehearsed a peak"),
    "window.stop-rehearsal": N_("stopped a rehearsal"),
    "window.check-readiness": N_("looked whether a peak is ready"),
    "series.book": N_("booked a date of a series"),
    "series.withdraw": N_("took back a date of a series"),
    "series.unmet": N_("found no room for a date of a series"),
    "series.skip": N_("left out a date of a series"),
    "series.move": N_("moved a date of a series"),
    "series.undo": N_("put back a date of a series"),
    "series.end": N_("ended a series of peaks"),
    "series.resume": N_("had a series of peaks go on"),
    "period.close": N_("closed a month"),
    "budget.decide": N_("decided on a budget"),
    "policy.reload": N_("read the policy anew"),
    "session.open": N_("signed in"),
    "session.close": N_("signed out"),
}
ACTORS: Mapping[str, str] = {"waker": N_("the first visitor")}

# What came of a rehearsal.
REHEARSALS: Mapping[str, str] = {
    "under-way": N_("under way"),
    "done": N_("done"),
    "stopped": N_("stopped by a person"),
    "failures": N_("stopped: too many answers failed"),
    "not-ready": N_("not all were ready in its time"),
    "peak": N_("ended: a peak on its pool began"),
    "overruled": N_("ended: something else was ordered"),
    "interrupted": N_("interrupted: the control plane restarted"),
    "gone": N_("ended: the environment is gone"),
}

# What was just done, shown once on the page that one is led to.
SAID: Mapping[str, str] = {
    "notices-read": N_("Everything is marked as read."),
    "notices-mail": N_("What you are mailed is changed."),
    "signed-out": N_("You are signed out."),
    "system-registered": N_("The system is registered. You can now ask for an environment for it."),
    "request-submitted": N_("The request is submitted."),
    "request-approved": N_("You have signed the request."),
    "request-rejected": N_("You have rejected the request. The department can read why."),
    "request-cancelled": N_("The request is cancelled."),
    "scaled": N_("The order is given. Replicas follow within moments."),
    "released": N_("Peaks and traffic decide again."),
    "hibernated": N_("The environment goes to sleep. It wakes on the first request."),
    "woken": N_("The environment is waking."),
    "needs-set": N_("What it needs is saved."),
    "trying": N_("It is tried whether it wakes. The result appears below."),
    "waits": N_("The call is kept. The environment wakes as soon as it can."),
    "secret-set": N_("The secret is set. Replicas that are told it follow within moments."),
    "secret-dropped": N_("The secret is dropped."),
    "corrected": N_("What others changed was put right."),
    "series-changed": N_("The series is changed."),
    "window-booked": N_("The peak is booked."),
    "readiness-checked": N_("It was looked at. What was seen stands below."),
    "window-cancelled": N_("The peak is cancelled and its capacity given back."),
    "period-closed": N_("The month is closed. Its invoices are final."),
    "policy-reloaded": N_("The policy was read anew."),
    "password-changed": N_("The password is changed. Sign in with the new one."),
    "token-revoked": N_("The token is worth nothing any more."),
    "user-created": N_("The user is created."),
    "user-changed": N_("The user is changed."),
    "department-created": N_("The department is created."),
    "department-changed": N_("The department is changed."),
    "account-created": N_("The billing account is created."),
}

_CONDITIONS: Mapping[str, str] = {
    "AsApproved": N_("The pool runs what was approved."),
    "Removing": N_("The pool is giving everything back."),
    "Changing": N_("The pool is being told what ought to run."),
    "Refused": N_("The pool refused it for good; ask for a resize, or an operator for help."),
    "NoDriver": N_("No control plane can work with its pool; ask an operator for help."),
    "SecretsMissing": N_("A secret has no value yet; nothing new runs before it has one."),
    "SecretsSealed": N_("A secret cannot be opened; nothing new runs before that is put right."),
    "PoolUnreachable": N_("The pool cannot be reached just now; it is tried again by itself."),
    "NotNow": N_("The pool cannot do it just now; it is tried again by itself."),
    "Hibernated": N_("It is asleep and wakes on the first request."),
    "TooFewReady": N_("Fewer replicas are ready than the approved minimum."),
    "Serving": N_("It serves requests."),
    "Scaling": N_("Replicas are being added or taken away."),
    "AtTarget": N_("It has as many replicas as it ought to have."),
    "Problems": N_("Some replica has trouble."),
    "NoProblems": N_("No replica has trouble."),
    "AsBound": N_("Its components are led to every shared service that they use."),
    "ServicesMissing": N_("Its components go on without some shared service that they use."),
    "ChangedByOthers": N_("Somebody else changed what cloudmgr keeps."),
    "AsWritten": N_("All is again as cloudmgr keeps it."),
    "Stale": N_("The latest change has not been seen yet."),
    "NotObserved": N_("It has not been looked at yet."),
    "Waking": N_("It is being woken, and its promise is not due yet."),
    "WokenInTime": N_("Its last wake kept its promise."),
    "WakeLate": N_("Its wake is late."),
    "WakeMissed": N_("Its last wake missed its promise."),
    "AllTrue": N_("It serves as approved."),
}
# Not so, yet no fault.
_IN_PASSING = {"Scaling", "Changing", "Removing"}


def condition(view: View, found: Condition) -> dict[str, object]:
    """A condition as a sentence: ``sentence``, ``detail``, ``tone`` and ``since``."""
    sentence = view.word(_CONDITIONS, found.reason)
    detail = view.domain(found.message) if found.reason not in _SAYS_ALL else ""
    tone = {Status.TRUE: "good", Status.UNKNOWN: "busy", Status.FALSE: "bad"}[found.status]
    if found.reason == "Hibernated":
        tone = "asleep"
    elif found.reason in _IN_PASSING:
        tone = "busy"
    elif found.type == "Drifted":
        tone = "bad" if found.status is Status.TRUE else "good"
    return {"sentence": sentence, "detail": detail, "tone": tone, "since": found.since}


_SAYS_ALL = {"Removing", "Changing", "Hibernated", "Stale", "NotObserved"}

PROBLEM_TITLES: Mapping[str, str] = {
    "400": N_("This cannot be read"),
    "401": N_("Sign in first"),
    "403": N_("You may not do this"),
    "404": N_("There is no such page"),
    "405": N_("This cannot be done here"),
    "409": N_("It is not in the state for this"),
    "412": N_("It was changed meanwhile"),
    "413": N_("This is too large"),
    "415": N_("This cannot be read"),
    "422": N_("Something in it is wrong"),
    "428": N_("Look at it first"),
    "500": N_("Something is wrong here"),
    "503": N_("Not now"),
}
PROBLEM_NEXT: Mapping[str, str] = {
    "400": N_("go back and try again"),
    "401": N_("sign in and do it again"),
    "403": N_("ask an administrator which role it takes"),
    "404": N_("check the address, or begin at your home"),
    "405": N_("begin at your home"),
    "409": N_("look at it again: someone may have been faster"),
    "412": N_("look at it again and repeat what you meant to do"),
    "413": N_("send less at once"),
    "415": N_("go back and try again"),
    "422": N_("go back and put it right; nothing was changed"),
    "428": N_("look at it again and repeat what you meant to do"),
    "500": N_("tell an operator the number below"),
    "503": N_("try again in a moment; nothing was changed"),
}
