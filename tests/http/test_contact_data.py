"""Contact data that the test knows are imported, rejected and refused by the database, and found nowhere.

Searched is what leaves the product: log files, terminals, API answers, an import's row, and every byte that
the pages send to a browser, with the files that they offer (spec, sections 8 and 9).
"""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError

import psycopg
import pytest

from core.api import OPERATIONS
from core.settings import ROOT
from tests.support.commands import bare
from tests.support.postgres import Postgres
from tests.support.server import environment, running_server
from tests.support.standin import START, StandIn, conversations, is_page, typed, with_records
from tests.support.waiting import until
from tests.support.wire import Page, visit

# What is looked for, in whatever case; the telephone number also where its marks are others.
SENTINEL = re.compile(
    rb"zebulon|quartermain|zq-9917|bring-your-xrays|917\D{0,4}555\D{0,4}01\d\d", re.IGNORECASE
)
PAGES = ("overview", "imports", "rates", "clinics", "validation", "quality", "system")
FILES = ("combined.log", "import.log", "import-detailed.log", "scheduler.log", "error.log")
COMMANDS = ("status", "history", "stats", "health", "test-airtable")
# The database refuses one customer's record and quotes its values wherever an error can; another one's ends
# the import, for it looks like no record's fault.
REFUSE = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.contact_email LIKE 'refused.%' THEN
            RAISE 'refused: % %', NEW.contact_name, NEW.contact_phone USING ERRCODE = 'check_violation',
                DETAIL = 'Failing row contains ' || NEW, HINT = 'Ask ' || NEW.contact_email;
        ELSIF NEW.contact_email LIKE 'broken.%' THEN
            RAISE 'broken: % %', NEW.contact_name, NEW.contact_phone USING ERRCODE = 'internal_error',
                DETAIL = 'Failing row contains ' || NEW, HINT = 'Ask ' || NEW.contact_email;
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON conversations FOR EACH ROW EXECUTE FUNCTION refuse();
"""


def cells(kind: str, number: int, **changes: object) -> dict[str, object]:
    """The cells of a record that holds contact data of every kind."""
    return {
        "Clinic": "Clinic 1",
        "User ID": f"{kind}-zq-9917-{number}",
        "Name": f"Zebulon Quartermain {number}",
        "Email": f"{kind}.zebulon{number}@mail.example",
        "Phone": f"(917) 555-01{number:02}",
        "Automation": "Website Chatbot",
        "Conversation Date": "2025-03-01",
        "Booking": f"bring-your-xrays 2025 {number}",
    } | changes


@dataclass(slots=True)
class World:
    """A server that has imported all this, its folder, database and Airtable, and one record's id."""

    address: str
    folder: Path
    url: str
    standin: StandIn
    record: str

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """An answer of the API, of whatever status."""
        request = urllib.request.Request(f"{self.address}{path}", body, method=method)  # noqa: S310 (our own)
        try:
            with urllib.request.urlopen(request) as answer:  # noqa: S310 (our own address)
                return bytes(answer.read())
        except HTTPError as error:
            return error.read()

    def import_all(self) -> str:
        """A full import by the API; answers how it ended."""
        self.call("POST", "/api/import/trigger", b'{"incremental": false}')
        until(lambda: self.newest()["status"] != "running", "the import's end")
        return str(self.newest()["status"])

    def newest(self) -> dict[str, object]:
        """The newest import."""
        found = json.loads(self.call("GET", "/api/import/history?limit=1"))["imports"]
        return dict(found[0]) if found else {"status": "running"}

    def command(self, *words: str) -> bytes:
        """What a command writes to the terminal."""
        variables = environment(self.url, self.standin, self.folder)
        done = subprocess.run(
            [sys.executable, "-m", "core", *words],
            cwd=ROOT,
            env={**bare(), **variables},
            capture_output=True,
            check=False,
        )
        return done.stdout + done.stderr

    def logged(self) -> bytes:
        """Everything in the log files and on the server's terminal."""
        return b"".join(path.read_bytes() for path in self.folder.rglob("*") if path.is_file())


# The other records that are imported: taken, rejected for each reason, refused by the database.
CHANGES: tuple[dict[str, object], ...] = (
    {"Booking": "bring-your-xrays in 2024", "Engaged": "No", "Lead Created": True},
    {"Booking": "bring-your-xrays in 2026", "Conversation Date": "bring-your-xrays"},
    {"Clinic": None},
    {"Clinic": None, "User ID": None},
    {"User ID": None},
    {"User ID": "zq-9917" * 90},
    {"Email": "refused.zebulon@mail.example"},
)


def table() -> StandIn:
    """All of them, and a few plain ones."""
    made = conversations(3)
    for number, changes in enumerate(({}, *CHANGES)):
        made.create(cells("taken", number, **changes), at=START)
    return StandIn(made)


