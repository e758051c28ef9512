from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.api.pages import Page, Paging
from cloudmgr.errors import Invalid
from tests.builders import a_user

if TYPE_CHECKING:
    from tests.api.city import City


def numbers(rows: list[int], paging: Paging) -> Page[int]:
    after = paging.after_number("numbers")
    wanted = [row for row in rows if after is None or row > after][: paging.fetch]
    return paging.page("numbers", wanted, lambda n: n, lambda n: n)


@given(st.sets(st.integers(0, 2**40), max_size=60), st.integers(1, 20))
def test_the_pages_of_a_list_are_the_list(rows: set[int], limit: int) -> None:
    found: list[int] = []
    cursor = None
    while True:
        page = numbers(sorted(rows), Paging(limit, cursor))
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == sorted(rows)


made_up = st.text(max_size=60) | st.binary(max_size=60).map(
    lambda raw: base64.urlsafe_b64encode(raw).decode()
)


@given(made_up)
def test_a_made_up_cursor_is_refused_or_means_something(cursor: str) -> None:
    for read in (Paging(5, cursor).after, Paging(5, cursor).after_number):
        with contextlib.suppress(Invalid):
            read("numbers")


@pytest.mark.parametrize(
    "content",
    [
        '["numbers",true]',
        '["numbers",-1]',
        '["numbers",1.5]',
        '["numbers",null]',
        '["numbers","1"]',
        '["numbers",99999999999999999999]',
        '["others",1]',
        '["numbers"]',
        "[" * 5000,
        '{"numbers":1}',
    ],
)
def test_a_cursor_of_another_shape_is_refused(content: str) -> None:
    cursor = base64.urlsafe_b64encode(content.encode()).decode()
    with pytest.raises(Invalid):
        Paging(5, cursor).after_number("numbers")


@pytest.mark.parametrize("content", ['["words","a\\u0000b"]', '["words","\\ud800"]', '["words",3]'])
def test_a_cursor_cannot_smuggle_in_what_no_database_takes(content: str) -> None:
    with pytest.raises(Invalid):
        Paging(5, base64.urlsafe_b64encode(content.encode()).decode()).after("words")


def test_a_list_is_walked_to_its_end_while_it_grows(stored_city: City) -> None:
    client, city = stored_city.client("auditor"), stored_city
    first = client.get("/api/v1/users", params={"limit": 3}).json()
    with city.database.write() as tx:
        city.services.users.create(tx, a_user(id="usr_0", login="0-first"))
        city.services.users.create(tx, a_user(id="usr_z", login="zzz-last"))
    logins, cursor = [u["login"] for u in first["items"]], first["next_cursor"]
    while cursor is not None:
        page = client.get("/api/v1/users", params={"limit": 3, "cursor": cursor}).json()
        logins += [user["login"] for user in page["items"]]
        cursor = page["next_cursor"]
    # What came before the place where we were is not shown again, what came after it is.
    assert logins == sorted(set(logins))
    assert "zzz-last" in logins
    assert "0-first" not in logins


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "cursor=AAAA", "cursor=" + "A" * 501]
)
def test_a_page_that_cannot_be_is_refused(seen_city: City, query: str) -> None:
    answer = seen_city.client("auditor").get(f"/api/v1/users?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] in {"limit", "cursor"}


def test_a_cursor_of_another_list_is_refused(seen_city: City) -> None:
    client = seen_city.client("auditor")
    cursor = client.get("/api/v1/users?limit=1").json()["next_cursor"]
    answer = client.get("/api/v1/departments", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-cursor")
