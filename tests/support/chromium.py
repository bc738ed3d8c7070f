"""The machine's own Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

VARIABLE = "CHROMIUM"
"""Names the browser's program where it is not on the path under one of these names."""
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
)


def find_chromium() -> str:
    """The path of a Chromium; where there is none the test fails, for skipping it would prove nothing."""
    given = os.environ.get(VARIABLE)
    found = shutil.which(given) if given else next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.fail(
            f"No Chromium was found: install the package chromium, or let {VARIABLE} name one.", pytrace=False
        )
    return found


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Yield the browser; each test opens contexts of its own in it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()
