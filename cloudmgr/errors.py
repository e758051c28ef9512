"""The one tree of errors. What each means decides who retries and what a person is told.

Every error carries a stable ``code`` (a machine may match it), a sentence for a person,
and, where something can be done, a ``hint`` that says what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class CloudmgrError(Exception):
    """The root; never raised itself.

    :param message: what is wrong, as one sentence.
    :param code: stable, lower case, dashes; defaults to the class's own.
    :param hint: what to do next.
    :param path: where in the input: ``components[0].cpu``, ``row 12, column C``.
    :param problems: every fault found as ``(path, sentence)``, so that a person mends all at once.
    :param zh: the sentence in Chinese, of one that tells too much to be looked up.
    :param members: what programs may want to know of it, as JSON has it (RFC 9457, 3.2).
    """

    code = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str = "",
        path: str = "",
        problems: tuple[tuple[str, str], ...] = (),
        zh: str = "",
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.hint = hint
        self.path = path
        self.problems = problems or (((path, message),) if path else ())
        self.zh = zh
        self.members: Mapping[str, object] = members or {}


class Temporary(CloudmgrError):
    """It may work if tried again later, unchanged: a timeout, a full queue, a locked row."""

    code = "temporary"


class Permanent(CloudmgrError):
    """It will not work until a person changes something: no retry before the next generation."""

    code = "permanent"


class NotFound(CloudmgrError):
    """There is no such thing, or not for the one who asks."""

    code = "not-found"


class Conflict(CloudmgrError):
    """The thing is not in the state, or not of the version, that the caller supposed."""

    code = "conflict"


class Invalid(CloudmgrError):
    """The input breaks a rule; nothing was changed."""

    code = "invalid"


class Unpriced(CloudmgrError):
    """Usage for which no price is in force: never rated as zero.

    ``problems`` lists what lacks one.
    """

    code = "unpriced"


class Forbidden(CloudmgrError):
    """The caller is known and may not do this."""

    code = "forbidden"


class Unauthenticated(CloudmgrError):
    """The caller is not known: no token, a wrong one, or one that has expired."""

    code = "unauthenticated"
