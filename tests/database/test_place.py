"""Where data may lie: one source a database, and the demo only where nothing else is."""

from pathlib import Path

import psycopg
import pytest

from core.errors import SourceMismatchError
from core.service import Service
from core.settings import Settings, load

REAL = {"AIRTABLE_API_KEY": "patTest", "AIRTABLE_BASE_ID": "appTest"}


def settings(url: str, folder: Path, **values: str) -> Settings:
    """Settings for one database; without a key they are the demo's."""
    return load({"DATABASE_URL": url, "LOG_DIR": str(folder), **values}, folder / "none")


def execute(url: str, statement: str, *values: str) -> None:
    """Change the database directly."""
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode(), values)


def tables(url: str) -> list[str]:
    """The tables of the schema public."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return [name for (name,) in rows]


def test_the_demo_starts_in_an_empty_database(empty_database_url: str, tmp_path: Path) -> None:
    """Without a key, an empty database is made ready for the demo, and stays so."""
    with Service(settings(empty_database_url, tmp_path)) as service:
        service.prepare()
        service.prepare()
    assert "conversations" in tables(empty_database_url)


def test_the_demo_starts_where_all_tables_were_taken_back(empty_database_url: str, tmp_path: Path) -> None:
    """`migrate --to base` leaves an empty database, not one that looks like another program's."""
    with Service(settings(empty_database_url, tmp_path)) as service:
        service.migrate_to("base")
        assert tables(empty_database_url) == []
        service.prepare()
        service.migrate_to("base")
        assert tables(empty_database_url) == []
        service.prepare()
    assert "conversations" in tables(empty_database_url)


def test_the_demo_refuses_another_programs_database(empty_database_url: str, tmp_path: Path) -> None:
    """Without a key, a database with somebody else's tables is left as it is; the message has the cure."""
    execute(empty_database_url, "CREATE TABLE invoices (id int)")
    with (
        Service(settings(empty_database_url, tmp_path)) as service,
        pytest.raises(SourceMismatchError, match="AIRTABLE_API_KEY, or another DATABASE_URL"),
    ):
        service.prepare()
    assert tables(empty_database_url) == ["invoices"]


def test_a_real_source_may_share_a_database(empty_database_url: str, tmp_path: Path) -> None:
    """With a key, other tables in the database do not matter."""
    execute(empty_database_url, "CREATE TABLE invoices (id int)")
    with Service(settings(empty_database_url, tmp_path, **REAL)) as service:
        service.prepare()
    assert "conversations" in tables(empty_database_url)


@pytest.mark.parametrize(("held", "values"), [("demo", REAL), ("base appOther", REAL), ("base appOther", {})])
def test_another_source_is_refused_before_anything_is_written(
    database_url: str, tmp_path: Path, held: str, values: dict[str, str]
) -> None:
    """A start on another source's database changes nothing, not even a dead run's row, and names both."""
    execute(database_url, "INSERT INTO data_source (identity, recorded_at) VALUES (%s, now())", held)
    execute(
        database_url,
        "INSERT INTO import_logs (trigger, triggered_by, mode, status, started_at)"
        " VALUES ('manual', 'api', 'full', 'running', now())",
    )
    with Service(settings(database_url, tmp_path, **values)) as service:
        with pytest.raises(SourceMismatchError, match="reset-data --yes") as refused:
            service.prepare()
        assert service.settings.source in refused.value.message
    assert held in refused.value.message
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT status FROM import_logs").fetchall() == [("running",)]
