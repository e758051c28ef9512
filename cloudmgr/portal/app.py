"""The portal's routers, its files, and its pages for problems: what ``create_app`` is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from cloudmgr.portal.pages import ALL
from cloudmgr.portal.sessions import SESSION_COOKIE
from cloudmgr.portal.view import View, redirect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import APIRouter
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from cloudmgr.api.problems import Problem

STATIC = Path(__file__).with_name("static")


def portal_routers() -> tuple[APIRouter, ...]:
    """Every page. They are no part of the API's document."""
    return ALL


def portal_mounts() -> dict[str, ASGIApp]:
    """What is open to everybody: the stylesheet and the script."""
    return {"/static": StaticFiles(directory=STATIC)}


def problem_page(request: Request, found: Problem, headers: Mapping[str, str]) -> Response | None:
    """A problem as a page where a browser asks for one; None where a program asks.

    Who is not signed in is led to the door, and back afterwards.
    """
    if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        return None
    if found.status == 401:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if request.method != "GET":
            wanted = "/"
        answer = redirect("/sign-in" if wanted == "/" else f"/sign-in?next={quote(wanted)}")
        if SESSION_COOKIE in request.cookies:
            answer.delete_cookie(SESSION_COOKIE, path="/")
        return answer
    view = View(request, getattr(request.state, "caller", None))
    kept = {name: value for name, value in headers.items() if name.lower() != "www-authenticate"}
    return view.page("problem.html", found.status, kept, problem=found)
