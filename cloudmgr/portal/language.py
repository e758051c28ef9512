"""In which language a page speaks: msgids are English, the catalogue beside is Chinese."""

from __future__ import annotations

import io
from functools import cache
from gettext import NullTranslations
from pathlib import Path
from typing import TYPE_CHECKING

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from cloudmgr.identity.user import Locale

if TYPE_CHECKING:
    from starlette.requests import Request

    from cloudmgr.identity.user import Principal

LANGUAGE_COOKIE = "cloudmgr_language"
MESSAGES = Path(__file__).with_name("messages")
BABEL_NAME = {Locale.ZH_CN: "zh_CN", Locale.EN: "en"}


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for it
    """Mark ``message`` for the catalogue; it is translated where it is shown."""
    return message


@cache
def translations(locale: Locale) -> NullTranslations:
    """The catalogue of ``locale``, read once; English needs none."""
    path = MESSAGES / f"{BABEL_NAME[locale]}.po"
    if not path.exists():
        return NullTranslations()
    compiled = io.BytesIO()
    with path.open("rb") as source:
        write_mo(compiled, read_po(source, locale=BABEL_NAME[locale]))
    compiled.seek(0)
    return Translations(compiled)


def chosen(request: Request, principal: Principal | None) -> Locale:
    """As the switch in the footer says, else the person's own, the browser's, or Chinese."""
    kept = request.cookies.get(LANGUAGE_COOKIE)
    if kept in {locale.value for locale in Locale}:
        return Locale(kept)
    if principal is not None:
        return principal.locale
    return _accepted(request.headers.get("accept-language", ""))


def _accepted(header: str) -> Locale:
    wanted: list[tuple[float, int, Locale]] = []
    for place, part in enumerate(header.split(",")[:20]):
        name, _, weight = part.strip().partition(";q=")
        found = {"zh": Locale.ZH_CN, "en": Locale.EN}.get(name.lower().split("-")[0])
        try:
            quality = float(weight or 1)
        except ValueError:
            continue
        if found is not None and quality > 0:
            wanted.append((-quality, place, found))
    return min(wanted)[2] if wanted else Locale.ZH_CN
