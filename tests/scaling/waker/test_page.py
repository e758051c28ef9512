"""The waiting page in a real browser."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error, sync_playwright

from tests.conftest import absent
from tests.scaling.waker.dormitory import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.scaling.waker.conftest import Served


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
        except Error:
            absent("Chromium (chromium)")
            raise
        yield browser
        browser.close()


@pytest.mark.parametrize(
    ("script", "health_path", "probes"), [(True, "/healthz", 1), (True, "/", 0), (False, "/", 0)]
)
def test_it_turns_into_the_system_with_and_without_script(
    browser: Browser, served: Served, *, script: bool, health_path: str, probes: int
) -> None:
    served.sleepers.startup = None
    served.sleepers.probed_by(health_path)
    context = browser.new_context(locale="zh-CN", java_script_enabled=script)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    answer = page.goto(f"http://{HOST}:{served.port}/apply?form=1")
    assert answer is not None
    assert answer.status == 202
    assert page.get_by_role("heading").inner_text() == "正在启动"
    served.sleepers.start()
    page.wait_for_selector("text=/.name.: .exam./", timeout=15_000)
    assert page.url.endswith("/apply?form=1")
    assert len(served.sleepers.woken) == 1
    assert served.sleepers.replica.paths.count("/healthz") == probes
    assert complaints == []  # its own rules for content let its style and script be
    context.close()
