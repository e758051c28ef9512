"""Forms as people fill them in: what is wrong stands beside the field, and once is once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from cloudmgr.api.gate import SESSION_COOKIE
from cloudmgr.errors import Temporary
from cloudmgr.hosting.requests import RequestState
from tests.api.city import PASSWORD, City
from tests.api.test_promises import answering
from tests.fakes import InstantPool
from tests.portal.browsing import browser, fill, forms

if TYPE_CHECKING:
    from httpx import Response
    from starlette.testclient import TestClient

SYSTEM = {
    "department_id": "dep_exam",
    "name_zh": "准考证打印",
    "name_en": "Admission tickets",
    "code": "tickets",
    "zone": "extranet",
    "protection_level": "2",
    "criticality": "2",
    "purpose": "考前打印准考证",
}


def follow(client: TestClient, answer: Response) -> Response:
    assert answer.status_code == 303, answer.text[:3000]
    found: Response = client.get(answer.headers["Location"])
    assert found.status_code == 200, found.text[:3000]
    return found


# ----------------------------------------------------------------------------- in and out


def test_signing_in_leads_where_one_was_going_and_signing_out_ends_the_session(city: City) -> None:
    client = browser(city)
    door = client.get("/environments?sort=state")
    assert door.headers["Location"] == "/sign-in?next=/environments%3Fsort%3Dstate"
    page = client.get(door.headers["Location"])
    answer = client.post("/sign-in", data=fill(page, "login", login="officer", password=PASSWORD))
    assert answer.headers["Location"] == "/environments?sort=state"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    kept = client.cookies[SESSION_COOKIE]
    follow(client, answer)
    assert "You are signed out." in follow(client, client.post("/sign-out")).text
    client.cookies.set(SESSION_COOKIE, kept)
    assert client.get("/").headers["Location"] == "/sign-in"


@pytest.mark.parametrize("outside", ["//evil.example", "https://evil.example", "/\\evil", "x", ""])
def test_nobody_is_led_to_another_site(seen_city: City, outside: str) -> None:
    answer = browser(seen_city).post(
        "/sign-in", data={"login": "officer", "password": PASSWORD, "next": outside}
    )
    assert answer.headers["Location"] == "/"


def test_a_wrong_password_keeps_the_login_and_tells_nothing(seen_city: City) -> None:
    for login in ("officer", "nobody"):
        answer = browser(seen_city).post("/sign-in", data={"login": login, "password": "no"})
        assert answer.status_code == 422
        assert "Login or password is wrong." in answer.text
        assert f'value="{login}"' in answer.text
        assert SESSION_COOKIE not in answer.headers.get("Set-Cookie", "")


def test_cookies_are_for_encrypted_connections_where_the_setting_says_so(city: City) -> None:
    city.app.state.secure_cookies = True
    answer = browser(city).post("/sign-in", data={"login": "officer", "password": PASSWORD})
    assert "Secure" in answer.headers["Set-Cookie"]


# ------------------------------------------------------------------------------- a form


def test_what_is_wrong_stands_beside_its_field_and_on_top_and_what_was_typed_is_kept(
    seen_city: City,
) -> None:
    client = browser(seen_city, "officer")
    answer = client.post("/systems/new", data={**SYSTEM, "code": "Tickets!", "name_en": " "})
    assert answer.status_code == 422
    assert 'href="#f-code"' in answer.text
    assert 'id="f-code-fault"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert 'value="Tickets!"' in answer.text
    assert 'value="准考证打印"' in answer.text
    assert answer.text.count('class="fault"') == 2


def test_a_double_click_registers_one_system(seen_city: City) -> None:
    client = browser(seen_city, "officer")
    data = {**fill(client.get("/systems/new"), "code"), **SYSTEM}
    first = client.post("/systems/new", data=data)
    again = client.post("/systems/new", data=data)
    assert first.headers["Location"] == again.headers["Location"]
    page = follow(client, first)
    assert "Admission tickets" in page.text
    assert "The system is registered." in page.text
    data["idempotency_key"] = "another"
    taken = client.post("/systems/new", data=data)
    assert taken.status_code == 409
    assert "There is a system tickets already." in taken.text


def test_the_list_is_filtered_sorted_and_exported_by_its_address(seen_city: City) -> None:
    client = browser(seen_city, "officer")
    for code in ("aa", "zz"):
        client.post("/systems/new", data={**SYSTEM, "code": code, "name_en": f"=1+{code}"})
    text = client.get("/systems?q=1%2B&sort=-code").text
    assert text.index("=1+zz") < text.index("=1+aa")
    table = client.get("/systems.csv?q=1%2B&sort=-code")
    assert table.headers["Content-Type"].startswith("text/csv")
    lines = table.text.splitlines()
    assert len(lines) == 3
    # A spreadsheet must not take a name for a formula.
    assert lines[1].startswith("'=1+zz,zz,")
    assert "Nothing fits this filter" in client.get("/systems?q=zzzzzz").text


# ------------------------------------------------------------------------------- asking


def ask_for(client: TestClient, city: City, **changes: str) -> Response:
    page = client.get(f"/requests/new?system_id={city.ours['system_id']}")
    data = fill(
        page,
        "environment.name",
        **{
            "environment.name": "second",
            "environment.purpose": "test",
            "environment.components[0].command": "python -m 'http.server' 8000",
            "environment.components[0].max_replicas": "1",
            "reason": "试用",
            **changes,
        },
    )
    answer: Response = client.post("/requests/new", data={**data, "step": "check"})
    return answer


def test_a_request_is_shown_with_its_cost_before_it_is_submitted(seen_city: City) -> None:
    client = browser(seen_city, "officer")
    seen = ask_for(client, seen_city)
    assert seen.status_code == 200, seen.text[:3000]
    assert "Cost a month (CNY)" in seen.text
    assert "CN¥" in seen.text
    assert "Nothing is submitted yet" in seen.text
    with seen_city.database.read() as tx:
        before = len(seen_city.services.requests.list(tx))
    data = fill(seen, "environment.name", step="submit")
    first = client.post("/requests/new", data=data)
    again = client.post("/requests/new", data=data)
    assert first.headers["Location"] == again.headers["Location"]
    assert "The request is submitted." in follow(client, first).text
    with seen_city.database.read() as tx:
        found = seen_city.services.requests.list(tx)
    assert len(found) == before + 1
    asked = next(r for r in found if r.reason == "试用")
    assert asked.ask is not None
    (component,) = asked.ask.components
    assert component.command == ("python", "-m", "http.server", "8000")
    assert component.cpu_millis == 250


def test_going_back_to_the_form_keeps_what_was_typed(seen_city: City) -> None:
    client = browser(seen_city, "officer")
    seen = ask_for(client, seen_city)
    back = client.post("/requests/new", data=fill(seen, "environment.name", step="edit"))
    assert 'value="second"' in back.text
    assert "试用" in back.text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("environment.components[0].cpu_millis", "0.001", "0.001 is outside 0.01 to 256"),
        ("environment.components[0].cpu_millis", "much", "must be a valid number"),
        ("environment.components[0].max_replicas", "0", "0 is outside 1 to 1,000"),
        ("environment.components[0].command", "python 'half", "quotation mark"),
        ("environment.components[0].command", "", "either a command or an image"),
        ("environment.components[0].port", "99999", "less than or equal to 65535"),
        ("environment.name", "Prod", "small letters"),
        ("environment.components[1].name", "worker", "required"),
    ],
)
def test_each_fault_of_a_request_is_told_in_words(
    seen_city: City, field: str, value: str, said: str
) -> None:
    answer = ask_for(browser(seen_city, "officer"), seen_city, **{field: value})
    assert answer.status_code == 422
    assert said in answer.text.casefold()


def test_a_peak_is_announced_in_the_citys_time(city: City) -> None:
    client = browser(answering(city, 8), "officer")
    environment_id = city.ours["environment_id"]
    page = client.get("/requests/peak")
    if page.status_code == 303:
        page = client.get(page.headers["Location"])
    start = city.clock.now().year + 1
    data = fill(
        page,
        "windows[0].starts_at",
        **{
            "environment_id": environment_id,
            "windows[0].starts_at": f"{start}-06-30T16:00",
            "windows[0].ends_at": f"{start}-06-30T15:00",
            "windows[0].replicas": "1",
            "step": "check",
        },
    )
    wrong = client.post("/requests/peak", data=data)
    assert wrong.status_code == 422
    assert "The window ends before it starts." in wrong.text
    data["windows[0].ends_at"] = f"{start}-06-30T19:00"
    seen = client.post("/requests/peak", data=data)
    assert seen.status_code == 200
    assert f"{start}-06-30 16:00" in seen.text
    # While its pool does not answer the form stays as it was filled in.
    pool = city.services.drivers["pool_exam"]
    assert isinstance(pool, InstantPool)
    pool.failing = Temporary("the cluster does not answer")
    waiting = client.post("/requests/peak", data=data)
    assert waiting.status_code == 503
    assert "does not answer now" in waiting.text
    assert f'value="{start}-06-30T16:00"' in waiting.text


def test_a_resize_keeps_what_its_form_does_not_show(seen_city: City) -> None:
    client = browser(seen_city, "officer")
    environment_id = seen_city.ours["environment_id"]
    page = client.get(f"/requests/resize?environment_id={environment_id}")
    data = fill(page, "environment.components[0].memory_mib", step="submit", reason="更多内存")
    data["environment.components[0].memory_mib"] = "512"
    answer = client.post("/requests/resize", data=data)
    assert answer.status_code == 303, answer.text[:3000]
    with seen_city.database.read() as tx:
        (asked,) = [r for r in seen_city.services.requests.list(tx) if r.reason == "更多内存"]
        had = seen_city.services.environments.get(tx, environment_id).components[0]
    assert asked.ask is not None
    assert asked.ask.components[0].variables == had.variables
    assert asked.ask.components[0].startup_seconds == had.startup_seconds
    assert asked.ask.components[0].memory_mib == 512


def test_who_asks_does_not_sign_and_who_signs_gives_the_version_seen(city: City) -> None:
    officer, approver = browser(city, "officer"), browser(city, "operator")
    address = f"/requests/{city.ours['request_id']}"
    own = officer.get(address)
    assert "another person does" in own.text
    assert "Sign it" not in own.text
    page = approver.get(address)
    assert "You sign as Operator." in page.text
    assert "Yours is the last signature" in page.text
    stale = approver.post(f"{address}/approve", data=fill(page, "role", version="99"))
    assert stale.status_code == 412
    assert "It was changed meanwhile" in stale.text
    silent = approver.post(f"{address}/reject", data=fill(page, "role"))
    assert silent.status_code == 422
    assert "A rejection needs a reason." in silent.text
    done = approver.post(f"{address}/reject", data=fill(page, "role", reason="请先测试"))
    assert "请先测试" in follow(approver, done).text
    with city.database.read() as tx:
        found = city.services.requests.get(tx, address.rpartition("/")[2])
    assert found.state is RequestState.REJECTED
    late = approver.post(f"{address}/approve", data=fill(page, "role", version=str(found.version)))
    assert late.status_code == 409


# ------------------------------------------------------------------------------- orders


def test_an_order_shows_its_consequences_asks_why_and_is_kept(city: City) -> None:
    client = browser(city, "officer")
    address = f"/environments/{city.ours['environment_id']}"
    page = client.get(f"{address}/hibernate")
    assert "What this does" in page.text
    without = client.post(f"{address}/hibernate", data=fill(page, "reason"))
    assert without.status_code == 422
    assert 'id="f-reason-fault"' in without.text
    typed = fill(page, "reason", reason="停用", force="yes")
    done = client.post(f"{address}/hibernate", data=typed)
    after = follow(client, done)
    assert "goes to sleep" in after.text
    woken = client.post(
        f"{address}/wake", data=fill(client.get(f"{address}/wake"), "reason", reason="演示")
    )
    assert woken.status_code == 303


def test_more_replicas_than_approved_are_refused_beside_the_field(seen_city: City) -> None:
    client = browser(seen_city, "officer")
    address = f"/environments/{seen_city.ours['environment_id']}/scale"
    page = client.get(address)
    answer = client.post(address, data=fill(page, "replicas", replicas="999", reason="多"))
    assert answer.status_code == 422
    assert 'id="f-replicas-fault"' in answer.text
    assert "the approved ceiling" in answer.text


# ------------------------------------------------------------------------------- people


def test_a_token_is_shown_once_and_revoked(seen_city: City) -> None:
    client = browser(seen_city, "officer")
    none = client.post("/me/tokens", data={"name": "夜间报表", "days": "90"})
    assert none.status_code == 422
    made = client.post("/me/tokens", data={"name": "夜间报表", "days": "90", "scopes": ["read"]})
    assert made.status_code == 200
    assert "cmt_" in made.text
    assert made.headers["Cache-Control"] == "no-store"
    listed = client.get("/me")
    assert "夜间报表" in listed.text
    assert "cmt_" not in listed.text
    with seen_city.database.read() as tx:
        tokens = seen_city.services.tokens.list(tx, user_id="usr_officer")
    (token,) = [t for t in tokens if t.name == "夜间报表"]
    address = f"/me/tokens/{token.id}/revoke"
    assert address in {f.action for f in forms(made)}
    assert "worth nothing" in follow(client, client.post(address)).text


def test_a_new_password_ends_the_session_and_opens_the_next(city: City) -> None:
    client = browser(city, "officer")
    typed = {"current": PASSWORD, "new": "another long sentence", "again": "another long sentenc"}
    assert "differ" in client.post("/me/password", data=typed).text
    typed["again"] = typed["new"]
    assert client.post("/me/password", data={**typed, "current": "wrong"}).status_code == 422
    door = follow(client, client.post("/me/password", data=typed))
    assert "Sign in with the new one." in door.text
    assert client.get("/").status_code == 303


def test_an_administrator_makes_a_department_and_its_officer(city: City) -> None:
    client = browser(city, "root")
    account = {"name_zh": "档案馆财务", "name_en": "Archives finance", "currency": "CNY"}
    follow(client, client.post("/accounts/new", data=account))
    page = client.get("/departments/new")
    data = fill(page, "code", code="archives", name_zh="档案馆", name_en="Archives")
    department = follow(client, client.post("/departments/new", data=data))
    assert "Archives" in department.text
    person = {
        "login": "officer",
        "name": "钱档",
        "locale": "zh-CN",
        "department_id": "",
        "roles": ["department-officer"],
        "password": "short",
    }
    short = client.post("/users/new", data=person)
    assert short.status_code == 422
    assert "short" not in short.text.replace("A short", "")
    person["password"] = "long enough for all"
    nowhere = client.post("/users/new", data=person)
    assert "belongs to a department" in nowhere.text
    person |= {"department_id": "dep_exam"}
    assert "There is a user officer already." in client.post("/users/new", data=person).text
    person["login"] = "qian.dang"
    made = follow(client, client.post("/users/new", data=person))
    assert "钱档" in made.text
    form = fill(made, "active", name="钱档案", password="")
    changed = client.post(made.url.path, data={**form, "roles": ["department-officer"]})
    assert "钱档案" in follow(client, changed).text


# -------------------------------------------------------------------------------- money


def test_a_month_that_is_not_over_cannot_be_closed_and_says_why(seen_city: City) -> None:
    client = browser(seen_city, "finance")
    month = f"{seen_city.clock.now():%Y-%m}"
    page = client.get(f"/billing/{month}/close")
    assert "It cannot be undone, by anybody." in page.text
    assert "is not over yet" in page.text
    answer = client.post(f"/billing/{month}/close", data={})
    assert answer.status_code == 409
    assert client.get("/billing/2026-13").status_code == 422


def test_every_line_of_an_invoice_opens_to_what_was_observed(seen_city: City) -> None:
    client = browser(seen_city, "finance")
    invoice = client.get(f"/invoices/{seen_city.ours['invoice_id']}")
    assert "Rounding" in invoice.text
    line = client.get(f"/invoices/{seen_city.ours['invoice_id']}/lines/1")
    assert "How the amount comes about" in line.text
    assert "What was observed" in line.text
    assert re.search(r"<code>[a-z0-9_/-]+</code>", line.text)
