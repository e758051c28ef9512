"""Forms: what was typed, what is wrong with it, and doing it once.

A field is named as the API names it (``environment.components[0].memory_mib``), so what the API's
schemas and the domain say of a path stands beside the field that it is about.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.responses import Response

from cloudmgr.api.etag import Answer
from cloudmgr.api.idempotency import Repeatable
from cloudmgr.api.values import Entry, storable
from cloudmgr.errors import CloudmgrError, Conflict, Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from zoneinfo import ZoneInfo

    from sqlalchemy import Connection

    from cloudmgr.api.gate import Caller

E_ = TypeVar("E_", bound=Entry)

_STEP = re.compile(r"([a-z_]+)|\[([0-9]{1,2})\]")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_WHOLE = {
    "memory_mib",
    "min_replicas",
    "max_replicas",
    "port",
    "startup_seconds",
    "storage_gib",
    "replicas",
    "protection_level",
    "criticality",
    "days",
    "minutes",
    "per_second",
    "seconds",
}
# What is expected of a peak, as the API names it.
EXPECTED = ("unit", "low", "likely", "high", "seconds_per_request", "requests_per_user_minute")
_MOMENTS = {"starts_at", "ends_at", "until", "valid_from"}


@dataclass(slots=True)
class Form:
    """``values`` is what was typed; ``errors`` what is wrong, in English, by field."""

    values: dict[str, list[str]] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)
    top: list[str] = field(default_factory=list)
    digest: str = ""
    fields: frozenset[str] = frozenset()

    @classmethod
    def of(cls, **values: object) -> Form:
        """A form as it is first shown; ``None`` is an empty field."""
        return cls.filled(values)

    @classmethod
    def filled(cls, values: Mapping[str, object]) -> Form:
        return cls(
            {
                name: [str(v) for v in value] if isinstance(value, list | tuple) else [str(value)]
                for name, value in values.items()
                if value is not None
            }
        )

    def get(self, name: str, default: str = "") -> str:
        """What was typed, without the blanks around it."""
        return self.values.get(name, [default])[0].strip()

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def has(self, name: str) -> bool:
        return name in self.values

    @property
    def key(self) -> str:
        """The name of this very submission, so that a double click does it once."""
        given = self.get("idempotency_key")
        return given if _KEY.fullmatch(given) else secrets.token_urlsafe(18)

    def blame(self, error: CloudmgrError, renamed: Mapping[str, str] | None = None) -> Form:
        """Put what ``error`` says beside the fields that it speaks of, else on top."""
        names = renamed or {}
        for path, said in error.problems or (("", error.message),):
            name = names.get(path, path)
            if path and (name in self.values or name in self.fields):
                self.errors.setdefault(name, []).append(said)
            else:
                self.top.append(said)
        if error.hint and error.hint not in self.top:
            self.top.append(error.hint)
        return self

    @property
    def faulty(self) -> bool:
        return bool(self.errors or self.top)

    def nested(self, zone: ZoneInfo, *names: str) -> dict[str, Any]:
        """The fields whose names begin with one of ``names``, as the API's schemas take them.

        Empty fields are left out. Whole numbers become numbers, local times get the city's zone.
        """
        tree: dict[str, Any] = {}
        for name, texts in self.values.items():
            steps = _STEP.findall(name)
            if steps and steps[0][0] in names and "".join(map(_joined, steps)) == _plain(name):
                text = texts[0].strip()
                if text:
                    _put(tree, steps, _converted(steps[-1][0], text, zone))
        found: dict[str, Any] = _listed(tree)
        return found


async def _posted(request: Request) -> Form:
    # Too many fields or a body that is no form is refused by the parser with a 400.
    given = await request.form(max_files=0, max_fields=1000)
    values: dict[str, list[str]] = {}
    digest = hashlib.sha256(f"{request.method} {request.url.path}".encode())
    for name, value in given.multi_items():
        if isinstance(value, UploadFile):
            raise Invalid("a field holds what cannot be kept", code="unstorable-text")
        values.setdefault(name, []).append(_kept(name, value))
        digest.update(repr((name, value)).encode())
    return Form(values, digest=digest.hexdigest())


Posted = Annotated[Form, Depends(_posted)]
"""Declares that a page takes a form."""


async def _uploaded(request: Request) -> Form:
    """As ``_posted``, with at most one file: its text takes the place of the field ``calendar``."""
    values: dict[str, list[str]] = {}
    digest = hashlib.sha256(f"{request.method} {request.url.path}".encode())
    async with request.form(max_files=1, max_fields=1000, max_part_size=2**20) as given:
        for name, value in given.multi_items():
            if isinstance(value, UploadFile):
                # A browser sends an empty one where none was chosen.
                if text := (await value.read()).decode("utf-8", "replace"):
                    values["calendar"] = [_kept("calendar", text)]
                    digest.update(text.encode())
                continue
            if not (name == "calendar" and values.get(name, [""])[0]):
                values.setdefault(name, []).append(_kept(name, value))
            digest.update(repr((name, value)).encode())
    return Form(values, digest=digest.hexdigest())


def _kept(name: str, text: str) -> str:
    """:raises Invalid: ``unstorable-text``."""
    if not storable(name) or not storable(text):
        raise Invalid("a field holds what cannot be kept", code="unstorable-text")
    return text.replace("\r\n", "\n")


Uploaded = Annotated[Form, Depends(_uploaded)]
"""Declares that a page takes a form with a file."""


def entry(kind: type[E_], data: Mapping[str, Any]) -> E_:
    """``data`` as one of the API's schemas.

    :raises Invalid: ``invalid`` with every fault by its path.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        faults = tuple((_path(fault["loc"]), _sentence(fault["msg"])) for fault in error.errors())
        raise Invalid(faults[0][1], code="invalid", problems=faults) from None


