"""Data quality: rejected records, one record's own view, and the rule tester."""

import json
import logging
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core import visit
from core.people import Person, Role
from tests.support.services import ended
from tests.support.site import Site, said
from tests.support.standin import START, unauthorized

BASE = "https://airtable.com/"


def find(site: Site, wanted: str) -> str:
    """What the page says of a record that somebody looks for."""
    app = site.visit("quality")
    app.text_input(key="find").set_value(wanted)
    return said(site.look(app.run())).replace("\\", "")


def press(app: AppTest, label: str) -> AppTest:
    """Press a button."""
    next(button for button in app.button if button.label == label).click()
    return app.run()


@pytest.fixture
def odd(site: Site) -> dict[str, str]:
    """A site with a record without clinic, one without User ID, and one that was deleted; their ids."""
    table = site.standin.table
    gone = table.records()[7].id
    table.delete(gone)
    lost = table.create({"User ID": "lost-1", "Email": "alice@clinic.test", "Name": "Alice Stone"}, at=START)
    nobody = table.create({"Clinic": "Clinic 1", "Phone": "(212) 555-0187"}, at=START)
    assert site.import_all() == (2, "succeeded")
    return {"gone": gone, "lost": lost.id, "nobody": nobody.id, "in": table.records()[0].id}


def test_nothing_rejected_is_said(site: Site) -> None:
    """Silence would leave one wondering."""
    text = said(site.visit("quality"))
    assert "No record is rejected now" in text


def test_rejected_records_stand_by_reason_with_what_to_mend(site: Site, odd: dict[str, str]) -> None:
    """Count, cure, the record's address in Airtable, and its cells masked."""
    app = site.visit("quality")
    assert [box.label for box in app.expander] == [
        "**1** The Clinic cell is empty",
        "**1** The User ID cell is empty",
    ]
    assert "Fill the Clinic cell in Airtable." in said(app)
    table = app.dataframe[0].value
    base, name = site.service.settings.airtable_base_id, site.service.settings.airtable_table_name
    assert list(table["Open in Airtable"]) == [f"{BASE}{base}/{name}/{odd['lost']}"]
    assert list(table["Cells (contact data hidden)"]) == [
        "User ID: lo*** · Name: A*** S*** · Email: a***@clinic.test"
    ]


def test_a_resolved_rejection_is_found_without_cells(site: Site, odd: dict[str, str]) -> None:
    """They are erased with the resolution."""
    site.standin.table.update(odd["lost"], {"Clinic": "Clinic 1"}, at=site.standin.advance(60))
    site.import_all()
    table = site.visit("quality", state="Resolved").dataframe[0].value
    assert list(table["Airtable record"]) == [odd["lost"]]
    assert "Cells (contact data hidden)" not in table


def test_try_again_takes_what_was_mended(site: Site, odd: dict[str, str]) -> None:
    """Pressed by a person, it reads the open records alone and says so in the run's row."""
    for record_id in (odd["lost"], odd["in"]):
        site.standin.table.update(record_id, {"Clinic": "Clinic 1"}, at=site.standin.advance(60))
    press(site.visit("quality"), "Try again")
    ended(site.service, 3)
    rows = site.ask(
        "SELECT mode, trigger, triggered_by, status, processed, notes FROM import_logs WHERE id=3"
    )
    assert rows == [("incremental", "manual", "local", "succeeded", 2, "Tries rejected records again.")]
    assert [box.label for box in site.visit("quality").expander] == ["**1** The User ID cell is empty"]


def test_a_first_import_that_rejected_everything_leads_here(make_site: Callable[..., Site]) -> None:
    """No conversation, but records that say why."""
    site = make_site(records=0)
    site.standin.table.create({"User ID": "lost-1"}, at=START)
    site.import_all()
    assert "1 record was read, and none could be taken" in said(site.visit())
    assert [box.label for box in site.visit("quality").expander] == ["**1** The Clinic cell is empty"]


# Find a record


@pytest.mark.parametrize(
    ("which", "state", "more"),
    [
        ("in", "In, since import 1", "Counted on "),
        ("lost", "Not in, since import 2", "The Clinic cell is empty. Fill the Clinic cell in Airtable."),
        ("nobody", "Not in, since import 2", "The User ID cell is empty."),
        ("gone", "Not in, since import 2", "Airtable no longer has it"),
    ],
)
def test_a_record_is_found_by_its_airtable_id(
    site: Site, odd: dict[str, str], which: str, state: str, more: str
) -> None:
    """In, since which import; or why not."""
    found = find(site, odd[which])
    assert f"**{odd[which]}** · {state}" in found
    assert more in found


