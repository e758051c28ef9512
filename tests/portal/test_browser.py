"""The pages in a real browser: nothing that hinders anybody, charts alive, no other host asked."""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import uvicorn

from tests.api.city import PASSWORD, City
from tests.api.test_promises import answering, asked
from tests.conftest import absent, free_port
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.xdist_group("browser")

OFFICERS = [
    "/",
    "/systems",
    "/systems/new",
    "/environments",
    "/environments/{environment_id}",
    "/environments/{environment_id}/scale",
    "/environments/{environment_id}/needs",
    "/environments/{environment_id}/test-wake",
    "/environments/{environment_id}/log",
    "/requests",
    "/requests/new",
    "/requests/peak?environment_id={environment_id}",
    "/requests/{request_id}",
    "/windows",
    "/windows/{window_id}/readiness",
    "/windows/at-risk",
    "/windows/calendar",
    "/series",
    "/series/ask",
    "/series/{series_id}",
    "/reports",
    "/usage",
    "/notices",
    "/me",
]
EVERYBODYS = [
    "/",
    "/pools",
    "/pools/{pool_id}/reconciliation",
    "/windows/book",
    "/windows/{window_id}/readiness",
    "/windows/at-risk",
    "/billing",
    "/billing/{month}",
    "/billing/2026-05/dividend",
    "/invoices/{invoice_id}",
    "/reports?by=pool",
    "/invoices/{invoice_id}/lines/1",
    "/audit",
    "/policy",
    "/users",
    "/users/new",
    "/users/{user_id}",
    "/departments/{department_id}",
    "/accounts/new",
    "/no-such-page",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium")
    if path is None:
        absent("Chromium (chromium)")
    with playwright.sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def served(city: City) -> Iterator[str]:
    """The address at which a browser finds a city's pages."""
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(city.app, host="127.0.0.1", port=port, log_level="error")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture(scope="module")
def address(seen_city: City) -> Iterator[str]:
    with served(seen_city) as found:
        yield found


def opened(chromium: Browser, address: str, login: str, **context: object) -> Page:
    """A page of somebody who is signed in."""
    page = chromium.new_context(base_url=address, **context).new_page()  # type: ignore[arg-type]
    page.goto("/sign-in")
    page.fill("[name=login]", login)
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_selector("nav.menu")
    return page


@pytest.mark.parametrize(
    ("login", "paths", "scheme", "width"),
    [("officer", OFFICERS, "light", 1280), ("everybody", EVERYBODYS, "dark", 390)],
)
def test_axe_finds_nothing_and_no_page_is_wider_than_its_window(  # noqa: PLR0917
    chromium: Browser,
    address: str,
    seen_city: City,
    login: str,
    paths: list[str],
    scheme: str,
    width: int,
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = opened(
        chromium,
        address,
        login,
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
        java_script_enabled=True,
    )
    hosts: set[str] = set()
    faults: list[str] = []
    page.on("request", lambda request: hosts.add(request.url.split("/", 3)[2]))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        lambda said: faults.append(said.text) if "Content Security" in said.text else None,
    )
    for path in paths:
        page.goto(path.format(**seen_city.ours))
        found = axe.run(page)
        assert found.violations_count == 0, f"{path}\n{found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert hosts == {address.removeprefix("http://")}
    assert faults == []
    page.context.close()


def test_axe_finds_nothing_where_a_peak_does_not_fit_and_where_one_is_at_risk(
    chromium: Browser, city: City
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    taken = answering(city, 8).client("operator").post("/api/v1/windows", json=asked(city.theirs))
    assert taken.status_code == 201
    with served(city) as address:
        page = opened(chromium, address, "operator", viewport={"width": 390, "height": 900})

        def unhindered() -> None:
            found = axe.run(page)
            assert found.violations_count == 0, found.generate_report()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390

        page.goto("/windows/book")
        page.select_option("[name=environment_id]", city.ours["environment_id"])
        page.fill("[name=component]", "web")
        page.fill("[name=starts_at]", "2026-07-01T08:00")
        page.fill("[name=ends_at]", "2026-07-01T12:00")
        page.fill("[name=replicas]", "3")
        page.fill("[name=reason]", "市政府要求")
        page.click("button[value=check]")
        page.locator("main table").wait_for()
        unhindered()
        page.check("[name=force]")
        page.click("button[value=book]")
        page.wait_for_url("**/windows?said=window-booked")
        unhindered()
        page.goto("/windows/at-risk")
        assert page.locator("main table tbody tr").count() >= 1
        unhindered()
        page.context.close()


def test_what_brings_charts_to_life_is_loaded_once_however_slowly_it_comes(
    chromium: Browser, address: str, seen_city: City
) -> None:
    page = opened(chromium, address, "officer", java_script_enabled=True)
    held: list[Route] = []
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.route("**/charts.js", lambda route: held.append(route))  # noqa: PLW0108 - a builtin will not do
    page.clock.install()
    path = "/environments/{environment_id}".format(**seen_city.ours)
    page.goto(path, wait_until="domcontentloaded")
    for _ in range(2):
        with page.expect_response(page.url):
            page.clock.run_for(5000)
    page.locator("figure[data-seen]").wait_for()
    assert len(held) == 1
    held[0].continue_()
    page.locator("figure[data-alive]").wait_for()
    assert faults == []
    page.context.close()


def test_without_script_a_page_shows_its_chart_and_its_table(
    chromium: Browser, address: str, seen_city: City
) -> None:
    page = opened(chromium, address, "officer", java_script_enabled=False, locale="zh-CN")
    page.goto(f"/environments/{seen_city.ours['environment_id']}")
    assert page.locator("figure svg").count() == 1
    page.click("figure summary")
    assert page.locator("figure table tbody tr").count() >= 1
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    page.context.close()


def test_with_script_a_chart_comes_alive_and_the_page_stays_fresh(
    chromium: Browser, address: str, seen_city: City
) -> None:
    page = opened(chromium, address, "officer", locale="zh-CN")
    page.goto(f"/environments/{seen_city.ours['environment_id']}")
    page.wait_for_selector("figure[data-alive]", timeout=30_000)
    assert page.locator("figure svg").count() == 1
    with page.expect_response(lambda r: r.url.endswith(seen_city.ours["environment_id"])) as fresh:
        pass
    assert fresh.value.ok
    page.context.close()


def test_by_keyboard_alone_one_skips_the_menu_and_sees_where_one_is(
    chromium: Browser, address: str
) -> None:
    page = opened(chromium, address, "officer")
    page.goto("/systems")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("!!document.activeElement.closest('main')")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.context.close()
