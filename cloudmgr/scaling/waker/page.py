"""What a person sees while a system starts: a page that turns into the system by itself.

It is answered with 202 Accepted: the visit was taken up and is not done yet, which is the truth. A
browser shows it like any page, nothing keeps it (search engines and caches do with 200), and it is
no 5xx, with which monitoring would ring someone up for a system that does what it should.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from html import escape
from string import Template
from typing import TYPE_CHECKING

from starlette.responses import Response

from cloudmgr.scaling.gateway.routes import probe_path
from cloudmgr.scaling.waker.answers import STATE_HEADER
from cloudmgr.scaling.waker.sleepers import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmgr.scaling.waker.sleepers import Sleeper

# Set by the page's own script, so that its questions are told from visits.
WAITING_HEADER = "cloudmgr-waiting"
_REFRESH_SECONDS = 2


@dataclass(frozen=True, slots=True)
class _Words:
    lang: str
    title: str
    lead: str
    note: str


_STARTING = {
    "zh": _Words(
        "zh-CN",
        "正在启动",
        "系统空闲时会休眠，以节省资源。现在正在为您唤醒，通常只需几秒钟。",
        "启动后将自动进入，无需刷新页面。如果长时间没有进入，请稍后再试。",
    ),
    "en": _Words(
        "en",
        "Starting",
        "This system sleeps while nobody uses it, to save resources. It is being woken for you "
        "now, which usually takes a few seconds.",
        "The system opens here as soon as it is up: there is no need to reload. If it takes much "
        "longer, please try again later.",
    ),
}
_UNAVAILABLE = {
    "zh": _Words(
        "zh-CN",
        "暂时无法使用",
        "系统目前无法启动，运维人员可以在运行日志中查看原因。",
        "本页面会定期重试，系统恢复后将自动进入。",
    ),
    "en": _Words(
        "en",
        "Not available now",
        "The system cannot be started at the moment. Its operators can see why in its log.",
        "This page tries again from time to time, and opens the system once it is back.",
    ),
}

_STYLE = """
:root { color-scheme: light dark; --ink: #1b2733; --soft: #5b6b7a; --paper: #f4f6f8;
  --card: #fff; --line: #d9e0e6; --accent: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8edf2; --soft: #a3b1bf; --paper: #12181e;
  --card: #1b232b; --line: #2f3b46; --accent: #6db3f8; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px;
  background: var(--paper); color: var(--ink);
  font: 16px/1.7 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; }
main { width: 100%; max-width: 520px; padding: 40px; background: var(--card);
  border: 1px solid var(--line); border-radius: 8px; }
.name { margin: 0; color: var(--soft); }
h1 { margin: 4px 0 20px; font-size: 28px; line-height: 1.3; font-weight: 600; }
p { margin: 0 0 12px; }
.note { color: var(--soft); font-size: 14px; margin: 0; }
.bar { height: 4px; margin: 0 0 24px; overflow: hidden; background: var(--line);
  border-radius: 2px; }
.bar i { display: block; width: 30%; height: 100%; background: var(--accent);
  border-radius: 2px; animation: go 1.6s ease-in-out infinite alternate; }
.still .bar { display: none; }
@keyframes go { from { margin-left: 0; } to { margin-left: 70%; } }
@media (prefers-reduced-motion: reduce) { .bar i { animation: none; width: 100%; opacity: .5; } }
"""

# Asks the health path, which is not counted as a visit; where there is none to ask, this very page,
# in words that the waker knows from a visit. An answer without the waker's header is the system's.
# A system that fell asleep again is woken by a new visit.
_SCRIPT = """
(function () {
  var path = document.body.getAttribute("data-probe"), wait = 400, asleep = 0;
  function ask() {
    fetch(path || location.href, { method: path ? "GET" : "HEAD", cache: "no-store",
      redirect: "manual", headers: { "cloudmgr-waiting": "1" } }).then(function (answer) {
      var state = answer.headers.get("cloudmgr-state");
      asleep = state === "hibernated" ? asleep + 1 : 0;
      if (asleep < 5 && (state || answer.status >= 500)) { again(); }
      else { location.reload(); }
    }, again);
  }
  function again() { wait = Math.min(wait * 1.2, 3000); setTimeout(ask, wait); }
  setTimeout(ask, wait);
})();
"""

_PAGE = Template("""<!doctype html>
<html lang="$lang">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<link rel="icon" href="data:,">
<noscript><meta http-equiv="refresh" content="$refresh"></noscript>
<title>$name · $title</title>
<style>$style</style>
</head>
<body data-probe="$probe" class="$kind">
<main>
<p class="name">$name</p>
<h1>$title</h1>
<div class="bar" aria-hidden="true"><i></i></div>
<div role="status">
<p>$lead</p>
<p class="note">$note</p>
</div>
</main>
<script>$script</script>
</body>
</html>
""")


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


_HEADERS: Mapping[str, str] = {
    "cache-control": "no-store",
    "vary": "accept-language",
    "x-robots-tag": "noindex",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "content-security-policy": (
        f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'"
    ),
}


def waiting_page(sleeper: Sleeper, accept_language: str) -> Response:
    """The page while ``sleeper`` starts, or, with 503, while it does not come up."""
    failing = sleeper.state is State.UNAVAILABLE
    language = language_of(accept_language)
    words = (_UNAVAILABLE if failing else _STARTING)[language]
    waits = sleeper.waits if not failing else None
    lead = waits[0 if language == "zh" else 1] if waits else words.lead
    body = _PAGE.substitute(
        lang=words.lang,
        title=escape(words.title),
        lead=escape(lead),
        note=escape(words.note),
        name=escape(sleeper.name_zh if language == "zh" else sleeper.name_en),
        probe=escape(probe_path(sleeper.health_path) or ""),
        kind="still" if failing else "moving",
        refresh=30 if failing else _REFRESH_SECONDS,
        style=_STYLE,
        script=_SCRIPT,
    )
    state = State.UNAVAILABLE if failing else State.STARTING
    headers = {**_HEADERS, STATE_HEADER: state.value, "content-language": words.lang}
    headers["retry-after"] = "30" if failing else str(_REFRESH_SECONDS)
    return Response(body, 503 if failing else 202, headers, media_type="text/html")


def language_of(accept_language: str) -> str:
    """``zh`` or ``en``, whichever the client likes better; ``zh`` if it likes both or neither.

    ``Accept-Language`` is read as in RFC 9110, 12.5.4.
    """
    liking = {"zh": 0.0, "en": 0.0}
    for part in accept_language.split(",")[:50]:
        tag, _, parameters = part.strip().partition(";")
        quality = _quality(parameters)
        primary = tag.strip().lower().partition("-")[0]
        for language, known in liking.items():
            if primary == language:
                liking[language] = max(known, quality)
    return "en" if liking["en"] > liking["zh"] else "zh"


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0
