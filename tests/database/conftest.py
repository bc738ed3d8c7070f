"""What several tests with a database work with; `standin` is each file's own."""

from collections.abc import Iterator

import pytest

from core.database import engine
from tests.support.imports import Importing, importing
from tests.support.schedule import Office
from tests.support.standin import StandIn


@pytest.fixture
def product(standin: StandIn, database_url: str) -> Iterator[Importing]:
    """The importer between the file's Airtable and an empty database."""
    with importing(standin, database_url) as ready:
        yield ready


@pytest.fixture
def office(database_url: str) -> Iterator[Office]:
    """An office on a database of the test's own."""
    made = engine(database_url)
    yield Office(made)
    made.dispose()
