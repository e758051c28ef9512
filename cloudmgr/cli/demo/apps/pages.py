"""The pages of an application: plain HTML that needs no script and loads nothing."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from cloudmgr.cli.demo.apps.catalogue import Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmgr.cli.demo.apps.catalogue import Field, Service

_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--quiet:#57606a;--line:#d0d7de;--accent:#0b5cad;
 --bad:#b42318}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--quiet:#9da7b1;--line:#3d444d;
 --accent:#6cb6ff;--bad:#ff8a80}}
body{font:16px/1.6 system-ui,"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif;
 color:var(--ink);max-width:42rem;margin:0 auto;padding:0 16px 48px}
header{border-bottom:1px solid var(--line);padding:16px 0;display:flex;gap:16px;
 justify-content:space-between}
h1{font-size:1.6rem;margin:32px 0 4px}p.lead,small{color:var(--quiet)}a{color:var(--accent)}
label{display:block;margin:20px 0 4px;font-weight:600}
input,select,button{font:inherit;padding:8px 12px;border:1px solid var(--line);border-radius:4px;
 background:transparent;color:inherit;width:100%;box-sizing:border-box}
button{background:var(--accent);color:Canvas;border:0;font-weight:600;margin-top:24px;cursor:pointer}
.bad{color:var(--bad)}dt{color:var(--quiet);margin-top:12px}dd{margin:0;font-size:1.1rem}
section{margin-top:48px;border-top:1px solid var(--line);padding-top:8px}
""".replace("\n", "")

_LOOK_UP = Words("查询已提交的记录", "Look up what you filed")
_REFERENCE = Words("受理编号", "Reference")
_FILED_AT = Words("提交时间", "Filed at")


def form(
    service: Service,
    english: bool,
    *,
    count: int,
    answers: Mapping[str, str] | None = None,
    problems: Mapping[str, Words] | None = None,
) -> str:
    """The first page: what it is for, the form, and where to look a filing up.

    :param problems: by field name; "" speaks of the whole filing.
    """
    answers, problems = answers or {}, problems or {}
    parts = [f'<p class="lead">{escape(service.lead.say(english))}</p>']
    if problems:
        items = "".join(
            f'<li><a href="#{name or "form"}">{_label(service, name, english)}'
            f"{escape(what.say(english))}</a></li>"
            for name, what in problems.items()
        )
        title = Words("请更正以下内容", "Please mend this").say(english)
        parts.append(
            f'<div role="alert" class="bad"><strong>{title}</strong><ul>{items}</ul></div>'
        )
    fields = "".join(
        _field(field, english, answers.get(field.name, ""), problems.get(field.name))
        for field in service.fields
    )
    parts.append(
        f'<form id="form" method="post" action="/">{fields}'
        f"<button>{escape(service.verb.say(english))}</button></form>"
    )
    parts.append(
        f"<section><h2>{_LOOK_UP.say(english)}</h2>"
        f'<form method="get" action="/records">'
        f'<label for="reference">{_REFERENCE.say(english)}</label>'
        f'<input id="reference" name="reference" required placeholder="{service.prefix}00000001">'
        f"<button>{Words('查询', 'Look up').say(english)}</button></form></section>"
    )
    filed = Words(f"已受理 {count:,} 件", f"{count:,} filed so far").say(english)
    parts.append(f"<p><small>{filed}</small></p>")
    return _page(service, english, service.name.say(english), "".join(parts))


def record(service: Service, english: bool, found: Mapping[str, str]) -> str:
    """One filing, as its owner sees it."""
    rows = [
        (_REFERENCE.say(english), found["reference"]),
        (_FILED_AT.say(english), found["filed_at"]),
    ]
    for field in service.fields:
        answer = found.get(field.name, "")
        shown = dict(field.choices).get(answer)
        rows.append((field.label.say(english), shown.say(english) if shown else answer))
    listed = "".join(f"<dt>{escape(term)}</dt><dd>{escape(value)}</dd>" for term, value in rows)
    title = Words("已受理", "Received").say(english)
    back = Words("返回", "Back").say(english)
    return _page(service, english, title, f'<dl>{listed}</dl><p><a href="/">{back}</a></p>')


def notice(service: Service, english: bool, title: Words, text: Words) -> str:
    """A page that says one thing."""
    back = Words("返回首页", "To the first page").say(english)
    body = f'<p>{escape(text.say(english))}</p><p><a href="/">{back}</a></p>'
    return _page(service, english, title.say(english), body)


def _field(field: Field, english: bool, answer: str, problem: Words | None) -> str:
    name = field.name
    note = described = ""
    if problem:
        note = f'<small class="bad" id="{name}-problem">{escape(problem.say(english))}</small>'
        described = f' aria-describedby="{name}-problem" aria-invalid="true"'
    if field.choices:
        options = "".join(
            f'<option value="{value}"{" selected" if value == answer else ""}>'
            f"{escape(words.say(english))}</option>"
            for value, words in field.choices
        )
        control = f'<select id="{name}" name="{name}"{described}>{options}</select>'
    else:
        control = (
            f'<input id="{name}" name="{name}" value="{escape(answer)}" '
            f'placeholder="{escape(field.example)}"{described}>'
        )
    hint = f"<small>{escape(field.hint.say(english))}</small>" if field.hint.zh else ""
    return f'<label for="{name}">{escape(field.label.say(english))}</label>{hint}{control}{note}'


def _label(service: Service, name: str, english: bool) -> str:
    found = next((f.label.say(english) for f in service.fields if f.name == name), "")
    return f"{escape(found)}: " if found else ""


def _page(service: Service, english: bool, title: str, body: str) -> str:
    language, other = ("en", "zh") if english else ("zh-CN", "en")
    switch = "中文" if english else "English"
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} · {escape(service.authority.say(english))}</title>"
        f"<style>{_STYLE}</style></head><body>"
        f"<header><strong>{escape(service.authority.say(english))}</strong>"
        f'<a href="/?lang={other}">{switch}</a></header>'
        f"<main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
