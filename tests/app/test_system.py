"""System: the parts, the connection, the logs, the settings."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core import reports, visit
from core.errors import DatabaseUnavailableError
from core.people import ANONYMOUS, Person, Role
from core.settings import variables
from core.slots import beat, set_paused
from tests.support.site import NOW, Site, said
from tests.support.standin import unauthorized

SECRET = "xoxo-secret"  # noqa: S105 (made up)


def parts(app: AppTest) -> dict[str, str]:
    """Each part's state in words."""
    rows = app.table[0].value.to_dict("records")
    return {str(row["Part"]): str(row["State"]).rpartition(":")[2].strip(" ]") for row in rows}


def press(app: AppTest, label: str) -> AppTest:
    """Press a button."""
    next(button for button in app.button if button.label == label).click()
    return app.run()


def log(folder: Path, file: str, *lines: dict[str, object]) -> None:
    """A log file with these lines, a second apart."""
    folder.mkdir(exist_ok=True)
    stamped = [
        {"time": (NOW + timedelta(seconds=number)).isoformat(), **line} for number, line in enumerate(lines)
    ]
    (folder / file).write_text("\n".join(map(json.dumps, stamped)), encoding="utf-8")


def test_each_part_says_whether_it_works(site: Site) -> None:
    """In words and with an icon, also where there is no server but this test's."""
    assert parts(site.visit("system")) == {
        "Dashboard": "Works",
        "Database": "Works",
        "Schedule": "Stopped",
        "Last import": "Succeeded",
    }


def test_parts_that_need_a_person_say_so(site: Site) -> None:
    """A paused schedule, and an import that failed."""
    site.service.write(lambda connection: set_paused(connection, "ada", NOW, paused=True))
    site.standin.fail(unauthorized(), on=lambda _: True, times=None)
    site.import_all()
    app = site.visit("system")
    assert (parts(app)["Schedule"], parts(app)["Last import"]) == ("Paused", "Failed")
    assert str(app.table[0].value["More"][2]).startswith("By ada, ")


@pytest.mark.parametrize(
    ("hours", "state"),
    [
        (0, ":green-badge[:material/check_circle: Works]"),
        (11, ":orange-badge[:material/warning: One scheduled import missing]"),
        (23, ":red-badge[:material/error: 2 scheduled imports missing]"),
    ],
)
def test_a_schedule_that_brings_no_data_does_not_work(site: Site, hours: int, state: str) -> None:
    """The part, the status line and the health tell the same of it."""
    earlier = NOW - timedelta(hours=hours, minutes=5), NOW - timedelta(hours=hours)
    site.change("UPDATE import_logs SET watermark = %s, started_at = %s", *earlier)
    coming = [{"id": "import", "nextRun": (NOW + timedelta(hours=1)).isoformat()}]
    site.service.write(lambda connection: beat(connection, "one", NOW, "UTC", coming))
    app = site.visit("system")
    assert app.table[0].value["State"][2] == state
    words = state.partition(": ")[2].strip("]")
    assert hours == 0 or words in said(app)
    assert site.service.health().status == ("degraded" if hours else "ok")