def test_a_booking_that_is_not_counted_says_why_at_once(site: Site, odd: dict[str, str]) -> None:
    """The record is in the figures, and its booking of another year is not."""
    site.standin.table.update(odd["in"], {"Booking": "March 3, 2024"}, at=site.standin.advance(60))
    site.import_all()
    assert "It makes no booking: its Booking cell names no year of 2025." in find(site, odd["in"])


def test_a_record_is_found_by_its_address_or_user_id(site: Site, odd: dict[str, str]) -> None:
    """What people have at hand; a record without a clinic has a User ID all the same."""
    user = site.standin.table.records()[0].cells["User ID"]
    assert f"**{odd['in']}** · In, since import 1" in find(site, str(user))
    assert f"**{odd['lost']}** · Not in" in find(site, " lost-1 ")
    assert f"**{odd['lost']}** · Not in" in find(site, f"https://airtable.com/app1/tbl1/viw1/{odd['lost']}?x")


@pytest.mark.parametrize("wanted", ["recAAAAAAAAAAAAAA", "nobody", "%", "'", "\0x"])
def test_what_was_never_read_is_told_with_what_may_be_the_reason(site: Site, wanted: str) -> None:
    """As of when the data are, and from where."""
    text = find(site, wanted)
    assert "No import has read" in text
    assert "the table Conversations alone" in text


def test_finding_why_a_record_is_missing_takes_three_clicks(site: Site, odd: dict[str, str]) -> None:
    """From the overview: the menu's entry, the id typed, and the record opened for its cells (issue 7)."""
    app = site.visit()
    app.switch_page("quality.py")
    app.run()
    app.text_input(key="find").set_value(odd["lost"])
    app.run()
    (link,) = [link for link in app.main.page_link if odd["lost"] in link.proto.label]
    assert "The Clinic cell is empty" in said(app)
    assert f"record={odd['lost']}" in link.proto.query_string
    assert "Fill the Clinic cell in Airtable." in said(site.visit("quality", record=odd["lost"]))


# One record, and its contact data


def cells(app: AppTest) -> dict[str, str]:
    """The record's table as it reads."""
    table = app.table[0].value
    return {name: value.replace("\\", "") for name, value in zip(*(table[c] for c in table), strict=True)}


class Kept(logging.Handler):
    """Keeps the events that the product logs."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, object]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the event's name and its fields."""
        self.events.append((record.getMessage(), vars(record).get("fields")))


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> list[tuple[str, object]]:
    """Every event that is logged from now on, whatever other tests have done to the logger."""
    kept, logger = Kept(), logging.getLogger("jointchiro")
    monkeypatch.setattr(logger, "handlers", [kept])
    caplog.set_level(logging.INFO, logger.name)
    return kept.events


def test_contact_data_are_hidden_until_the_record_is_opened(
    site: Site, odd: dict[str, str], logged: list[tuple[str, object]]
) -> None:
    """Who opened which record is logged, and nothing of what it holds."""
    app = site.visit("quality", record=odd["lost"])
    assert cells(app) == {"User ID": "lo***", "Name": "A*** S***", "Email": "a***@clinic.test"}
    assert "record_opened" not in [event for event, _ in logged]
    app = site.look(press(app, "Show contact data"))
    assert cells(app) == {"User ID": "lost-1", "Name": "Alice Stone", "Email": "alice@clinic.test"}
    assert logged == [("record_opened", {"record": odd["lost"], "by": "local"})]


def test_a_moment_in_a_cell_is_told_in_the_zone(site: Site) -> None:
    """Airtable writes UTC; every page tells the zone, which is named. Other text stays as it is."""
    written = {
        "User ID": "lost-2",
        "Conversation Date": "2025-03-14T14:30:00.000Z",
        "Booking": "2025-13-14T14:00:00Z",
    }
    record = site.standin.table.create(written, at=START)
    site.import_all()
    app = site.visit("quality", record=record.id)
    assert cells(app)["Conversation Date"] == "14 Mar 2025, 10:30 EDT"
    assert "14 Mar 2025, 10:30 EDT" in site.visit("quality").dataframe[0].value.to_csv()
    assert cells(press(app, "Show contact data"))["Booking"] == "2025-13-14T14:00:00Z"


