"""What may come in and how it goes out: shared types of the API's schemas.

Text that people give is trimmed, put into one Unicode form and refused when it holds what no person
meant to write. What PostgreSQL cannot store at all is refused anywhere in a body.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, LiteralString

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

# Controls, line and paragraph separators, and the marks that turn the direction of text around,
# with which one name can be made to look like another.
_UNWANTED = "\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_CONTROL = re.compile(f"[{_UNWANTED}]")
_CONTROL_BUT_LINES = re.compile(f"(?![\t\r\n])[{_UNWANTED}]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._@-]*")
_MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:[Zz]|[+-]\d{2}:\d{2})"
)
_EMAIL = re.compile(r"(?:[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)?")
_DEEPEST = 32


def _text(longest: int, unwanted: re.Pattern[str], *, blank: bool = False) -> AfterValidator:
    def check(value: str) -> str:
        if unwanted.search(value):
            raise PydanticCustomError("control_characters", "must not hold control characters")
        if not value.isascii():  # first, since the one form can be the longer one
            value = unicodedata.normalize("NFC", value)
        if len(value) > longest:
            raise PydanticCustomError(
                "too_long",
                "must have at most {longest} characters, not {length}",
                {"longest": longest, "length": len(value)},
            )
        value = value.strip()
        if not value and not blank:
            raise PydanticCustomError("blank", "must not be blank")
        return value

    return AfterValidator(check)


def _pattern(shape: re.Pattern[str], longest: int, sentence: str) -> AfterValidator:
    def check(value: str) -> str:
        if len(value) > longest or not shape.fullmatch(value):
            raise PydanticCustomError("bad_shape", "{sentence}", {"sentence": sentence})
        return value

    return AfterValidator(check)


def _moment(value: object) -> object:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value.upper())
        except ValueError:
            moment = None
        if moment is not None and 1970 < moment.year < 9999:
            return moment.astimezone(UTC)
    raise PydanticCustomError(
        "bad_moment", "must be a time with its zone, such as 2026-06-01T08:00:00+08:00"
    )


_SCHEMA_UNWANTED = r"\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069"


def _visible(unwanted: str) -> str:
    """The same rule for readers of the API's document: no control, and something to see."""
    return rf"^[^{unwanted}]*[^{unwanted}\s][^{unwanted}]*$"


def _schema(longest: int, **more: object) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "minLength": 1, "maxLength": longest, **more})


Name = Annotated[
    str,
    _text(200, _CONTROL),
    _schema(200, pattern=_visible(_SCHEMA_UNWANTED)),
]
"""A name: 1 to 200 characters on one line, trimmed, NFC."""

Reason = Annotated[
    str,
    _text(2000, _CONTROL_BUT_LINES),
    _schema(
        2000,
        pattern=_visible(
            _SCHEMA_UNWANTED.replace(r"\u0000-\u001f", r"\u0000-\u0008\u000b\u000c\u000e-\u001f")
        ),
    ),
]
"""What a person has to say: 1 to 2,000 characters, lines and tabs allowed, trimmed, NFC."""

Remark = Annotated[str, _text(2000, _CONTROL_BUT_LINES, blank=True), Field(max_length=2000)]
"""As :data:`Reason`, but may be left empty."""

Code = Annotated[
    str,
    _pattern(
        _LABEL,
        40,
        "must be 1 to 40 small letters, digits and dashes, with no dash at either end",
    ),
    _schema(40, pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"),
]
"""A DNS label of at most 40 characters."""

Login = Annotated[
    str,
    _pattern(
        _LOGIN,
        64,
        "must be 1 to 64 small letters, digits, dots, dashes, underscores and @, "
        "beginning with a letter or digit",
    ),
    _schema(64, pattern=r"^[a-z0-9][a-z0-9._@-]*$"),
]

Id = Annotated[
    str,
    _pattern(re.compile(r"[A-Za-z0-9_.:-]+"), 80, "must be an id, such as dep_0123456789abcdef"),
    _schema(80, pattern=r"^[A-Za-z0-9_.:-]+$"),
]
"""The id of something, in a body or a query. In a path, any text will do: it is then not found."""

Email = Annotated[
    str,
    _pattern(_EMAIL, 254, "must be an address for mail, such as li.wei@example.gov.cn"),
    WithJsonSchema({"type": "string", "maxLength": 254, "pattern": f"^{_EMAIL.pattern}$"}),
]
"""Where one is mailed to; empty for nowhere."""

Currency = Annotated[
    str,
    _pattern(re.compile(r"[A-Z]{3}"), 3, "must be a currency of ISO 4217, such as CNY"),
    _schema(3, pattern=r"^[A-Z]{3}$"),
]

Password = Annotated[
    str, Field(min_length=12, max_length=200, description="12 to 200 characters, as they are.")
]

Moment = Annotated[
    datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})
]
"""An instant with its zone (RFC 3339), between 1971 and 9998; UTC inside."""

Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
"""A number of things, from 0 to a million."""


def distinct(values: object) -> object:
    """``BeforeValidator(distinct)`` of a set: what is in it twice was not meant."""
    if isinstance(values, list) and any(values.count(value) > 1 for value in values[:100]):
        raise PydanticCustomError("repeated", "must not hold anything twice")
    return values


def example(**fields: Any) -> ConfigDict:
    """``model_config`` of a schema, with an example of it for the API's document."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class Entry(BaseModel):
    """What comes in: every request body is one of these.

    Unknown fields are refused, since a misspelt one would be silently without effect, and so is
    text that no database can store, wherever it stands.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, data: Any) -> Any:
        _walk(data, ())
        return data


class View(BaseModel):
    """What goes out."""

    model_config = ConfigDict(frozen=True)


def storable(text: str) -> bool:
    """Whether every database can store ``text``: no NUL, no half of a surrogate pair."""
    return _UNSTORABLE.search(text) is None


def _walk(data: object, place: tuple[str | int, ...]) -> None:
    """:raises ValidationError: that names the place."""
    if len(place) > _DEEPEST:
        raise _fault("too_deep", "is nested too deeply", ())
    if isinstance(data, str):
        if not storable(data):
            raise _fault("unstorable_text", "must not hold NUL or half characters", place)
    elif isinstance(data, dict):
        for key, value in data.items():
            _walk(key, place)
            _walk(value, (*place, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            _walk(value, (*place, index))


def _fault(kind: LiteralString, sentence: LiteralString, place: tuple[str | int, ...]) -> Exception:
    return ValidationError.from_exception_data(
        "Entry", [{"type": PydanticCustomError(kind, sentence), "loc": place, "input": None}]
    )