@pytest.fixture(scope="module")
def world(
    postgres: Postgres, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Imports that succeeded, that the database broke, and that Airtable refused in the data's own words."""
    folder = tmp_path_factory.mktemp("contact")
    with postgres.database(template_database) as url, table() as standin:
        with psycopg.connect(url) as connection:
            connection.execute(REFUSE)
        malformed = [{"id": "recMalformed00001", "createdTime": 7, "fields": cells("malformed", 30)}]
        standin.fail(with_records(*malformed, "Zebulon Quartermain"), on=is_page)
        with running_server(url, standin, folder) as address:
            made = World(address, folder, url, standin, standin.table.records()[3].id)
            until(lambda: made.newest()["status"] == "succeeded", "the startup import")
            broken = standin.table.create(cells("broken", 40), at=standin.advance(60))
            assert made.import_all() == "failed"
            standin.table.delete(broken.id)
            standin.fail(typed(422, "INVALID_REQUEST_UNKNOWN", "Bad value: Zebulon Quartermain"), on=is_page)
            assert made.import_all() == "failed"
            assert made.import_all() == "succeeded"
            yield made


def seen(page: Page) -> bytes:
    """What a page has sent, and what it offers as files."""
    return page.bytes + b"".join(page.downloads())


def found(*texts: bytes) -> list[bytes]:
    """The sentinels in these texts."""
    # Markdown has a backslash before marks.
    return [match for text in texts for match in SENTINEL.findall(text.replace(b"\\", b""))]


def test_the_data_are_there_to_be_found(world: World) -> None:
    """In the tables, quarantined too: what follows would find nothing in an empty database either."""
    with psycopg.connect(world.url) as connection:
        names = connection.execute(
            "SELECT contact_name FROM conversations WHERE contact_name ~ 'Zeb'"
        ).fetchall()
        rejected = connection.execute("SELECT reason, cells::text FROM rejected_records").fetchall()
    assert len(names) == 3
    reasons = {"missing_clinic", "missing_user_id", "too_long", "malformed_record", "database_error"}
    assert {reason for reason, _ in rejected} == reasons
    assert found(*(kept.encode() for _, kept in rejected if kept))


def test_no_log_and_no_terminal_says_them(world: World) -> None:
    """All five files and the server's own terminal, with the refused records told in them by id."""
    logged = world.logged()
    assert b"record_refused_by_database" in logged
    assert b"import_error" in logged
    assert found(logged) == []


def test_no_row_of_an_import_holds_them(world: World) -> None:
    """Errors, notes and progress, of a database error only SQLSTATE and constraint."""
    with psycopg.connect(world.url) as connection:
        rows = connection.execute("SELECT l::text FROM import_logs l").fetchall()
    assert "XX000" in str(rows)
    assert found(*(row[0].encode() for row in rows)) == []


def test_no_answer_of_the_api_says_them(world: World) -> None:
    """Every call of the document, and health."""
    calls = [(operation.method, f"/api{operation.path}") for operation in OPERATIONS]
    answers = [world.call(method, path) for method, path in calls]
    until(lambda: world.newest()["status"] != "running", "the end of what was triggered")
    paths = ("/health", "/api/openapi.json", "/api/import/history?limit=100", "/api/nothing")
    answers += [world.call("GET", path) for path in paths]
    assert all(answers)
    assert found(*answers) == []


def test_no_command_says_them(world: World) -> None:
    """Reports, for people and as JSON, and an import with its progress."""
    said = [world.command("import", "--full"), world.command("cancel")]
    said += [world.command(verb, *options) for verb in COMMANDS for options in ((), ("--json",))]
    assert b"succeeded" in said[0]
    assert found(*said, world.logged()) == []


VISITS: tuple[tuple[str, dict[str, str]], ...] = (
    *((name, {}) for name in PAGES),
    ("imports", {"run": "1"}),
    ("imports", {"run": "2"}),
    ("imports", {"run": "3"}),
    ("quality", {"state": "Resolved"}),
    ("rates", {"rate": "leads"}),
    *(("system", {"file": file}) for file in FILES),
)


@pytest.mark.parametrize(
    ("name", "query"), VISITS, ids=lambda part: part if isinstance(part, str) else str(part)
)
def test_no_page_sends_them(world: World, name: str, query: dict[str, str]) -> None:
    """Every byte to the browser, with the records behind each chart's first point, and every file."""
    with visit(world.address, name, **query) as page:
        sent = [seen(page)]
        for chart in page.of("plotly_chart"):
            if chart.id:
                page.select_first_point(chart)
                sent.append(seen(page))
        assert page.of("exception") == []
    assert found(*sent) == []


def test_one_record_is_opened_and_that_is_logged(world: World) -> None:
    """Hidden until a person opens it; who did is in the log, and what they saw is not."""
    with visit(world.address, "quality", record=world.record) as page:
        assert found(seen(page)) == []
        page.press("Show contact data")
        assert {b"Zebulon", b"zq-9917"} <= set(found(page.bytes))
    opened = [line for line in world.logged().splitlines() if b"record_opened" in line and b"{" in line]
    assert [(json.loads(line)["record"], json.loads(line)["by"]) for line in opened] == [
        (world.record, "local")
    ]
    assert found(world.logged()) == []
