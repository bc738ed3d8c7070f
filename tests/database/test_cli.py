"""The command line, in processes of its own, against an Airtable over HTTP and a real PostgreSQL."""

import getpass
import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from core.embedded import EmbeddedServer
from core.rules import SEEDED_AUTOMATIONS
from tests.support.commands import SECONDS, SECRET, House, new_house, reading, uri
from tests.support.postgres import Postgres
from tests.support.standin import StandIn, conversations, forbidden, is_page, silence
from tests.support.waiting import until

RECORDS = 250
BY = f"cli:{getpass.getuser()}"
LOG_FILES = {"combined.log", "import.log", "import-detailed.log", "error.log"}


@pytest.fixture(scope="module")
def built() -> Iterator[House]:
    """The copy of the product that this file's tests share."""
    with new_house() as made:
        yield made


@pytest.fixture
def house(built: House) -> Iterator[House]:
    """The same without settings and logs, on no database yet."""
    built.set.clear()
    built.write_env({})
    for path in (built.root / "logs").glob("*.log*"):
        path.unlink()
    yield built
    built.kill()


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """A source with 250 records."""
    with StandIn(conversations(RECORDS)) as running:
        yield running


@pytest.fixture
def real(house: House, standin: StandIn, database_url: str) -> House:
    """A copy whose settings name the stand-in and a migrated, empty database."""
    house.set.update(reading(standin), DATABASE_URL=database_url)
    return house


def runs(url: str) -> list[dict[str, object]]:
    """Every import's row, newest first; none where there are no tables yet."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute("SELECT * FROM import_logs ORDER BY id DESC").fetchall()


def writing(url: str) -> bool:
    """Whether an import has committed a batch and goes on."""
    return any(row["status"] == "running" and row["batches"] for row in runs(url))


@contextmanager
def held_up(standin: StandIn, page: int = 2) -> Iterator[None]:
    """An import gets its first page, and no other answer before the block's end; `page` is its second."""
    gate = threading.Event()
    standin.after_page(page, lambda _: gate.wait(SECONDS))
    try:
        yield
    finally:
        gate.set()


# What is wrong without asking anybody


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("no-such-verb",),
        ("import",),
        ("import", "--full", "--incremental"),
        ("history", "--limit", "0"),
        ("history", "--limit", "101"),
        ("migrate", "--json"),
        ("reset-data",),
    ],
)
def test_a_wrong_use_is_told(house: House, words: tuple[str, ...]) -> None:
    """What cannot be meant is refused before anything is asked, with exit code 2."""
    said = house.run(*words)
    assert (said.code, said.out) == (2, "")
    assert said.err
    assert not (house.root / ".data").exists()


def test_wrong_settings_are_told_at_once(house: House) -> None:
    """Every wrong variable has its line, in whatever verb; exit code 2."""
    house.write_env({"PORT": "web", "AIRTABLE_API_KEY": "patSECRET"})
    said = house.run("status", "--json", TIMEZONE="Mars/Phobos")
    assert (said.code, said.out) == (2, "")
    named = [line.partition(":")[0] for line in said.err.splitlines()]
    assert sorted(named) == ["AIRTABLE_BASE_ID", "PORT", "TIMEZONE"]


def test_a_server_that_anybody_could_reach_does_not_start(house: House) -> None:
    """Bound to the network and unguarded, it says what to set (spec, section 9)."""
    said = house.run("start", HOST="0.0.0.0")  # noqa: S104 (what is refused)
    assert said.code == 2
    assert all(name in said.complaint for name in ("HOST", "API_TOKEN", "DASHBOARD_PASSWORD"))


