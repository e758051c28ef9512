"""Sentences that the domain says in English, in the reader's language.

Errors and conditions carry a finished English sentence. Each is listed here with ``%(name)s`` where
it quotes something; one that is not listed is shown as it is, so that nothing is ever hidden.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from cloudmgr.portal.language import N_
from cloudmgr.portal.ledger_sentences import LEDGER
from cloudmgr.portal.peak_sentences import PEAKS
from cloudmgr.portal.report_sentences import REPORTS

if TYPE_CHECKING:
    from collections.abc import Callable

SENTENCES = (
    # Fields.
    N_("must not hold control characters"),
    N_("must not hold NUL or half characters"),
    N_("must have at most %(longest)s characters, not %(length)s"),
    N_("must not be blank"),
    N_("must be 1 to 40 small letters, digits and dashes, with no dash at either end"),
    N_(
        "must be 1 to 64 small letters, digits, dots, dashes, underscores and @, "
        "beginning with a letter or digit"
    ),
    N_("must be an id, such as dep_0123456789abcdef"),
    N_("must be a currency of ISO 4217, such as CNY"),
    N_("must be a time with its zone, such as 2026-06-01T08:00:00+08:00"),
    N_("field required"),
    N_("must be a valid integer"),
    N_("must be a valid number"),
    N_("must be a valid decimal"),
    N_("must be greater than or equal to %(least)s"),
    N_("must be less than or equal to %(most)s"),
    N_("must be greater than %(least)s"),
    N_("must be less than %(most)s"),
    N_("must have at least %(least)s characters"),
    N_("must have at most %(most)s characters"),
    N_("must be %(choices)s"),
    N_("choose at least one"),
    N_("the two passwords differ"),
    N_("the command has a quotation mark that is not closed"),
    # What if.
    N_("it ends before it begins"),
    N_("ask about five years at most"),
    N_("the pool %(name)s has %(there)s hosts: there cannot be %(fewer)s fewer"),
    N_("there is no component %(name)s, but %(known)s"),
    N_("%(component)s may have %(most)s replicas at most"),
    N_("it adds %(count)s environments and windows; %(most)s at most"),
    N_("%(count)s events of the calendar name no environment, and there are no more"),
    N_("write X-CLOUDMGR-ENVIRONMENT into them, or say what more there would be"),
    N_("the event %(name)s does not say how many replicas it needs"),
    N_("give one of like and new"),
    # Pools.
    N_("its pool cannot tell beforehand what would change"),
    N_("node %(name)s is lost: it is not Ready"),
    N_("node %(name)s is closed for new pods"),
    N_(
        "%(component)s: finds no room for %(count)s replica with %(cpu)s CPU and %(memory)s MiB; "
        "they start by themselves once there is some (%(said)s)"
    ),
    N_(
        "%(component)s: finds no room for %(count)s replicas with %(cpu)s CPU and %(memory)s MiB; "
        "they start by themselves once there is some (%(said)s)"
    ),
    N_("%(component)s: room that was promised to it is not there yet: %(said)s"),
    N_("%(name)s: the cluster makes no more replicas: %(said)s"),
    N_("host %(name)s is lost: its compute service does not answer"),
    N_("host %(name)s is closed for new servers"),
    N_(
        "%(component)s: finds no room for %(count)s replica with %(cpu)s CPU and %(memory)s MiB; "
        "they start by themselves once there is some"
    ),
    N_(
        "%(component)s: finds no room for %(count)s replicas with %(cpu)s CPU and %(memory)s MiB; "
        "they start by themselves once there is some"
    ),
    N_("%(component)s: room that was promised to it is not there yet: no host has enough left"),
    N_("%(component)s: not begun while it is not known what room there is (%(count)s): %(why)s"),
    N_(
        "%(component)s %(slot)s: could not get its new size: nova found no host for it; it goes "
        "on with the old one and is tried again"
    ),
    N_(
        "%(component)s %(slot)s: could not get its new size: it did not become healthy with it; "
        "it goes on with the old one and is tried again"
    ),
    N_(
        "%(component)s: a replica takes a whole flavor of %(cpu)s CPU and %(memory)s MiB, "
        "which is billed"
    ),
    N_(
        "asleep: %(count)s servers take no room on hosts, and keep their addresses, their share "
        "of the quota, and an image of each disk"
    ),
    N_("this pool has no autoscaler of its own: only windows and orders change the scale"),
    N_(
        "there is no image %(image)s that this environment may use: upload it, or share it with "
        "the environment's project"
    ),
    N_(
        "somebody else has a port on its network: %(port)s of project %(project)s (%(owner)s): "
        "have its owner delete the port; the rest follows by itself"
    ),
    N_("%(component)s has no image: a pool of servers starts images"),
    N_("name an image of the cloud, or ask for a pool of processes"),
    N_(
        "%(service)s is offered by an environment of this pool, and a pool of servers has no "
        "address for it that stays"
    ),
    N_("bind to a service that has a fixed address"),
    N_(
        "no flavor of this pool holds %(cpu)s thousandths of a core and %(memory)s MiB, which "
        "%(component)s needs; the largest has %(most)s and %(largest)s"
    ),
    N_("ask for less, or have the cloud's operator add a flavor"),
    N_("the cloud of pool %(pool)s cannot be reached: %(why)s"),
    N_("see that its services run and can be reached from here"),
    N_("the cloud of pool %(pool)s does not know our credentials (any more)"),
    N_("renew the application credential in its clouds.yaml"),
    N_("the pool %(pool)s is not watched"),
    N_("it starts at %(start)s and ends at %(end)s, which is no later"),
    N_("give an end that is later than the start"),
    N_("%(text)s is not a day"),
    N_("as in 2026-06-01"),
    # Promises.
    N_("the pool %(pool)s does not answer now: what it could promise is not known"),
    N_("say why it is promised though it may not fit"),
    # What a pool counts itself.
    N_("this pool keeps no accounts of its own"),
    N_("a cloud counts server-hours itself, as pools of the kind openstack do"),
    N_("the pool has no driver here"),
    N_("nothing of this pool was metered in that time yet"),
    N_("ask for an earlier time, or wait until the pool is read again"),
    N_("the pool goes on counting a server that sleeps; it holds nothing then"),
    N_("the pool forgets what ran before a server was last woken, resized, moved or rescued"),
    N_("somebody else's server in the environment's project: not ours, not charged"),
    N_("the pool has purged this server from its books; ours keep it"),
    N_("it changed within the last minute before the pool was last read"),
    N_("a minute at most, as clocks differ"),
    N_("the pool has it with another size than the one that is charged: look into it"),
    N_("nothing explains this: look into it"),
    # Workloads and peaks.
    N_("an environment has 1 to %(most)s components"),
    N_("two components are called %(name)s"),
    N_("give either a command or an image"),
    N_("a part of the command is empty, too long or not plain text"),
    N_("%(value)s is outside %(low)s to %(high)s"),
    N_("the ceiling %(ceiling)s is below the minimum %(least)s"),
    N_("%(value)s is not a port (1 to 65535)"),
    N_("it must begin with / and be plain text"),
    N_(
        "%(name)s is not a name here: begin with a letter a to z, then letters, digits "
        "and dashes, 40 at most"
    ),
    N_("the window ends before it starts"),
    N_("the window is over already"),
    N_("a window lasts at most 31 days"),
    N_("a window starts within five years"),
    N_("there is no component %(name)s"),
    N_("%(count)s replicas are outside 1 to %(ceiling)s, the approved ceiling"),
    N_("it must be above 0 and below 10,000,000"),
    N_("announce at least one peak window"),
    N_("it has no time zone"),
    N_("it has %(count)s letters; %(most)s at most"),
    N_("it is not plain text"),
    N_("it is called %(name)s; a resize keeps that"),
    N_("a resize keeps the purpose"),
    N_("storage cannot shrink: it is %(size)s GiB"),
    N_("%(system)s has an environment %(name)s already"),
    N_("choose another name, or ask to resize that one"),
    N_("the environment is being retired"),
    N_("the environment belongs to another system"),
    N_("there is a system %(code)s already"),
    N_("choose another code: it is a part of its addresses, and the whole city's"),
    N_("two files are called %(name)s"),
    N_("give the file a path"),
    N_("%(name)s stands here twice"),
    N_("%(name)s is no path here: letters, digits, . - _ between slashes"),
    N_("%(name)s: leave out the first /, and look for it in the directory CONFIG_DIR"),
    N_("%(name)s cannot be a file and a directory"),
    N_("%(name)s cannot be the name of a secret here"),
    N_("%(name)s is a variable already: a secret is told as a variable of its name"),
    N_(
        "commands, variables and files have %(count)s bytes, and an environment at most %(most)s: "
        "put what is larger into the image"
    ),
    # Shared services.
    N_(
        "there is no shared service %(name)s; in this zone your department may use: %(names)s",
    ),
    N_("%(name)s is a service of the %(theirs)s, and this is the %(ours)s"),
    N_("%(name)s is not for the department %(code)s"),
    N_("leave it out, or ask an operator to change services.yaml"),
    N_("%(name)s is not in policies/services.yaml any more"),
    N_("%(name)s is not there: no environment %(label)s is hosted"),
    N_("%(name)s is not there: %(label)s is being retired"),
    N_("%(name)s is not there: %(label)s has no component %(component)s with a port"),
    N_("%(name)s is hosted on another pool, %(pool)s"),
    N_("%(name)s is hosted on %(pool)s, which cannot lead others to it"),
    N_("%(variable)s is told of %(name)s: call your variable or secret otherwise"),
    *PEAKS,
    *LEDGER,
    *REPORTS,
    # Orders.
    N_("say why"),
    N_("whoever reads the history of this environment will want to know"),
    N_("the reason has %(count)s letters; %(most)s at most"),
    N_("the reason is not plain text"),
    N_("that moment is over already"),
    N_("leave it out for an order without an end"),
    N_("hibernate the environment to give everything back"),
    N_("ask for a resize to raise the ceiling"),
    N_("a peak window asks for %(asked)s now"),
    N_("cancel the window, or insist with force"),
    N_("environments of the class %(name)s never hibernate"),
    N_("insist with force if it must be"),
    N_("environments of the class %(name)s do not sleep before %(when)s"),
    N_("order it then, or insist with force"),
    N_("an environment that needs it is awake"),
    N_("put that to sleep first, or insist with force"),
    N_("it cannot need itself"),
    N_("it needs at most %(most)s others"),
    N_("%(name)s is in %(there)s, not in %(here)s: zones do not reach each other"),
    N_("%(name)s is being retired"),
    N_("they would need each other in a circle: %(way)s"),
    N_("leave one of these needs out"),
    N_("it is awake: there is nothing to try"),
    N_("it is being woken"),
    N_("it was ordered to sleep until a moment that has not come"),
    N_("wake it to end that order"),
    N_("a peak is near or under way: that is no time to try"),
    N_("try it when the peak is over"),
    N_("it waited for %(what)s"),
    N_("it had not begun"),
    N_("it was to be ready by %(when)s and is not"),
    N_("it was to be ready by %(when)s and was not"),
    N_("it was to be ready by %(when)s and was at %(then)s"),
    N_("it is to be ready by %(when)s"),
    N_("try again when a peak is over, or ask the operators for room"),
    N_("the window is over: what was, cannot be cancelled"),
    # Requests.
    N_("a rejection needs a reason"),
    N_("say what the department should change"),
    N_("who submits a request cannot decide on it"),
    N_("ask a colleague with the same role"),
    N_("you have signed this request already"),
    N_("this request waits for %(needed)s, not for %(role)s"),
    N_("the request is %(state)s: there is nothing to decide on it any more"),
    N_("the request is %(state)s and cannot be cancelled any more"),
    N_("ask to retire or resize the environment instead"),
    # Who may what.
    N_("there is no such thing, or not for you"),
    N_("check the id; what belongs to another department is not shown"),
    N_("there is nothing at this address"),
    N_("none of your roles allows %(action)s"),
    N_("none of your roles allows %(action)s for this department"),
    N_("it takes one of: %(roles)s; an administrator gives roles"),
    N_("this did not come from the portal's own pages"),
    N_("open the portal and do it there; programs use a token"),
    N_("it was changed since you saw it"),
    N_("read it again and repeat the change"),
    N_("read it again and decide anew"),
    N_("login or password is wrong"),
    N_("try again, or ask an administrator for a new password"),
    N_("that is not your password until now"),
    N_("a password has 12 to 200 characters"),
    N_("nobody changes one's own roles, department or activity"),
    N_("ask another administrator"),
    N_("there is a user %(login)s already"),
    N_("choose another login"),
    N_("a department officer belongs to a department"),
    N_("name the department, or leave the role out"),
    N_("there is a department %(code)s already"),
    N_("choose another code, or add a version to that department"),
    N_("something with this name or key exists already"),
    N_("the database cannot do this now; nothing was changed"),
    N_("the first request with this Idempotency-Key is still being done"),
    N_("ask again in a moment, with the same key"),
    # Months.
    N_("%(month)s is not over yet"),
    N_("%(month)s is to be closed first"),
    N_("%(month)s has usage and is to be closed first"),
    N_("%(month)s is closed already, and comes after it"),
    N_("%(source)s was not read since the month ended"),
    N_("%(source)s has usage of the month that is not in the ledger yet"),
    N_("%(month)s was closed by %(who)s at %(when)s"),
    N_("a closed month stays as it is; what comes late is billed in the next one"),
    N_("%(text)s is not a month"),
    N_("as in 2026-06"),
    # Secrets.
    N_("a secret is a text of 1 to %(most)s bytes without NUL"),
    N_("no component of this environment is told a secret %(name)s"),
    N_("ask for it with a resize that names it among a component's secrets"),
    N_("%(name)s is told to %(components)s"),
    N_("ask for a resize without it first, or set another value"),
    N_("the key file %(path)s for secrets is not there"),
    N_("the key file %(path)s for secrets is open to others"),
    N_("the key file %(path)s for secrets is empty"),
    N_("the key file %(path)s for secrets has no key in line %(number)s"),
    N_("the key file %(path)s for secrets cannot be read: %(why)s"),
    N_("make it once, for all control planes: %(way)s"),
    N_("secrets without a value: %(names)s. What ran before goes on until they have one"),
    N_("its department sets them first"),
    N_(
        "the value of the secret %(name)s cannot be opened. set it anew, or an operator puts the "
        "key back with which it was sealed."
    ),
    # Conditions.
    N_("the size of storage is promised and charged here, but not enforced"),
    N_("CPU limits are not enforced, and memory limits are checked once a second, because %(why)s"),
    N_("asleep; it wakes on the first request"),
    N_("ready: %(counts)s"),
    N_("%(component)s %(have)s of %(want)s ready"),
    N_("not observed yet: %(what)s"),
)

_HOLE = re.compile(r"%\\?\((\w+)\\?\)s")
_MOMENTS = frozenset({"when", "then"})


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    # What quotes least is tried first: "must be %(choices)s" would take much.
    ordered = sorted(SENTENCES, key=lambda s: (s.count("%("), -len(s)))
    return tuple(
        (re.compile(_HOLE.sub(r"(?P<\1>.+?)", re.escape(sentence)), re.DOTALL), sentence)
        for sentence in ordered
    )


def translated(
    sentence: str,
    gettext: Callable[[str], str],
    moment: Callable[[datetime], str] = datetime.isoformat,
) -> str:
    """``sentence`` in the language of ``gettext``; as it is where no pattern fits.

    :param moment: how its reader is told a moment that stands for ``%(when)s`` or ``%(then)s``.
    """
    parts = sentence.strip().split("; ")
    if len(parts) == 1:
        return _one(parts[0], gettext, moment) or sentence
    # Several may come joined, and one may have a semicolon itself: the longest goes first.
    found: list[str] = []
    while parts:
        for count in range(len(parts), 0, -1):
            known = _one("; ".join(parts[:count]), gettext, moment)
            if known or count == 1:
                found.append(known or parts[0])
                parts = parts[count:]
                break
    return "; ".join(found)


def _one(text: str, gettext: Callable[[str], str], moment: Callable[[datetime], str]) -> str:
    """Empty where no pattern fits."""
    for pattern, msgid in _patterns():
        # None of several that are joined may be swallowed as a quotation.
        found = pattern.fullmatch(text) if msgid.count("; ") == text.count("; ") else None
        if found:
            quoted = found.groupdict()
            for hole in _MOMENTS & quoted.keys():
                quoted[hole] = _told(quoted[hole], moment)
            return gettext(msgid) % quoted if quoted else gettext(msgid)
    return ""


def _told(said: str, moment: Callable[[datetime], str]) -> str:
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        return said
    return moment(found) if found.tzinfo else said
