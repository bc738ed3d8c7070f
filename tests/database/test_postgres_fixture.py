"""The databases that tests get."""

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support.postgres import Postgres


@pytest.mark.parametrize(
    ("admin_url", "url"),
    [
        ("postgresql://me@/postgres?host=%2Ftmp&port=1", "postgresql://me@/x?host=%2Ftmp&port=1"),
        ("postgres://me:secret@host:1/postgres", "postgres://me:secret@host:1/x"),
        ("postgresql:///postgres?host=/tmp", "postgresql:///x?host=/tmp"),
        ("postgresql://host", "postgresql://host/x"),
    ],
)
def test_url(admin_url: str, url: str) -> None:
    """Only the database changes, whatever form the server's URI has."""
    assert Postgres(admin_url).url("x") == url
    assert conninfo_to_dict(url) == {**conninfo_to_dict(admin_url), "dbname": "x"}


def test_empty_database_is_dropped(postgres: Postgres) -> None:
    """A test's database holds nothing at first and is gone afterwards, also where a connection is left."""
    with postgres.database() as url:
        left = psycopg.connect(url)
        tables = left.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert tables.fetchone() == (0,)
    left.close()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_clone_holds_what_its_template_holds(postgres: Postgres) -> None:
    """A clone begins as its template is, and changes nothing in it."""
    with postgres.database() as template:
        with psycopg.connect(template) as connection:
            connection.execute("CREATE TABLE made AS SELECT 1 AS one")
        name = str(conninfo_to_dict(template)["dbname"])
        for _ in range(2):
            with postgres.database(name) as clone, psycopg.connect(clone) as connection:
                assert connection.execute("SELECT count(*) FROM made").fetchone() == (1,)
                connection.execute("INSERT INTO made VALUES (2)")