@pytest.mark.parametrize(("host", "named"), [("127.0.0.1", "PORT: "), ("192.0.2.1", "HOST: ")])
def test_a_place_where_nothing_can_listen_is_told(house: House, host: str, named: str) -> None:
    """A port that is taken, or an address of another machine: one line that names the variable."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = house.run("start", HOST=host, PORT=port, API_TOKEN="guarded")  # noqa: S106 (opens nothing)
    assert said.code == 1
    assert said.complaint.startswith(named)


def test_a_log_folder_that_cannot_be_made_is_told(house: House) -> None:
    """A place where no file can be written names its variable."""
    said = house.run("test-rules", LOG_DIR=str(house.root / "pyproject.toml" / "logs"))
    assert said.code == 2
    assert said.complaint.startswith("LOG_DIR: ")


# Verbs


def test_an_empty_database_is_told(house: House, standin: StandIn, empty_database_url: str) -> None:
    """Reporting verbs on a database without tables say that it is empty; exit code 1."""
    house.set.update(reading(standin), DATABASE_URL=empty_database_url)
    verbs = (("status",), ("history", "--json"), ("stats", "--json"), ("health",), ("cancel",))
    begun = [house.begin(*words) for words in verbs]
    ended = [house.end(process) for process in begun]
    assert [(said.code, said.out) for said in ended] == [(1, "")] * len(ended)
    assert {said.complaint for said in ended} == {
        "The database is empty: nothing has been imported yet. Run `make import-manual`."
    }


def test_migrate_takes_the_tables_back(house: House, empty_database_url: str) -> None:
    """To the revision that an older release knows, and up again; one that does not exist is wrong use."""
    house.set.update(DATABASE_URL=empty_database_url)
    ways = ("", "--to 0001", "--to nothing", "")
    said = [house.run(*f"migrate {way}".split()) for way in ways]
    assert [each.code for each in said] == [0, 0, 2, 0]
    assert [said[1].out, said[3].out] == [
        "The tables are at revision 0001.\n",
        "The tables are up to date.\n",
    ]
    assert said[2].complaint.startswith("There is no revision nothing; there are 0001, ")


def test_migrate_drops_the_tables_only_when_told_twice(house: House, empty_database_url: str) -> None:
    """Without `--yes` nothing happens; afterwards the database is as empty as before the first start."""
    house.set.update(DATABASE_URL=empty_database_url)
    said = [house.run(*words.split()) for words in ("seed", "migrate --to base", "migrate --to base --yes")]
    assert [each.code for each in said] == [0, 2, 0]
    assert "--yes" in said[1].complaint
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("SELECT to_regclass('automations')").fetchone() == (None,)


def test_migrate_and_seed_prepare_an_empty_database(house: House, empty_database_url: str) -> None:
    """`migrate` makes the tables; `seed` does so first where they are missing, and may be repeated."""
    house.set.update(DATABASE_URL=empty_database_url)
    said = [house.run(verb) for verb in ("seed", "seed", "migrate")]
    assert [(each.code, each.err) for each in said] == [(0, "")] * 3
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("SELECT count(*) FROM automations").fetchone() == (5,)


KEYS = {
    "status": {
        "": {"status", "progress", "scheduler", "lastCompleted"},
        "status": {"isRunning", "currentImportId", "schedulerInitialized"},
        "scheduler": {"running", "nextRun", "timezone", "jobs"},
        "lastCompleted": {"importId", "completedAt", "totalProcessed", "stats"},
        "lastCompleted.stats": {"conversations", "bookings", "leads", "engaged"},
    },
    "history": {
        "": {"imports"},
        "imports.0": {
            *("id", "trigger", "triggeredBy", "mode", "status", "startedAt", "completedAt", "durationMs"),
            *("recordsPerSecond", "processed", "created", "updated", "unchanged", "deleted", "rejected"),
            *("missed", "retries", "errors", "notes", "stats"),
        },
        "imports.0.stats": {"conversations", "bookings", "leads", "engaged"},
    },
    "stats": {
        "": {"stats", "validation"},
        "stats": {
            *("conversations", "bookings", "leads", "engaged", "bookingRate", "leadRate", "engagementRate"),
            *("clients", "locations", "customers", "automations", "rejected", "firstConversationAt"),
            "lastConversationAt",
        },
        "validation": {"ok", "metrics", "inconsistencies"},
        "validation.metrics.0": {"metric", "expected", "actual", "difference", "differencePercent", "ok"},
        "validation.inconsistencies.0": {"code", "count", "message"},
    },
    "health": {
        "": {"status", "database", "scheduler", "data", "version"},
        "database": {"status"},
        "scheduler": {"status", "nextRun"},
        "data": {"conversations"},
    },
    "test-airtable": {"": {"ok", "source", "table", "fields", "missingFields", "latencyMs"}},
    "test-rules": {"": {"ok", "samples"}, "samples.0": {"name", "cells", "expected", "result", "ok"}},
}


def test_imports_and_their_reports(real: House, standin: StandIn) -> None:
    """One fails, a full one, then what changed; each report prints the object of the spec's section 6."""
    standin.fail(forbidden(), on=1)
    assert real.run("import", "--full").code == 1
    full = real.run("import", "--full", "--notes", "the \udcff first")
    assert full.code == 0
    assert re.search(rf"manual by {BY}\): succeeded in .* 250 processed, 250 created", full.out)
    standin.table.create({"Clinic": "New", "User ID": "new"}, at=standin.now())
    changed = real.run("import", "--incremental")
    assert re.search(r"incremental.* 1 processed, 1 created", changed.out)
    begun = {verb: real.begin(verb, "--json") for verb in KEYS}
    printed = {verb: real.end(process).json for verb, process in begun.items()}
    for verb, parts in KEYS.items():
        # A connection test that does not hold has a code and a message besides.
        found = {path: set(part(printed[verb], path)) - {"code", "message"} for path in parts}
        assert found == {path: keys - {"code", "message"} for path, keys in parts.items()}
    newest, first, failed = printed["history"]["imports"]
    assert (newest["mode"], newest["created"], first["notes"]) == ("incremental", 1, "the \ufffd first")
    assert set(failed["errors"][0]) == {"code", "message"}
    assert printed["status"]["lastCompleted"]["totalProcessed"] == 1
    assert printed["stats"]["stats"]["conversations"] == RECORDS + 1
    assert not printed["stats"]["validation"]["ok"]
    assert printed["health"]["status"] == "ok"


