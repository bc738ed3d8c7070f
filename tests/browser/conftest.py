"""One server, one database and one browser for all tests of this folder; contexts of their own for each."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.chromium import running_chromium
from tests.support.postgres import Postgres
from tests.support.server import running_server, status
from tests.support.standin import START, StandIn, conversations
from tests.support.waiting import until

RECORDS = 300
# A deadline, not a pause: a busy machine takes ten seconds to draw a page.
PATIENCE_MILLISECONDS = 30_000
EXPECTED = {
    "EXPECTED_CONVERSATIONS": "300",
    "EXPECTED_BOOKINGS": "60",
    "EXPECTED_LEADS": "150",
    "EXPECTED_ENGAGED": "100",
}

COUNT_CLICKS = """
    addEventListener("click", () => sessionStorage.clicks = 1 + Number(sessionStorage.clicks ?? 0), true)
"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The machine's Chromium."""
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def standin() -> Iterator[StandIn]:
    """300 conversations of two weeks at the start of the year, in a source whose clock is this machine's."""
    table = conversations(RECORDS)
    for index, record in enumerate(table.records()):
        moment = START - timedelta(days=14) + timedelta(hours=index)
        table.update(record.id, {"Conversation Date": moment.isoformat()}, at=START)
    with StandIn(table, now=datetime.now(UTC)) as standin:
        yield standin


@pytest.fixture(scope="session")
def database(postgres: Postgres, template_database: str) -> Iterator[str]:
    """The server's database."""
    with postgres.database(template_database) as url:
        yield url


@pytest.fixture(scope="session")
def address(database: str, standin: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's address, once its startup import has ended."""
    folder: Path = tmp_path_factory.mktemp("server")
    with running_server(database, standin, folder, **EXPECTED) as address:
        until(lambda: bool(status(address)["lastCompleted"]), "the startup import's end")
        yield address


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Open a page as a first visit, in a context of its own, and wait for its title.

    It counts the clicks (`clicks`), and its clock can be put forward (`page.clock`).
    """
    contexts = []

    def open_one(path: str = "/", asked: list[str] | None = None, **options: Any) -> Page:  # noqa: ANN401 (any of a context's)
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        if asked is not None:
            page.on("request", lambda request: asked.append(request.url))
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.add_init_script(COUNT_CLICKS)
        page.clock.install()
        page.goto(address + path)
        page.get_by_role("heading", level=1).wait_for()
        return page

    yield open_one
    for context in contexts:
        context.close()
