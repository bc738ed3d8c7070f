"""Backups by PostgreSQL's own programs: what comes back is whole, and imports go on where they were."""

import getpass
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from core.embedded import EmbeddedServer
from core.migration import migrate
from core.runs import Status
from tests.support.commands import new_house, reading
from tests.support.comparison import differences
from tests.support.imports import importing
from tests.support.postgres import new_folder, program
from tests.support.standin import StandIn, conversations

RECORDS, REJECTED = 250, 3


def run(name: str, *words: str) -> None:
    """Run one of them to its end; it must have nothing to say."""
    ended = subprocess.run([program(name), *words], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.fixture
def source() -> Iterator[StandIn]:
    """Airtable with conversations of which some are rejected."""
    with StandIn(conversations(RECORDS)) as running:
        for record in running.table.records()[:REJECTED]:
            running.table.update(record.id, {"Clinic": None}, at=running.now())
        yield running


@pytest.fixture
def restored_url() -> Iterator[str]:
    """An empty database on a server of its own."""
    with new_folder() as folder, EmbeddedServer(folder) as server:
        yield server.ensure_database("jointchiro")


def everything(url: str) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    with psycopg.connect(url) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rows = sql.SQL("SELECT row_to_json(t)::text FROM {} t ORDER BY 1")
        return {
            name: [row for (row,) in connection.execute(rows.format(sql.Identifier(name)))]
            for (name,) in names
        }


def edit(source: StandIn) -> None:
    """An hour later a record comes, and another one changes."""
    source.advance(3600)
    last = source.table.records()[-1]
    source.table.create(last.cells, at=source.now())
    source.table.update(last.id, {"Clinic": "Another Clinic"}, at=source.now())


def test_a_dump_restored_into_an_empty_server_is_whole(
    database_url: str, restored_url: str, source: StandIn, tmp_path: Path
) -> None:
    """Every row of every table; the next incremental import goes on from there and ends with the source."""
    dump = str(tmp_path / "backup.dump")
    with importing(source, database_url) as product:
        assert product.full().status is Status.SUCCEEDED
    run("pg_dump", "--format=custom", f"--file={dump}", database_url)
    run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={restored_url}", dump)
    held = everything(restored_url)
    assert held == everything(database_url)
    assert len(held["conversations"]) == RECORDS - REJECTED
    edit(source)
    migrate(restored_url)
    with importing(source, restored_url) as product:
        ended = product.incremental()
        row = product.row(ended.import_id)
    assert (row["mode"], row["created"], row["updated"]) == ("incremental", 1, 1)
    assert differences(source.table, restored_url) == []


def test_a_copied_data_folder_is_whole(source: StandIn) -> None:
    """The embedded server's folder, copied while nothing runs, is taken up by another installation."""
    with new_house() as first, new_house() as second:
        for house in (first, second):
            house.set.update(reading(source))
        assert first.run("import", "--full").code == 0
        subprocess.run(["cp", "--archive", first.root / ".data", second.root / ".data"], check=True)
        edit(source)
        said = second.run("import", "--incremental")
        assert said.out.startswith(f"Import 2 (incremental, manual by cli:{getpass.getuser()}): succeeded")
        stats = second.run("stats", "--json").json["stats"]
        assert stats["conversations"] == RECORDS - REJECTED + 1
