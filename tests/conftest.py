"""What every test may ask for: a PostgreSQL, and databases of its own."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.postgres import Postgres, running_postgres

# How long an example takes says something of the machine, not of the product.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server that `TEST_DATABASE_URL` names, or an embedded one."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def template_database(postgres: Postgres) -> Iterator[str]:
    """The name of a migrated, empty database: clone it, never connect to it."""
    from core.migration import migrate  # noqa: PLC0415 - the server's own tests need no tables

    name = postgres.create()
    try:
        migrate(postgres.url(name))
        yield name
    finally:
        postgres.drop(name)


@pytest.fixture
def database_url(postgres: Postgres, template_database: str) -> Iterator[str]:
    """The libpq URI of a migrated, empty database of the test's own."""
    with postgres.database(template_database) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres: Postgres) -> Iterator[str]:
    """The libpq URI of a database of the test's own without any table."""
    with postgres.database() as url:
        yield url
