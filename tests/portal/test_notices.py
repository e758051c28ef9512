"""The pages of what people are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.notices.stories import EXAM, TAX, a_refusal
from tests.portal.browsing import browser, forms

if TYPE_CHECKING:
    from tests.api.city import City


def tell(city: City) -> None:
    with city.database.write() as tx:
        for notice in (a_refusal(EXAM, "req_2"), a_refusal(TAX, "req_3")):
            city.services.notices.put(tx, notice)


def test_the_bell_counts_what_is_unread_and_reading_it_empties_it(city: City) -> None:
    tell(city)
    officer = browser(city, "officer")
    home = officer.get("/").text
    assert 'aria-label="2 unread notices"' in home
    assert "What is new" in home
    assert EXAM.en in home
    page = officer.get("/notices")
    assert EXAM.en in page.text
    assert TAX.en not in page.text
    mark = next(form for form in forms(page) if form.action == "/notices/read")
    assert officer.post(mark.action).headers["Location"] == "/notices?said=notices-read"
    assert "Everything is marked as read" in officer.get("/notices?said=notices-read").text
    home = officer.get("/").text
    assert "unread notice" not in home
    assert "What is new" not in home
    assert 'aria-label="4 unread notices"' in browser(city, "operator").get("/").text


def test_many_are_counted_no_further_than_a_person_would(city: City) -> None:
    with city.database.write() as tx:
        for number in range(120):
            city.services.notices.put(tx, a_refusal(EXAM, f"req_{number}"))
    assert "99+" in browser(city, "officer").get("/").text


def test_filters_are_in_the_address_and_the_list_can_be_taken_along(city: City) -> None:
    tell(city)
    operator = browser(city, "operator")
    assert TAX.en in operator.get("/notices?kind=refused").text
    only = operator.get("/notices?department=dep_exam").text
    assert TAX.en not in only
    none = operator.get("/notices?kind=late").text
    assert "Request refused" not in none.partition("<tbody")[2]
    assert operator.get("/notices?kind=gossip").status_code == 200
    table = operator.get("/notices.csv?read=no")
    assert table.headers["Content-Type"].startswith("text/csv")
    assert EXAM.en in table.text
    assert "unread" in table.text
    operator.post("/notices/read")
    assert EXAM.en not in operator.get("/notices.csv?read=no").text


def test_who_was_told_nothing_reads_what_will_stand_there(city: City) -> None:
    officer = browser(city, "officer")
    officer.post("/notices/read")
    page = officer.get("/notices?read=no")
    assert page.status_code == 200
    finance = browser(city, "finance")
    assert "/notices" not in finance.get("/").text
    assert finance.get("/notices").status_code == 403


def test_one_chooses_what_one_is_mailed_and_an_administrator_where(city: City) -> None:
    officer, root = browser(city, "officer"), browser(city, "root")
    assert "You are mailed nothing" in officer.get("/notices").text
    address = f"/users/{city.ours['user_id']}"
    form = next(f for f in forms(root.get(address)) if "locale" in f.values)
    wanted = {**form.values, "roles": "department-officer", "email": "li@example.gov.cn"}
    assert root.post(address, data=wanted).status_code == 303
    assert "li@example.gov.cn" in officer.get("/notices").text
    wrong = root.post(address, data={**wanted, "email": "li"})
    assert wrong.status_code == 422
    done = officer.post("/notices/mail", data={"muted": ["booked", "gossip"]})
    assert done.headers["Location"] == "/notices?said=notices-mail"
    page = next(f for f in forms(officer.get("/notices")) if f.action == "/notices/mail")
    assert page.values["muted"] == "booked"


def test_the_page_speaks_chinese(city: City) -> None:
    tell(city)
    officer = browser(city, "officer")
    officer.cookies.set("cloudmgr_language", "zh-CN")
    page = officer.get("/notices").text
    assert "申请被拒绝" in page
    assert EXAM.zh in page
    assert "通知" in page