def part(whole: Any, path: str) -> Any:  # noqa: ANN401 (any part of a JSON object)
    """What lies at a dotted path, numbers being places in a list."""
    for name in path.split(".") if path else ():
        whole = whole[int(name)] if name.isdigit() else whole[name]
    return whole


def test_reports_for_people(real: House) -> None:
    """Without `--json` a report is lines; the history may be limited, the newest first."""
    for _ in range(2):
        real.run("import", "--full")
    begun = [real.begin(*words) for words in (("stats",), ("history", "--limit", "1"))]
    stats, history = (real.end(process) for process in begun)
    assert {"Conversations: 250", "Leads: 125 (50.00 % of conversations)"} <= set(stats.out.splitlines())
    assert "Not as expected: conversations, 250 instead of 20,077." in stats.out.splitlines()
    (only,) = history.out.splitlines()
    assert "0 created, 0 updated, 250 unchanged" in only
    # The totals are not those that are expected of the real base, which is an answer and not a failure.
    assert (stats.code, history.code) == (0, 0)


def test_health_says_what_is_wrong(real: House, standin: StandIn) -> None:
    """A person reads beside the report why it is not well; the report is the API's."""
    standin.fail(forbidden(), on=1)
    real.run("import", "--full")
    health = real.run("health")
    assert health.code == 1
    assert "Status: degraded" in health.out.splitlines()
    assert health.err == "Import 1 failed.\n"


def test_health_says_what_postgresql_refuses(real: House) -> None:
    """Tables of an older release are no silence of PostgreSQL's: the reason names the cure."""
    real.run("import", "--full")
    real.run("migrate", "--to", "0002")
    health = real.run("health")
    assert health.code == 1
    assert "Status: down" in health.out
    assert "lacks a column (SQLSTATE 42703). Run `make migrate`." in health.err


def test_sample_records_show_the_rules(house: House) -> None:
    """`test-rules` needs neither source nor database."""
    said = house.run("test-rules", DATABASE_URL="postgresql://127.0.0.1:1/none")
    assert said.code == 0
    assert {line.split()[0] for line in said.out.splitlines()} == {"ok"}


