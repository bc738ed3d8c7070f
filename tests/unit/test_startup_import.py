"""What a startup import says where it cannot be begun, or nobody can say how it went."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from core import queries
from core.errors import DatabaseUnavailableError, ProductError, SourceMismatchError
from core.importer import Order
from core.startup import StartupImport


class Office:
    """A service whose imports begin, or not, and whose database answers, or not."""

    def __init__(self, begins: ProductError | None, answers: ProductError | None) -> None:
        """What goes wrong."""
        self._begins = begins
        self._answers = answers
        self.closing = threading.Event()

    def ask(self, question: Callable[[Any], Any]) -> Any:  # noqa: ANN401 (any answer)
        """The import runs, until the server is told to stop."""
        if self._answers is not None:
            raise self._answers
        self.closing.set()
        return {"id": 7, "status": "running", "errors": [], "asked": question}

    def start_import(self, _: Order) -> int:
        """Its id."""
        if self._begins is not None:
            raise self._begins
        return 7


@pytest.mark.parametrize(
    ("begins", "answers", "said"),
    [
        (SourceMismatchError("Another source."), None, "Another source."),
        (None, DatabaseUnavailableError("No database."), "No database."),
        (None, None, "The server was stopped before the import's end was known."),
    ],
)
def test_whoever_waits_is_told_why(
    begins: ProductError | None, answers: ProductError | None, said: str
) -> None:
    """An import refused, a database lost, a server told to stop: waiting ends with a sentence."""
    office = Office(begins, answers)
    startup = StartupImport(office, office.closing)
    startup.begin()
    assert startup.wait() == said


class Regaining:
    """A service whose import has just lost its connection, and the lock with it, but succeeds."""

    def __init__(self) -> None:
        """What its row says, one look after the other."""
        self.told = ["running", "running", "succeeded"]

    def ask(self, question: Callable[[Any], Any]) -> Any:  # noqa: ANN401 (any answer)
        """Nobody holds the lock; the row says how the run stands."""
        return None if question is queries.running else {"id": 7, "status": self.told.pop(0), "errors": []}

    def start_import(self, _: Order) -> int:
        """Its id."""
        return 7


def test_an_import_that_regains_its_connection_is_waited_for() -> None:
    """A lock that is lost for a moment is no death of this process's own import."""
    office = Regaining()
    startup = StartupImport(office, threading.Event())
    startup.begin()
    assert startup.wait() is None
    assert office.told == []
