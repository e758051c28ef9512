"""A page in the making: the language, the formats, who reads it, and the template."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response

from cloudmgr.identity.access import Action, reach
from cloudmgr.identity.user import Locale
from cloudmgr.portal import words
from cloudmgr.portal.formats import Formats
from cloudmgr.portal.language import BABEL_NAME, chosen, translations
from cloudmgr.portal.navigation import sections
from cloudmgr.portal.notices import MOST, unread
from cloudmgr.portal.sentences import translated
from cloudmgr.scaling.expected_words import explained

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.requests import Request

    from cloudmgr.api.gate import Caller
    from cloudmgr.api.services import Services
    from cloudmgr.hosting.requests import Pending, WindowAsk
    from cloudmgr.scaling.series import PeakSeries
    from cloudmgr.scaling.windows import PeakWindow

TEMPLATES = Path(__file__).with_name("templates")
HEADERS = {
    # The chart bundle interprets expressions instead of compiling them, so no eval is needed.
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "Vary": "Cookie, Accept-Language",
}


@cache
def _templates(locale: Locale) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    catalogue = translations(locale)
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        catalogue.gettext, catalogue.ngettext, newstyle=True
    )
    return environment


class View:
    """What one request shows. ``caller`` is None on pages that are open to everybody."""

    def __init__(self, request: Request, caller: Caller | None = None) -> None:
        self.request = request
        self.caller = caller
        self.services: Services = request.app.state.services
        principal = caller.principal if caller else None
        self.locale = chosen(request, principal)
        self.formats = Formats(
            BABEL_NAME[self.locale], self.services.time_zone, self.services.clock.now()
        )
        self._gettext = translations(self.locale).gettext

    @property
    def chinese(self) -> bool:
        return self.locale is Locale.ZH_CN

    def _(self, message: str, **values: object) -> str:
        """``message`` in the reader's language, with ``%(name)s`` filled in."""
        text = self._gettext(message)
        return text % values if values else text

    def domain(self, sentence: str) -> str:
        """A sentence of the domain (errors, conditions), which is English there."""
        return translated(sentence, self._gettext, self.formats.absolute)

    def sentence(self, text: str) -> str:
        """As :meth:`domain`, with a capital and a stop, as it stands in running text."""
        said = self.domain(text).strip()
        if said and said[-1] not in ".。!?！？:：":
            said += "。" if self.chinese else "."
        return said[:1].upper() + said[1:]

    def word(self, table: Mapping[str, str], key: str) -> str:
        """What ``table`` calls ``key``; the key itself if it has no word."""
        return self._gettext(table[key]) if key in table else key

    def pick(self, zh: str, en: str) -> str:
        """Of a name that is kept in both languages, the reader's."""
        return (zh if self.chinese else en) or zh or en

    def expected(self, one: WindowAsk | PeakWindow | PeakSeries) -> str:
        """What the replicas of a peak were worked out from; empty if they were asked for."""
        if one.expected is None:
            return ""
        return self.pick(explained(one.expected, "zh"), explained(one.expected, "en"))

    def can(self, action: str) -> bool:
        """Whether the reader may do ``action`` to anything at all."""
        if self.caller is None:
            return False
        return reach(self.caller.principal, Action(action)) is not None

    def state(self, table: Mapping[str, tuple[str, str]], key: str) -> Markup:
        """A state as a word with a tone: the word first, the colour second."""
        word, tone = table.get(key, (key, "quiet"))
        return Markup('<span class="state state-{}">{}</span>').format(tone, self._gettext(word))

    def roles(self, pending: Iterable[Pending]) -> str:
        """Who has yet to sign, in words."""
        return self._(", ").join(
            self.word(words.ROLES, one.role) + (f" ×{one.count}" if one.count > 1 else "")
            for one in pending
        )

    def link(self, address: str, text: object) -> Markup:
        return Markup('<a href="{}">{}</a>').format(address, text)

    def address(self, **changes: object) -> str:
        """This page's address with other query parameters; None takes one away."""
        query: dict[str, str] = dict(self.request.query_params)
        query.pop("said", None)
        for name, value in changes.items():
            query.pop(name, None)
            if value is not None:
                query[name] = str(value)
        path = self.request.url.path
        return f"{path}?{urlencode(query)}" if query else path

    def page(
        self,
        template: str,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **context: Any,
    ) -> HTMLResponse:
        """The page made of ``template``."""
        said = self.request.query_params.get("said", "")
        html = (
            _templates(self.locale)
            .get_template(template)
            .render(
                view=self,
                f=self.formats,
                words=words,
                lang=self.locale.value,
                path=self.request.url.path,
                me=self.caller.principal if self.caller else None,
                sections=sections(self),
                unread=unread(self),
                most_unread=MOST,
                said=self._gettext(words.SAID[said]) if said in words.SAID else "",
                **context,
            )
        )
        return HTMLResponse(html, status, headers={**HEADERS, **(headers or {})})


def redirect(address: str) -> Response:
    """See there (303): a reload then repeats nothing."""
    return RedirectResponse(address, 303)
