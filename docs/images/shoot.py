"""Takes the pictures of the README from a running `make demo`, with Debian's Chromium.

    .venv/bin/python docs/images/shoot.py http://127.0.0.1:PORT PASSWORD

The address and the password are those that the demo prints. Best after the second peak.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HERE = Path(__file__).parent
LANGUAGES = {"en": "en", "zh": "zh-CN"}
OFFICER, OPERATOR, FINANCE = "edu-li", "operator-lin", "finance-he"


def signed_in(browser: Browser, address: str, login: str, password: str, language: str) -> Page:
    """A page of ``login`` in ``language``."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, locale=LANGUAGES[language], device_scale_factor=1
    )
    choice = {"name": "cloudmgr_language", "value": LANGUAGES[language], "url": address}
    context.add_cookies([choice])
    page = context.new_page()
    page.goto(f"{address}/sign-in")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", password)
    page.click("form[action='/sign-in'] button")
    page.wait_for_load_state("networkidle")
    return page


def main(address: str, password: str) -> None:
    """Write one PNG for each picture and language."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        for language in LANGUAGES:
            suffix = "" if language == "en" else f".{language}"
            officer = signed_in(browser, address, OFFICER, password, language)
            officer.screenshot(path=HERE / f"officer{suffix}.png")
            officer.goto(f"{address}/environments")
            officer.click("table tbody a >> nth=0")
            officer.wait_for_load_state("networkidle")
            # Down to what was approved: the command would show a path of this machine.
            officer.set_viewport_size({"width": 1280, "height": 1290})
            officer.screenshot(path=HERE / f"environment{suffix}.png")
            operator = signed_in(browser, address, OPERATOR, password, language)
            operator.screenshot(path=HERE / f"operator{suffix}.png", full_page=True)
            finance = signed_in(browser, address, FINANCE, password, language)
            finance.screenshot(path=HERE / f"finance{suffix}.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:3])