# What Airtable refuses


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"AIRTABLE_API_KEY": "patSECRET.wrong"}, ["AIRTABLE_API_KEY"]),
        ({"AIRTABLE_BASE_ID": "appWrong"}, ["AIRTABLE_BASE_ID", "appWrong"]),
        ({"AIRTABLE_TABLE_NAME": "Talks"}, ["AIRTABLE_TABLE_NAME", "Talks"]),
        ({"AIRTABLE_VIEW": "No such view"}, ["AIRTABLE_VIEW", "No such view"]),
        ({"AIRTABLE_FIELD_PHONE": "Fone"}, ["AIRTABLE_FIELD_PHONE", "Fone"]),
    ],
)
def test_what_airtable_refuses_is_told(real: House, changes: dict[str, str], named: list[str]) -> None:
    """Import and connection test name the setting to mend in one line; exit code 1, the run failed."""
    begun = [real.begin(*words, **changes) for words in (("import", "--full"), ("test-airtable",))]
    imported, tested = (real.end(process) for process in begun)
    assert (imported.code, tested.code) == (1, 1)
    told = imported.err.splitlines()[-1]  # after its progress, where the machine is slow
    assert all(name in told for name in named)
    assert named[0] in tested.out
    (row,) = runs(real.set["DATABASE_URL"])
    assert (row["status"], row["watermark"]) == ("failed", None)
    assert SECRET not in real.logged() + json.dumps(row["errors"])


def test_an_absent_column_may_be_left_out(house: House, database_url: str) -> None:
    """A table without Phone imports with `none`; its connection test names the column before."""
    table = conversations(3)
    table.fields = tuple(held for held in table.fields if held.name != "Phone")
    with StandIn(table) as standin:
        house.set.update(reading(standin), DATABASE_URL=database_url)
        tested = house.run("test-airtable", "--json")
        assert (tested.code, tested.json["missingFields"]) == (1, ["Phone"])
        assert house.run("import", "--full", AIRTABLE_FIELD_PHONE="none").code == 0


def test_changed_booking_years_make_a_full_import(real: House) -> None:
    """An incremental import runs as a full one, and its row says why."""
    real.run("import", "--full")
    assert real.run("import", "--incremental", BOOKING_YEARS="2025,2026").code == 0
    newest, _ = runs(real.set["DATABASE_URL"])
    assert newest["mode"] == "full"
    assert "BOOKING_YEARS" in str(newest["notes"])


def test_how_many_deletions_are_a_mass_is_a_setting(real: House, standin: StandIn) -> None:
    """More than MAX_DELETE_PERCENT are refused, as many are not."""
    real.run("import", "--full")
    records = standin.table.records()
    for record in records[: len(records) // 2]:
        standin.table.delete(record.id)
    assert real.run("import", "--full", MAX_DELETE_PERCENT="49").code == 1
    assert real.run("import", "--full", MAX_DELETE_PERCENT="50").code == 0


# What PostgreSQL refuses


NOWHERE = "postgresql://user:SECRET@127.0.0.1:1/conversations"


def test_a_database_that_cannot_be_had_is_told(house: House, postgres: Postgres) -> None:
    """Wrong host, name and user: one line each that names DATABASE_URL, exit code 1, in whatever verb."""
    no_name = uri(postgres.admin_url, dbname="no_such_database")
    no_user = uri(postgres.admin_url, user="no_such_user", password=SECRET)
    wrong = ((NOWHERE, "migrate"), (NOWHERE, "import --full"), (no_name, "stats"), (no_user, "seed"))
    begun = [house.begin(*words.split(), DATABASE_URL=url) for url, words in wrong]
    ended = [house.end(process) for process in begun]
    assert [(said.code, said.out) for said in ended] == [(1, "")] * len(wrong)
    assert all("DATABASE_URL" in said.complaint for said in ended)
    assert SECRET not in house.logged()


def test_health_of_a_database_that_is_down(house: House) -> None:
    """It answers with the object, says why beside it, and exits 1."""
    said = house.run("health", "--json", DATABASE_URL=NOWHERE)
    assert (said.code, said.json["status"]) == (1, "down")
    assert "DATABASE_URL" in said.complaint


def test_missing_rights_are_told(house: House, postgres: Postgres, empty_database_url: str) -> None:
    """A role that may not make tables is named with what to grant."""
    role = f"test_{uuid4().hex}"
    with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'SECRET'").format(sql.Identifier(role)))
        try:
            said = house.run("migrate", DATABASE_URL=uri(empty_database_url, user=role, password=SECRET))
        finally:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
    assert (said.code, said.out) == (1, "")
    assert "DATABASE_URL lacks rights" in said.complaint


# Running imports


def test_one_import_at_a_time(real: House, standin: StandIn) -> None:
    """While one runs, another is refused with exit code 3 and its id; `cancel` stops it from outside."""
    with held_up(standin):
        running = real.begin("import", "--full")
        until(lambda: writing(real.set["DATABASE_URL"]), "the first batch")
        verbs = (("status", "--json"), ("import", "--full"), ("reset-data", "--yes"))
        begun = [real.begin(*words) for words in verbs]
        status, refused, kept = (real.end(process) for process in begun)
        import_id = status.json["status"]["currentImportId"]
        assert status.json["progress"]["records"] == 100
        assert (refused.code, f"Import {import_id} is running." in refused.complaint) == (3, True)
        assert (kept.code, "An import is running." in kept.complaint) == (3, True)
        assert real.run("cancel").out == f"Import {import_id} was asked to stop.\n"
        ended = real.end(running)
    assert ended.code == 1
    assert f"Cancelled by {BY}." in ended.err
    (row,) = runs(real.set["DATABASE_URL"])
    assert (row["status"], row["created"]) == ("cancelled", 100)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, "cancelled"), (signal.SIGTERM, "interrupted")], ids=str
)
def test_a_signal_ends_an_import(real: House, standin: StandIn, number: int, status: str) -> None:
    """Ctrl-C cancels, a stopped process interrupts; the row says so, and the counters stay."""
    with held_up(standin):
        running = real.begin("import", "--full")
        until(lambda: writing(real.set["DATABASE_URL"]), "the first batch")
        running.send_signal(number)
        ended = real.end(running)
    assert ended.code == 1
    assert ended.err.startswith("Reading all records.")
    (row,) = runs(real.set["DATABASE_URL"])
    assert (row["status"], row["created"], row["watermark"]) == (status, 100, None)


