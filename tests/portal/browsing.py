"""A browser without script: it follows links, fills in forms, and sends what a browser sends."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from starlette.testclient import TestClient

from tests.api.city import PASSWORD, City

if TYPE_CHECKING:
    from httpx import Response

HEADERS = {"Accept": "text/html", "Origin": "http://testserver", "Accept-Language": "en"}


def browser(city: City, login: str | None = None, **headers: str) -> TestClient:
    """A browser, signed in as ``login`` with the password of everybody."""
    client = TestClient(city.app, headers={**HEADERS, **headers}, follow_redirects=False)
    client.cookies.set("cloudmgr_language", "en")
    if login is not None:
        answer = client.post("/sign-in", data={"login": login, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
    return client


@dataclass
class Form:
    """One form of a page, with the values that it would send as it stands."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._select = ""
        self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(Form(given.get("action", ""), given.get("method", "get")))
        if not self.found:
            return
        values, name = self.found[-1].values, given.get("name", "")
        if tag == "input" and name:
            box = given.get("type") in {"checkbox", "radio"}
            if not box or "checked" in given:
                values[name] = given.get("value", "")
        elif tag == "select":
            self._select = name
        elif tag == "textarea":
            self._area = name
            values[name] = ""
        elif (
            tag == "option" and self._select and (self._select not in values or "selected" in given)
        ):
            values[self._select] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            # As browsers do: a line's end right after the tag is none of the text.
            values = self.found[-1].values
            values[self._area] = values[self._area].removeprefix("\n")
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.found[-1].values[self._area] += data


def forms(page: Response) -> list[Form]:
    """The forms of a page."""
    parser = _Forms()
    parser.feed(page.text)
    return parser.found


def fill(page: Response, holding: str, **values: str) -> dict[str, str]:
    """What the form with the field ``holding`` sends once ``values`` are typed into it.

    Dots and brackets of a field's name are written as it has them, so give those as a mapping.
    """
    form = next(f for f in forms(page) if holding in f.values)
    return {**form.values, **values}
