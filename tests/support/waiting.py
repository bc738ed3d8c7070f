"""Waiting in tests: for a state, with a deadline, never for a length of time."""

import threading
import time
from collections.abc import Callable

import psycopg

from core.errors import ImportRunningError
from core.importer import Ended
from tests.support.imports import Importing

DEADLINE_SECONDS = 60.0
PAUSE_SECONDS = 0.01


def until(condition: Callable[[], object], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Come back when the condition holds; fail where it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        threading.Event().wait(PAUSE_SECONDS)


def full_once_free(product: Importing) -> Ended:
    """A full import, as soon as the server has noticed that a lost connection, with the lock, is gone."""
    ended: list[Ended] = []

    def tried() -> bool:
        try:
            ended.append(product.full(allow_mass_delete=True))
        except ImportRunningError:
            return False
        return True

    until(tried, "the lock of a lost connection")
    return ended[0]


def cut_connections(url: str) -> None:
    """Let the server end every other connection to this database, and wait until they are gone."""
    others = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    with psycopg.connect(url, autocommit=True) as own:
        until(lambda: own.execute(others).fetchall() == [], "the end of all connections")