def test_a_terminal_sees_one_line_that_is_drawn_again(real: House, standin: StandIn) -> None:
    """How far a full import is, as a bar; at its end the line is empty."""
    real.run("import", "--full")
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        with held_up(standin, page=5):
            running = real.begin_on(theirs, "import", "--full")
            os.close(theirs)
            drawn = b""
            while b" records" not in drawn:
                drawn += terminal.read(1000)
        assert real.end(running).code == 0
    assert re.search(rb"\r\x1b\[K\[#+\.+\]  \d\d% Reading all records\. 1?00 records", drawn)


@pytest.mark.parametrize("words", [("test-rules",), ("test-rules", "--json")])
def test_a_reader_that_goes_away_is_no_fault(house: House, words: tuple[str, ...]) -> None:
    """As `| head` does, after little or much: no traceback, exit code 1."""
    process = house.begin(*words)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    said = house.end(process)
    assert (said.code, said.err) == (1, "")


def test_a_command_that_waits_can_be_stopped(real: House, standin: StandIn) -> None:
    """SIGTERM ends it at once and without a word."""
    standin.fail(silence(), on=is_page)
    process = real.begin("test-airtable")
    until(lambda: standin.seen, "the question")
    process.terminate()
    said = real.end(process)
    assert (said.code, said.out, said.err) == (1, "", "")


# Sources


@pytest.mark.parametrize("words", ["import --full", "import --incremental", "start"])
@pytest.mark.parametrize("demo", [True, False], ids=["demo", "real"])
def test_a_database_holds_one_source(
    house: House, standin: StandIn, database_url: str, words: str, *, demo: bool
) -> None:
    """Demo and real data don't mix: exit code 2, both named with the cures, and nothing is written."""
    base = f"base {standin.base_id}, table Conversations at {standin.url}"
    house.set.update({} if demo else reading(standin), DATABASE_URL=database_url, PORT="18501")
    with psycopg.connect(database_url) as connection:
        held = base if demo else "demo"
        connection.execute("INSERT INTO data_source (identity, recorded_at) VALUES (%s, now())", [held])
    said = house.run(*words.split())
    assert said.code == 2
    line = said.err.splitlines()[-1]
    assert all(name in line for name in (base, "demo", "reset-data --yes", "DATABASE_URL"))
    assert (runs(database_url), standin.seen) == ([], [])


def test_a_database_may_be_emptied_for_another_source(real: House) -> None:
    """`reset-data --yes` deletes all that was imported, and no seed; then any source may come."""
    real.run("import", "--full")
    assert real.run("reset-data", "--yes").code == 0
    with psycopg.connect(real.set["DATABASE_URL"]) as connection:
        seeded = connection.execute("SELECT name FROM automations").fetchall()
    assert {name for (name,) in seeded} == set(SEEDED_AUTOMATIONS)
    assert runs(real.set["DATABASE_URL"]) == []
    assert real.run("import", "--full", AIRTABLE_VIEW="Grid view").code == 0


