"""No page keeps anybody out: axe-core finds nothing serious, in light or dark."""

import re
from collections.abc import Callable, Mapping
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.test_keyboard import STILL

GRAVE = ("serious", "critical")
PAGES = (
    "/",
    "/imports",
    "/imports?run=1",
    "/rates",
    "/clinics",
    "/clinics?clinic=Clinic+3",
    "/validation",
    "/quality",
    "/system",
)


# The ground that a scheme's page stands on (.streamlit/config.toml).
GROUNDS: Mapping[Literal["light", "dark"], str] = {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 28)"}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_serious_fault(open_page: Callable[..., Page], path: str) -> None:
    """Contrast, names, order of headings, keyboard: by the rules of axe-core."""
    page = open_page(path)
    expect(page.get_by_text(re.compile("Data as of")).first).to_be_visible()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    page.add_style_tag(content=STILL)
    for scheme, ground in GROUNDS.items():
        page.emulate_media(color_scheme=scheme)
        expect(page.get_by_test_id("stApp")).to_have_css("background-color", ground)
        found = Axe().run(page).response["violations"]
        grave = {fault["id"]: fault["nodes"][0]["html"] for fault in found if fault["impact"] in GRAVE}
        assert (scheme, grave) == (scheme, {})