def test_a_database_that_hangs_is_told_as_a_part(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page itself was still answered; its health was not."""
    monkeypatch.setattr(site.service, "health", lambda: reports.down("1"))
    assert parts(site.visit("system"))["Database"] == "Does not answer in time"


def test_a_cancelled_import_is_neither_well_nor_unwell(site: Site) -> None:
    """Whoever cancelled it knows; health is not worse for it either."""
    site.change("UPDATE import_logs SET status = 'cancelled', errors = '[{}]'")
    assert site.visit("system").table[0].value["State"][3] == "Cancelled"


def test_before_the_first_import_there_is_none(make_site: Callable[..., Site]) -> None:
    """Not a traceback."""
    assert parts(make_site().visit("system"))["Last import"] == "None yet"


# Connection


def test_the_connection_test_checks_each_column(site: Site) -> None:
    """And names the variable that each can be changed by."""
    app = press(site.visit("system"), "Test the connection")
    assert "every column is there" in said(app)
    table = app.table[1].value
    assert list(table["In the table"].unique()) == [":green-badge[:material/check_circle: There]"]
    assert "User ID  \nAIRTABLE_FIELD_USER_ID" in [told.replace("\\", "") for told in table.iloc[:, 0]]


def test_the_demo_answers_by_its_own_name(make_site: Callable[..., Site]) -> None:
    """Nobody is told that Airtable answered, where nothing of it was asked."""
    names = ("AIRTABLE_API_KEY", "AIRTABLE_BASE_ID", "AIRTABLE_ENDPOINT_URL")
    text = said(press(make_site(**dict.fromkeys(names, "")).visit("system"), "Test the connection"))
    assert "Connection to the demo" in text
    assert "The demo answered in " in text
    assert "Airtable answered" not in text


def test_a_missing_column_is_named_with_its_variable(make_site: Callable[..., Site]) -> None:
    """What to set to what; a column that is switched off is not missed."""
    site = make_site(AIRTABLE_FIELD_PHONE="Telephone", AIRTABLE_FIELD_EMAIL="none")
    app = press(site.visit("system"), "Test the connection")
    assert "(AIRTABLE_FIELD_PHONE)" in app.error[0].value.replace("\\", "")
    table = app.table[1].value
    states = dict(
        zip([told.partition("  ")[0] for told in table.iloc[:, 0]], table["In the table"], strict=True)
    )
    assert states["Phone"] == ":red-badge[:material/error: Missing] as Telephone"
    assert states["Email"] == "Not asked for"
    assert states["Clinic"] == ":green-badge[:material/check_circle: There]"


def test_a_refused_token_is_told_in_words(site: Site) -> None:
    """The variable, and no table of columns that nobody knows of."""
    site.standin.fail(unauthorized(), on=lambda _: True, times=None)
    app = press(site.visit("system"), "Test the connection")
    assert "(AIRTABLE_API_KEY)" in app.error[0].value.replace("\\", "")
    assert len(app.table) == 1


def test_a_viewer_asks_airtable_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the page was drawn for an operator."""
    app = site.visit("system")
    monkeypatch.setattr(visit, "person", lambda: Person("vera", Role.VIEWER))
    before = len(site.standin.seen)
    press(app, "Test the connection")
    assert len(site.standin.seen) == before


# Settings


def test_settings_in_force_are_shown_and_secrets_are_not(make_site: Callable[..., Site]) -> None:
    """Every variable, with the value that counts."""
    site = make_site(API_TOKEN=SECRET, ALERT_URLS=f"json://{SECRET}", BOOKING_YEARS="2025,2026")
    app = site.visit("system")
    table = app.dataframe[-1].value
    shown = dict(zip(table["Variable"], table["Value"], strict=True))
    assert set(shown) == set(variables(site.service.settings))
    assert (shown["BOOKING_YEARS"], shown["API_TOKEN"], shown["DASHBOARD_PASSWORD"]) == (
        "2025,2026",
        "set",
        "not set",
    )
    everything = said(app) + "".join(table.value.to_csv() for table in app.dataframe)
    assert SECRET not in everything
    assert site.standin.token not in everything


# Logs


@pytest.mark.parametrize(
    ("query", "events"),
    [
        ({}, ["Record rejected", "Import ended", "Import started"]),
        ({"level": "Warning"}, ["Record rejected"]),
        ({"import": "1"}, ["Import ended", "Import started"]),
        ({"file": "scheduler.log"}, ["Slot taken"]),
        ({"file": "../secret.log", "level": "loud"}, ["Record rejected", "Import ended", "Import started"]),
    ],
)
def test_log_lines_are_chosen_by_file_level_and_import(
    make_site: Callable[..., Site], tmp_path: Path, query: dict[str, str], events: list[str]
) -> None:
    """Newest first; the choice lies in the address, and what does not exist is not chosen."""
    log(
        tmp_path / "logs",
        "combined.log",
        {"level": "info", "event": "import_started", "import_id": 1},
        {"level": "info", "event": "import_ended", "import_id": 1},
        {"level": "warning", "event": "record_rejected", "import_id": 2},
    )
    log(tmp_path / "logs", "scheduler.log", {"level": "info", "event": "slot_taken"})
    log(tmp_path, "secret.log", {"level": "info", "event": "secret"})
    app = make_site(LOG_DIR=str(tmp_path / "logs")).visit("system", **query)
    assert list(app.dataframe[0].value["Event"]) == events


def test_a_line_names_its_import(make_site: Callable[..., Site], tmp_path: Path) -> None:
    """What belongs to none names none."""
    log(
        tmp_path,
        "combined.log",
        {"level": "info", "event": "server_started"},
        {"level": "info", "import_id": 7},
    )
    table = make_site(LOG_DIR=str(tmp_path)).visit("system").dataframe[0].value
    assert list(table["Import"].fillna(0)) == [7, 0]


@pytest.mark.parametrize("before", [True, False])
def test_the_logs_are_there_while_the_database_is_down(
    make_site: Callable[..., Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, before: bool
) -> None:
    """Then they are needed most: also on a first visit, chosen as ever, and only for those who may look."""
    log(tmp_path, "error.log", {"level": "error", "event": "scheduler_database_away"})
    site = make_site(LOG_DIR=str(tmp_path))
    visits = site.visit("system", file="error.log") if before else None

    def refuse(_: object) -> None:
        raise DatabaseUnavailableError("The database cannot be reached. Start PostgreSQL.")

    monkeypatch.setattr(site.service, "ask", refuse)
    down = site.look(visits.run()) if visits else site.visit("system", file="error.log")
    assert [title.value for title in down.title] == ["The database cannot be reached"]
    assert [list(table.value["Event"]) for table in down.dataframe] == [["Scheduler database away"]]
    monkeypatch.setattr(visit, "person", lambda: ANONYMOUS)
    assert not down.run().dataframe


def test_no_lines_are_said_so(make_site: Callable[..., Site], tmp_path: Path) -> None:
    """A folder that is empty is no traceback."""
    app = make_site(LOG_DIR=str(tmp_path)).visit("system")
    assert "There are no such lines in the current file." in said(app)
