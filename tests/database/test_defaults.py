"""Databases that were made with other defaults than ours: any PostgreSQL will do (spec, section 4)."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from core.errors import DatabaseError
from core.migration import migrate
from core.queries import REVISION
from core.service import Service
from core.settings import load
from tests.support.comparison import differences
from tests.support.imports import importing
from tests.support.postgres import Postgres
from tests.support.standin import START, StandIn, conversations

NAMES = {"Clinic": "Rückgrat 脊椎 🦴", "User ID": "Ünï"}


@pytest.fixture
def made(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URI of an empty database in the encoding that the test asks for."""
    name = f"encoded_{request.param.lower()}"
    statement = "CREATE DATABASE {} ENCODING {} LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
    with psycopg.connect(postgres.admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL(statement).format(sql.Identifier(name), request.param))
    try:
        yield postgres.url(name)
    finally:
        postgres.drop(name)


def compared(standin: StandIn, url: str) -> list[str]:
    """The differences, read by a connection that understands what it reads."""
    return differences(standin.table, psycopg.conninfo.make_conninfo(url, client_encoding="utf8"))


@pytest.mark.parametrize("made", ["SQL_ASCII"], indirect=True)
def test_a_database_without_an_encoding(made: str) -> None:
    """What `initdb` makes in the locale C holds any text too."""
    migrate(made)
    with StandIn(conversations(5)) as standin, importing(standin, made) as product:
        standin.table.create(NAMES, at=START)
        product.full()
        assert compared(standin, made) == []


@pytest.mark.parametrize("made", ["LATIN1"], indirect=True)
def test_a_database_that_cannot_hold_all_text_is_refused(made: str) -> None:
    """One line names the encoding, before the first record would be refused."""
    with pytest.raises(DatabaseError, match=r"encoded in LATIN1"):
        migrate(made)


@pytest.mark.parametrize("made", ["LATIN1"], indirect=True)
def test_a_backup_in_a_database_that_cannot_hold_all_text_is_refused(made: str, tmp_path: Path) -> None:
    """Tables that are as they should be, restored into such a database, do not hide its encoding."""
    with psycopg.connect(made) as connection:
        connection.execute("CREATE TABLE import_logs (); CREATE TABLE data_source (identity text)")
        connection.execute(f"CREATE TABLE alembic_version AS SELECT '{REVISION}' AS version_num")
    known = load({"DATABASE_URL": made, "LOG_DIR": str(tmp_path)}, tmp_path / "none")
    with Service(known) as service, pytest.raises(DatabaseError, match=r"encoded in LATIN1"):
        service.prepare()


@pytest.mark.parametrize("default", ["datestyle = 'SQL, DMY'", "client_encoding = 'LATIN1'"])
def test_a_databases_own_defaults_do_not_matter(database_url: str, default: str) -> None:
    """Moments and text are read and written whatever form sessions have by default."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET {}").format(name, sql.SQL(default)))
    with StandIn(conversations(5)) as standin, importing(standin, database_url) as product:
        standin.table.create(NAMES, at=START)
        product.full()
        product.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(name).as_string())
        assert compared(standin, database_url) == []
