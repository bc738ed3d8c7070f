"""Every page by keyboard alone: what Tab reaches, in which order, and whether one sees where one is."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_dashboard import PAGES, settle

Open = Callable[..., Page]
MOST_STOPS = 150
# Colours that fade in would be the same just after as just before.
STILL = "* { transition: none !important; }"
# Marks what has the focus as reached; says where it stands, and which one before looked as without it.
# A table draws its own focus, the page itself only scrolls, and on a link to this page Streamlit shows none.
AT_FOCUS = """() => {
    const look = element => {
        const parts = [element, element.nextElementSibling];  // a drawn button stands beside its hidden field
        for (let at = element, level = 0; at && level < 4; at = at.parentElement, level += 1) parts.push(at);
        return parts.filter(Boolean).map(part => {
            const { outline, boxShadow, borderColor, backgroundColor } = getComputedStyle(part);
            return [outline, boxShadow, borderColor, backgroundColor].join();
        }).join();
    };
    const draws = element => !["MAIN", "CANVAS"].includes(element.tagName)
        && !(element.dataset.testid === "stPageLink-NavLink"
            && new URL(element.href).pathname === location.pathname);
    const named = element => element.getAttribute("aria-label") || element.innerText || element.outerHTML;
    const before = window.before;
    const unseen = before && draws(before.element) && look(before.element) === before.look;
    const element = document.activeElement;
    window.before = { element, look: look(element) };
    element.dataset.reached = "yes";
    const areas = ["stSidebar", "stHeader", "stMain"];
    return {
        ended: element === document.body,
        area: areas.findIndex(area => element.closest(`[data-testid=${area}]`)),
        unseen: unseen ? named(before.element) : "",
    };
}"""
# Of radio buttons the chosen one is a stop; a list's arrow and a number's steps are the keys Up and Down.
LEFT_OUT = """() => [...document.querySelectorAll("a[href], button, input, textarea, [role=button]")]
    .filter(one => !one.disabled && one.checkVisibility({ visibilityProperty: true }))
    .filter(one => !one.dataset.reached && (one.type !== "radio" || one.checked))
    .filter(one => !one.closest("[data-testid=stSelectbox], [data-testid=stMultiSelect],"
        + "[data-testid=stNumberInput]")?.querySelector("[data-reached]"))
    .map(one => one.getAttribute("aria-label") || one.innerText || one.outerHTML)"""


def walk(page: Page) -> list[dict[str, Any]]:
    """Press Tab from the page's beginning to its end; answers each stop."""
    stops: list[dict[str, Any]] = []
    while not stops or not stops[-1]["ended"]:
        assert len(stops) < MOST_STOPS, "Tab does not leave the page"
        page.keyboard.press("Tab")
        stops.append(page.evaluate(AT_FOCUS))
    return stops


@pytest.mark.parametrize("path", PAGES)
def test_tab_reaches_all_there_is_in_the_order_it_is_read(open_page: Open, path: str) -> None:
    """Menu and filters, then the page; every control is a stop, and one sees where one is."""
    page = open_page(path)
    settle(page)
    page.add_style_tag(content=STILL)
    stops = walk(page)
    areas = [stop["area"] for stop in stops if not stop["ended"]]
    assert areas == sorted(areas)
    assert [stop["unseen"] for stop in stops if stop["unseen"]] == []
    assert page.evaluate(LEFT_OUT) == []


def test_keys_press_buttons_and_open_rows(open_page: Open) -> None:
    """Space and Enter press what has the focus; Shift and Space open a table's row."""
    page = open_page("/imports")
    page.get_by_role("button", name="Pause").press("Space")
    expect(page.get_by_role("heading", name="The schedule is paused")).to_be_visible()
    page.get_by_role("button", name="Resume").press("Enter")
    expect(page.get_by_role("heading", name="Next imports")).to_be_visible()
    page.get_by_role("link", name="Clinics", exact=True).press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(["Clinics"])
    settle(page)
    page.get_by_test_id("data-grid-canvas").first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Space")
    expect(page.get_by_role("heading", level=1)).to_have_text(["Clinic 0"])
