"""What a person does, in a real browser against the real server."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, Page, Position, expect
from psycopg import sql

from tests.support.postgres import Postgres
from tests.support.server import import_now, running_server
from tests.support.standin import StandIn, unauthorized

PAGES = {
    "/": "Overview",
    "/imports": "Imports",
    "/rates": "Rates",
    "/clinics": "Clinics",
    "/validation": "Validation",
    "/quality": "Data quality",
    "/system": "System",
}
GUARD = {"DASHBOARD_PASSWORD": "operate", "DASHBOARD_VIEWER_PASSWORD": "look"}
DOWN = "The database cannot be reached"
# The box of a table's first row.
FIRST_BOX: Position = {"x": 16, "y": 52}
# How often an idle page asks for itself how things are.
IDLE_SECONDS = 10
NARROW = {"width": 390, "height": 844}
Open = Callable[..., Page]


def settle(page: Page) -> None:
    """Wait until nothing is being drawn any more."""
    expect(page.locator("[data-test-script-state=running]")).to_have_count(0)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


def choose(page: Page, label: str, option: str) -> None:
    """Pick an option of one of the sidebar's lists."""
    page.get_by_role("combobox", name=label).click()
    page.keyboard.type(option)
    page.keyboard.press("Enter")


@pytest.mark.parametrize(("path", "title"), PAGES.items())
def test_a_first_visit_by_link_shows_page_and_frame(open_page: Open, path: str, title: str) -> None:
    """Without the frame there would be no menu, no status, no sign-in. Nothing is fetched from elsewhere."""
    asked: list[str] = []
    page = open_page(path, asked=asked)
    expect(page.get_by_role("heading", level=1)).to_have_text([title])
    expect(page.get_by_text("Data as of").first).to_be_visible()
    expect(page.get_by_role("link", name="Validation", exact=True)).to_be_visible()
    expect(page).to_have_title(f"{title} – JointChiro Data Dashboard")
    settle(page)
    assert [url for url in asked if not url.startswith(("http://127.0.0.1", "data:", "blob:"))] == []


def test_import_changes_brings_what_changed(open_page: Open, standin: StandIn) -> None:
    """Press the button, watch it run, see the new figure, without touching the page again."""
    page = open_page()
    card = page.locator(".st-key-card-conversations")
    expect(card).to_contain_text("300")
    made = standin.table.create(
        {"Clinic": "Clinic 0", "User ID": "new", "Conversation Date": "2026-01-05"}, at=standin.now()
    )
    page.get_by_role("button", name="Import changes").click()
    expect(page.get_by_text(re.compile(r"Import \d+ has started"))).to_be_visible()
    expect(card).to_contain_text("301")
    standin.table.delete(made.id)
    page.get_by_role("button", name="Import everything").click()
    expect(card).to_contain_text("300")


def test_a_running_import_is_seen_by_others_and_cancelled(open_page: Open, standin: StandIn) -> None:
    """Two browsers see the same run; either may stop it."""
    first = open_page("/imports")
    with standin.held():
        first.get_by_role("button", name="Import everything").click()
        expect(first.get_by_role("heading", name="is running")).to_be_visible()
        second = open_page("/rates")
        expect(second.get_by_text(re.compile(r"Import \d+: Reading")).first).to_be_visible()
        first.get_by_role("button", name="Cancel import").click()
        expect(first.get_by_text(re.compile(r"Import \d+ was asked to stop")).first).to_be_visible()
    expect(first.get_by_role("heading", name="No import is running")).to_be_visible()
    expect(first.get_by_text("Last import cancelled").first).to_be_visible()