def once(caller: Caller, form: Form, address: Callable[[Connection], str]) -> Response:
    """Do ``address`` in one transaction, once for this submission, and lead to what it gives."""

    def work(tx: Connection) -> Answer:
        return Answer(303, None, {"Location": address(tx)})

    # With what was typed in the key: who goes back and types something else means another thing.
    key = hashlib.sha256(f"{form.key} {form.digest}".encode()).hexdigest()
    return Repeatable(key, form.digest).once(caller, work)


def seen(form: Form, version: object) -> None:
    """:raises Conflict: ``stale-version`` when the form was made of another version."""
    if form.get("version") != str(version):
        raise Conflict(
            "it was changed since you saw it",
            code="stale-version",
            hint="read it again and repeat the change",
        )


def _joined(step: tuple[str, str]) -> str:
    return step[0] or f"[{step[1]}]"


def _plain(name: str) -> str:
    return name.replace(".", "")


def _put(tree: dict[str, Any], steps: Iterable[tuple[str, str]], value: object) -> None:
    *way, last = [word or int(number) for word, number in steps]
    place: dict[Any, Any] = tree
    for step in way:
        place = place.setdefault(step, {})
    place[last] = value


def _listed(tree: Any) -> Any:
    """Dictionaries whose keys are numbers, as lists."""
    if not isinstance(tree, dict):
        return tree
    if tree and all(isinstance(key, int) for key in tree):
        return [_listed(tree[key]) for key in sorted(tree)]
    return {key: _listed(value) for key, value in tree.items()}


def _converted(name: str, text: str, zone: ZoneInfo) -> object:
    if name in _WHOLE and re.fullmatch(r"-?[0-9]{1,12}", text):
        return int(text)
    if name == "cpu_millis":
        try:
            millis = Decimal(text) * 1000
        except InvalidOperation:
            return text
        return int(millis) if millis.is_finite() and abs(millis) < 10**9 else text
    if name in _MOMENTS:
        try:
            return datetime.fromisoformat(text).replace(tzinfo=zone)
        except ValueError:
            return text
    return text


def _sentence(message: str) -> str:
    message = message.replace("Input should", "must").replace("String should", "must")
    return message[:1].lower() + message[1:]


def _path(location: Iterable[int | str]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")