def test_a_conversations_contact_is_hidden_too(site: Site, odd: dict[str, str]) -> None:
    """The same for a record that is in, with its Booking cell."""
    held = site.standin.table.records()[0].cells
    app = site.visit("quality", record=odd["in"])
    hidden = cells(app)
    assert hidden["Email"].endswith("***@example.com")
    shown = cells(press(app, "Show contact data"))
    assert (shown["Name"], shown["Email"]) == (held["Name"], held["Email"])
    assert {"Took place", "Clinic", "Lead", "Booking"} <= set(hidden)


def test_what_was_opened_is_closed_by_leaving(site: Site, odd: dict[str, str]) -> None:
    """Another record, or another page, and it is hidden again."""
    app = press(site.visit("quality", record=odd["lost"]), "Show contact data")
    app.query_params["record"] = odd["in"]
    app.run()
    app.query_params["record"] = odd["lost"]
    assert cells(site.look(app.run()))["Name"] == "A*** S***"


def test_a_viewer_opens_no_record(site: Site, odd: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """No button; and whoever was an operator a moment ago is refused."""
    app = site.visit("quality", record=odd["lost"])
    monkeypatch.setattr(visit, "person", lambda: Person("vera", Role.VIEWER))
    refused = press(app, "Show contact data")
    assert "Only operators may do this" in said(refused)
    assert cells(refused)["Name"] == "A*** S***"
    assert list(site.visit("quality", record=odd["lost"]).main.button) == []


def test_only_one_record_is_opened_at_a_time(site: Site) -> None:
    """A link by User ID would open all that a customer said with one press."""
    user = str(site.standin.table.records()[0].cells["User ID"])
    app = site.visit("quality", record=user)
    assert "No import has read" in said(app)
    assert list(app.main.button) == []
    assert list(app.table) == []


def test_a_record_that_does_not_exist_is_said_so(site: Site) -> None:
    """A stale link is no traceback."""
    assert "No import has read" in said(site.visit("quality", record="recAAAAAAAAAAAAAA"))


# Rule tester


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({}, "Clinic and User ID at least make a conversation."),
        ({"CLINIC": "Spine"}, "It would be rejected: the User ID cell is empty."),
        ({"CLINIC": "Spine", "USER_ID": "u"}, "It would be in the figures."),
    ],
)
def test_the_rule_tester_answers_as_the_import_would(site: Site, typed: dict[str, str], words: str) -> None:
    """In, or why not."""
    app = site.visit("quality")
    for name, cell in typed.items():
        app.text_input(key=f"cell-{name}").set_value(cell)
    assert words in said(site.look(app.run()))


def test_the_rule_tester_shows_what_becomes_of_each_cell(make_site: Callable[..., Site]) -> None:
    """By the settings in force; it works before the first import, and while Airtable is away."""
    site = make_site(BOOKING_YEARS="2026")
    site.standin.fail(unauthorized(), on=lambda _: True, times=None)
    app = site.visit("quality")
    typed = {
        "CLINIC": " Spine  Center ",
        "USER_ID": "u",
        "BOOKING": "March 20, 2026 9:00 AM",
        "ENGAGED": "YES",
    }
    for name, cell in typed.items():
        app.text_input(key=f"cell-{name}").set_value(cell)
    becomes = cells(site.look(app.run()))
    assert becomes["Clinic"] == "Spine Center"
    assert becomes["Engaged"] == "Yes"
    assert becomes["Booked for"] == "20 Mar 2026, 09:00 EDT"
    assert becomes["Conversation Date"] == "The cell is empty: the record's own creation counts"
    assert "BOOKING" not in json.dumps(becomes)


def test_a_long_text_has_the_room_it_needs(site: Site) -> None:
    """No cell ends in the middle of a word: its table scrolls instead."""
    site.standin.table.create({"User ID": "lost", "Booking": "soon " * 20, "Name": "Ann"}, at=START)
    site.import_all()
    table = site.visit("quality").dataframe[0]
    longest = max(len(cells) for cells in table.value["Cells (contact data hidden)"])
    widths = {name: column.get("width") for name, column in json.loads(table.proto.columns).items()}
    assert longest > 80
    assert widths["Cells (contact data hidden)"] >= 6 * longest
    assert widths.get("Airtable record") is None