def test_from_the_demo_to_a_real_base_and_back(house: House, standin: StandIn) -> None:
    """Setting the key is all it takes, and taking it away; the two lie in databases of their own."""
    pid_file = house.root / ".data/postgres/cluster/postmaster.pid"
    assert house.run("import", "--full").code == 0
    demo = house.run("stats", "--json").json["stats"]
    figures = ("conversations", "bookings", "leads", "engaged", "bookingRate", "leadRate", "engagementRate")
    assert [demo[name] for name in figures] == [20077, 3122, 13908, 7910, 15.55, 69.27, 39.4]
    with EmbeddedServer(house.root / ".data"):  # so that not each of these commands starts and stops it
        house.write_env(reading(standin))
        assert house.run("stats").code == 1
        assert house.run("import", "--incremental").code == 0
        assert house.run("stats", "--json").json["stats"]["conversations"] == RECORDS
    house.write_env({})
    assert house.run("stats", "--json").json["stats"] == demo
    assert not pid_file.exists()


def test_a_stopped_command_leaves_no_server(house: House, standin: StandIn) -> None:
    """SIGTERM in the middle of an import on the embedded server: it stops with its last user."""
    with held_up(standin):
        running = house.begin("import", "--full", DATA_DIR="stopped", **reading(standin))
        until(lambda: len(standin.pages()) > 1, "the second page")
        running.terminate()
        assert house.end(running).code == 1
    assert (house.root / "stopped/postgres/cluster/PG_VERSION").exists()
    assert not (house.root / "stopped/postgres/cluster/postmaster.pid").exists()


# Log files


def test_log_files_hold_events_and_nobody(real: House, standin: StandIn) -> None:
    """One JSON object a line with event and import; no token, contact, User ID or cell in any file."""
    standin.table.create({"Clinic": "Lost Clinic", "Name": "Nobody Known"}, at=standin.now())
    assert real.run("import", "--full").code == 0
    assert real.run("import", "--full", AIRTABLE_API_KEY="patSECRET.wrong").code == 1
    files = {path.name: path.read_text(encoding="utf-8") for path in (real.root / "logs").glob("*.log")}
    assert set(files) >= LOG_FILES
    lines = [json.loads(line) for text in files.values() for line in text.splitlines()]
    assert all(line["event"] and line["import_id"] for line in lines if line["topic"].startswith("import"))
    assert {line["level"] for line in map(json.loads, files["error.log"].splitlines())} == {"error"}
    assert "missing_user_id" in files["import-detailed.log"]
    telling = (
        "person1@",
        "Person 1",
        "555-01",
        "user-1",
        "Clinic 1",
        "Lost Clinic",
        "Nobody Known",
        standin.token,
    )
    assert [word for word in (*telling, SECRET) if word in "".join(files.values())] == []


# The slowest last: its six tries take seconds, which pass while the others run.


@pytest.fixture(scope="module", autouse=True)
def unreachable(built: House, postgres: Postgres, template_database: str) -> Iterator[subprocess.Popen[str]]:
    """An import from where nobody listens, begun before the first test."""
    with postgres.database(template_database) as url:
        variables = {"AIRTABLE_API_KEY": "patSECRET", "AIRTABLE_BASE_ID": "appX"}
        nobody = {
            "AIRTABLE_ENDPOINT_URL": "http://127.0.0.1:1",
            "DATABASE_URL": url,
            "LOG_DIR": "logs-of-nobody",
        }
        process = built.begin("import", "--full", **variables, **nobody)
        built.begun.remove(process)
        yield process
        process.kill()
        process.communicate()


def test_an_unreachable_host_is_told(built: House, unreachable: subprocess.Popen[str]) -> None:
    """Nobody listens at the endpoint: tried often enough, it is one line that names the setting."""
    built.begun.append(unreachable)
    said = built.end(unreachable)
    assert said.code == 1
    assert "http://127.0.0.1:1 cannot be reached" in said.err.splitlines()[-1]
    assert "AIRTABLE_ENDPOINT_URL" in said.err.splitlines()[-1]
