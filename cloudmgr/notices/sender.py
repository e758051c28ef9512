"""Sends messages, by webhook, chat or mail: the one file that speaks with Apprise.

The addresses of targets hold secrets (passwords, keys in paths and headers), which are neither
shown nor logged: what is told of a target is its service, and its host where that is no key.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType, OverflowMode

from cloudmgr.errors import Invalid
from cloudmgr.notices.notice import Tone

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from apprise import NotifyBase

    from cloudmgr.notices.message import Message

TARGETS = "CLOUDMGR_NOTICE_TARGETS"
MAIL = "CLOUDMGR_NOTICE_MAIL"
# Seconds: for a connection, and for each part of an answer.
_CONNECT, _READ = 5.0, 10.0
_SHORTEST_SECRET = 4
_TYPES = {
    Tone.GOOD: NotifyType.SUCCESS,
    Tone.PLAIN: NotifyType.INFO,
    Tone.WARNING: NotifyType.WARNING,
    Tone.BAD: NotifyType.FAILURE,
}


class _Overheard(logging.Handler):
    """Keeps what Apprise complains of in each thread, where it can be cleared of secrets."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._local = threading.local()

    def begin(self) -> None:
        self._local.said = []

    def said(self) -> list[str]:
        said: list[str] = getattr(self._local, "said", [])
        return said

    def emit(self, record: logging.LogRecord) -> None:
        self.said().append(record.getMessage())


# Its own log names addresses: it goes nowhere but here.
_overheard = _Overheard()
_library_log = logging.getLogger("apprise")
_library_log.handlers = [_overheard]
_library_log.propagate = False
_library_log.setLevel(logging.WARNING)
# What it sends by would name, when all is logged, the paths that it asks for: some are keys.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class Target:
    """Where operators are told. ``shown`` tells people which it is, and nothing secret."""

    id: str
    shown: str


class Sender:
    """Knows the targets, and sends to them. Safe to use from many threads."""

    def __init__(self, addresses: Sequence[str] = (), mail: str = "") -> None:
        """:raises Invalid: ``invalid-settings``, naming each address by its place."""
        self._asset = AppriseAsset(
            app_id="cloudmgr", app_desc="cloudmgr", app_url="", secure_logging=True
        )
        problems: list[tuple[str, str]] = []
        self._addresses: dict[str, str] = {}
        targets: list[Target] = []
        for place, address in enumerate(addresses):
            plugin = self._plugin(address)
            if plugin is None:
                problems.append((f"{TARGETS}.{place}", _no_target(address)))
                continue
            target = _named(plugin, taken=self._addresses)
            self._addresses[target.id] = address
            targets.append(target)
        self.targets = tuple(targets)
        self._mail = mail
        if mail and self._mailer("nobody@example.invalid") is None:
            problems.append(
                (MAIL, "must be mailto://…?from=… or mailtos://USER:PASSWORD@HOST?from=…")
            )
        if problems:
            raise Invalid(
                "; ".join(f"{path}: {message}" for path, message in problems),
                code="invalid-settings",
                hint="correct the environment variable and start again",
                problems=tuple(problems),
            )

    @property
    def mails(self) -> bool:
        """Whether people can be mailed."""
        return bool(self._mail)

    def knows(self, target_id: str) -> bool:
        return target_id in self._addresses

    def send(self, target_id: str, message: Message) -> str | None:
        """Send ``message`` to a target that is known; why it failed, or None.

        Takes as long as the other side lets it, which is some fifteen seconds for each step.
        """
        address = self._addresses[target_id]
        return _notified(self._plugin(address), message, address)

    def mail(self, to: str, message: Message) -> str | None:
        """The same by mail."""
        return _notified(self._mailer(to), message, self._mail)

    def _plugin(self, address: str) -> NotifyBase | None:
        _overheard.begin()
        plugin = Apprise.instantiate(address, asset=self._asset)
        # A long message is sent in parts where a service takes none that is so long.
        if plugin is not None and "overflow=" not in address:
            plugin.overflow_mode = OverflowMode.SPLIT
        return plugin

    def _mailer(self, to: str) -> NotifyBase | None:
        _overheard.begin()
        if not self._mail.lower().startswith(("mailto://", "mailtos://")):
            return None
        joint = "&" if "?" in self._mail else "?"
        plugin: Any = Apprise.instantiate(f"{self._mail}{joint}format=text", asset=self._asset)
        if plugin is not None:
            # Not by way of the address, in which a name might be taken for more than that.
            plugin.targets, plugin.cc, plugin.bcc = [(False, to)], set(), set()
        return cast("NotifyBase | None", plugin)


def _notified(plugin: NotifyBase | None, message: Message, address: str) -> str | None:
    if plugin is None:
        return "its address cannot be used"
    plugin.socket_connect_timeout = min(plugin.socket_connect_timeout, _CONNECT)
    plugin.socket_read_timeout = min(plugin.socket_read_timeout, _READ)
    _overheard.begin()
    try:
        sent = plugin.notify(
            body=message.body,
            title=message.title,
            notify_type=_TYPES[message.tone],
            body_format=NotifyFormat.TEXT,
        )
    except Exception as error:  # noqa: BLE001 - a plugin may do anything; none may stop the others
        return f"it failed with {type(error).__name__}"
    if sent:
        return None
    said = "; ".join(_overheard.said()) or "it was not taken"
    return cleared(said, address, host_is_open=_names_a_host(plugin))


def cleared(text: str, address: str, *, host_is_open: bool) -> str:
    """``text`` without any part of ``address`` but its scheme, and its host where that is open."""
    rest = address.partition("://")[2]
    place, *tail = re.split(r"(?=[/?])", rest, maxsplit=1)
    login, _, host = place.rpartition("@")
    secret = {login, *login.split(":"), *re.split(r"[/?&=+@:;,]", "".join(tail))}
    if not host_is_open:
        secret |= set(re.split(r"[:@]", host))
    secret |= {unquote(one) for one in secret}
    for one in sorted(secret, key=len, reverse=True):
        if len(one) >= _SHORTEST_SECRET:
            text = text.replace(one, "****")
    return " ".join(text.split())


def _named(plugin: NotifyBase, taken: Iterable[str]) -> Target:
    """A name that stays the same as long as the target does."""
    shown = str(plugin.service_name)
    if _names_a_host(plugin) and plugin.host:
        shown = f"{shown} {plugin.host}{f':{plugin.port}' if plugin.port else ''}"
    key = hashlib.sha256(shown.encode()).hexdigest()[:8]
    alike = sum(one.split("-")[1] == key for one in taken)
    suffix = f"-{alike + 1}" if alike else ""
    return Target(f"tgt-{key}{suffix}", f"{shown}{f' ({alike + 1})' if alike else ''}")


def _names_a_host(plugin: NotifyBase) -> bool:
    """Whether what stands where a host does is one, and not a key."""
    token = plugin.template_tokens.get("host")
    return token is not None and not token.get("private")


def _no_target(address: str) -> str:
    scheme, there, _ = address.partition("://")
    if not there or not re.fullmatch(r"[A-Za-z0-9]{1,20}", scheme):
        return "is no Apprise URL, such as json://HOST/PATH"
    return f"is no Apprise URL that can be used: see what {scheme}:// asks for"