def test_filters_travel_with_menu_link_and_back(open_page: Open) -> None:
    """A shared link shows the same view."""
    page = open_page()
    choose(page, "Clinic", "Clinic 3")
    expect(page.get_by_text("Showing Clinic 3.")).to_be_visible()
    page.get_by_role("link", name="Rates", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(["Rates"])
    expect(page).to_have_url(re.compile(r"/rates\?clinic=Clinic\+3$"))
    expect(page.get_by_text("Showing Clinic 3.")).to_be_visible()
    shared = open_page("/rates?clinic=Clinic+3")
    expect(shared.get_by_text("Showing Clinic 3.")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text(["Overview"])
    expect(page.get_by_text("Showing Clinic 3.")).to_be_visible()


def test_an_empty_period_leads_to_conversations(open_page: Open) -> None:
    """The link changes filters that are drawn already, and stays in the address."""
    page = open_page("/?period=Today")
    page.get_by_role("link", name="Show 1").click()
    expect(page.get_by_text("Showing 1–31 Jan 2026.")).to_be_visible()
    expect(page).to_have_url(re.compile("period=Custom&from=2026-01-01&to=2026-01-31"))


def test_a_point_leads_to_its_conversations(open_page: Open) -> None:
    """Press a point of the course, read the records behind it."""
    page = open_page("/rates?by=Week")
    settle(page)
    point = page.locator(".js-plotly-plot").first.locator(".points path").first
    box = point.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.get_by_role("heading", name=re.compile("^Conversations of "))).to_be_visible()


def test_an_export_is_what_the_page_shows(open_page: Open) -> None:
    """Its name carries filter and moment; its rows add up to the card."""
    page = open_page("/?clinic=Clinic+3")
    settle(page)
    page.get_by_role("button", name="Table").first.click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    assert re.fullmatch(
        r"conversations-by-day_clinic-3_data-as-of-\d{4}-\d\d-\d\dT\d{4}[+-]\d{4}\.csv",
        download.value.suggested_filename,
    )
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8-sig"))))
    assert sum(int(row["Conversations"]) for row in rows) == 60


def test_an_import_is_opened_from_the_history(open_page: Open) -> None:
    """From the last imports to the import's own view and back."""
    page = open_page()
    page.get_by_role("link", name=re.compile("1 succeeded")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(["Import 1"])
    expect(page).to_have_url(re.compile(r"/imports\?run=1$"))
    page.get_by_role("link", name="All imports").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(["Imports"])
    expect(page).to_have_url(re.compile("/imports$"))
    choose(page, "Clinic", "Clinic 3")
    expect(page).to_have_url(re.compile("clinic="))
    page.get_by_test_id("stDataFrame").last.click(position=FIRST_BOX)
    expect(page.get_by_role("heading", level=1)).to_have_text([re.compile(r"Import \d")])
    expect(page).to_have_url(re.compile(r"/imports\?.*clinic=Clinic\+3"))


@pytest.fixture
def lost(standin: StandIn, address: str) -> Iterator[str]:
    """A record without a clinic, which the last import rejected; its id."""
    made = standin.table.create({"User ID": "lost-1", "Email": "alice@clinic.test"}, at=standin.now())
    import_now(address)
    yield made.id
    standin.table.delete(made.id)
    import_now(address, incremental=False)


def clicks(page: Page) -> int:
    """How often a person has clicked since the page was opened."""
    return int(page.evaluate("Number(sessionStorage.clicks ?? 0)"))


def test_why_a_record_is_not_in_the_figures_takes_three_clicks(open_page: Open, lost: str) -> None:
    """From the overview: the menu, where its id is typed and answered; the record; its contact data."""
    page = open_page()
    page.get_by_role("link", name="Data quality", exact=True).click()
    page.get_by_label("Find a record", exact=True).fill(lost)
    page.keyboard.press("Enter")
    told = page.get_by_role("link", name=re.compile(f"^{lost} · Not in, since import"))
    expect(page.get_by_text("The Clinic cell is empty. Fill the Clinic cell in Airtable.")).to_be_visible()
    assert clicks(page) == 1
    told.click()
    expect(page.get_by_role("heading", level=1)).to_have_text([f"Record {lost}"])
    page.get_by_role("button", name="Show contact data").click()
    expect(page.get_by_text("alice@clinic.test")).to_be_visible()
    assert clicks(page) == 3


def test_a_failed_night_is_understood_and_run_again_in_two_clicks(
    open_page: Open, standin: StandIn, address: str
) -> None:
    """From the overview's status line: why, with what to mend; then again, and its end without a touch."""
    standin.fail(unauthorized(), on=lambda _: True, times=None)
    try:
        import_now(address)
        page = open_page()
    finally:
        standin.heal()
    expect(page.get_by_text("Last import failed")).to_be_visible()
    page.get_by_role("link", name="See why").click()
    expect(page.get_by_role("alert").get_by_text("AIRTABLE_API_KEY")).to_be_visible()
    with standin.held():
        page.get_by_role("button", name="Run it again").click()
        expect(page.get_by_role("heading", name="is running")).to_be_visible()
        expect(page).to_have_url(re.compile(r"/imports\?run=\d+$"))
    expect(page.get_by_text("Last import succeeded")).to_be_visible()
    expect(page.get_by_role("heading", name="Totals")).to_be_visible()
    assert clicks(page) == 2


def test_a_record_is_found_and_opened(open_page: Open, standin: StandIn) -> None:
    """By its id, with a link that can be shared, and closed again."""
    record = standin.table.records()[7]
    page = open_page()
    page.get_by_role("link", name="Data quality", exact=True).click()
    page.get_by_label("Find a record", exact=True).fill(record.id)
    page.keyboard.press("Enter")
    page.get_by_role("link", name=re.compile(f"^{record.id} · In, since import")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text([f"Record {record.id}"])
    expect(page).to_have_url(re.compile(rf"/quality\?record={record.id}$"))
    expect(page.get_by_text("***@example.com")).to_be_visible()
    page.get_by_role("button", name="Show contact data").click()
    expect(page.get_by_text(str(record.cells["Email"]))).to_be_visible()
    page.get_by_role("link", name="Data quality").last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(["Data quality"])


def test_a_pressed_row_opens_its_clinic(open_page: Open) -> None:
    """And the way back leads to all of them, not into the same row again."""
    page = open_page("/clinics?period=Last+year")
    choose(page, "Period", "Custom")
    settle(page)
    page.get_by_test_id("stDataFrame").first.click(position=FIRST_BOX)
    expect(page.get_by_role("heading", level=1)).to_have_text(["Clinic 0"])
    expect(page).to_have_url(re.compile(r"/clinics\?.*clinic=Clinic\+0"))
    expect(page).to_have_url(re.compile("period=Custom"))
    page.get_by_role("link", name="All clinics").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(["Clinics"])
    settle(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(["Clinics"])


def test_the_schedule_is_paused_and_resumed(open_page: Open) -> None:
    """Another browser sees it without being touched."""
    page, other = open_page("/imports"), open_page()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("heading", name="The schedule is paused")).to_be_visible()
    other.clock.fast_forward(IDLE_SECONDS * 1000)
    expect(other.get_by_text("Schedule paused").first).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("heading", name="Next imports")).to_be_visible()


@pytest.mark.parametrize("path", PAGES)
def test_nothing_scrolls_sideways_on_a_narrow_screen(open_page: Open, path: str) -> None:
    """All of it works at 390×844."""
    page = open_page(path, viewport=NARROW)
    settle(page)
    widths = page.evaluate(
        "() => { const main = document.querySelector('[data-testid=stMain]');"
        " return [main.scrollWidth - main.clientWidth, document.documentElement.scrollWidth]; }"
    )
    assert widths == [0, NARROW["width"]]
    cut = page.get_by_test_id("stPageLink-NavLink").evaluate_all(
        "links => links.filter(link => [link, ...link.querySelectorAll('*')].some(part =>"
        " part.clientWidth && part.scrollWidth > part.clientWidth + 1)).map(link => link.innerText)"
    )
    assert cut == []


def test_a_database_that_is_down_is_said_and_the_page_comes_back(
    open_page: Open, postgres: Postgres, database: str
) -> None:
    """By itself, with its filters, once the database answers again."""
    page = open_page("/rates?clinic=Clinic+3")
    name = database.partition("?")[0].rpartition("/")[2]
    shut = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with psycopg.connect(postgres.admin_url, autocommit=True) as admin:
        admin.execute(shut.format(sql.Identifier(name), sql.SQL("false")))
        try:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            page.clock.fast_forward(IDLE_SECONDS * 1000)
            expect(page.get_by_role("heading", level=1)).to_have_text([DOWN])
        finally:
            admin.execute(shut.format(sql.Identifier(name), sql.SQL("true")))
    expect(page.get_by_role("heading", level=1)).to_have_text(["Rates"])
    expect(page.get_by_text("Showing Clinic 3.")).to_be_visible()


def test_a_viewer_signs_in_and_finds_no_button(
    browser: Browser, postgres: Postgres, template_database: str, standin: StandIn, tmp_path: Path
) -> None:
    """A wrong password is refused; the viewer's opens pages without buttons."""
    with (
        postgres.database(template_database) as url,
        running_server(url, standin, tmp_path, **GUARD) as address,
    ):
        page = browser.new_context().new_page()
        page.goto(f"{address}/imports")
        for password in ("wrong", "look"):
            page.get_by_label("Name").fill("Vera")
            page.get_by_label("Password").fill(password)
            page.get_by_role("button").first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(["Imports"])
        expect(page.get_by_role("heading", name="Next imports")).to_be_visible()
        for button in ("Import changes", "Import everything", "Pause"):
            expect(page.get_by_role("button", name=button)).to_have_count(0)
        expect(page.get_by_text("Signed in as Vera (viewer, may look only).")).to_be_visible()
        page.get_by_role("link", name="Sign out").click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        page.goto(f"{address}/imports")
        expect(page.get_by_label("Password")).to_be_visible()
        page.context.close()
