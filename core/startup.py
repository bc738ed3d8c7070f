"""The import that a server begins with, in the background; another process's import may stand for it."""

import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from core import queries, runs
from core.errors import DatabaseError, ImportRunningError, ProductError
from core.importer import Order
from core.log import Log
from core.runs import Mode, Status, Trigger

# How often it is looked whether the import has ended.
WATCH_SECONDS = 0.2

T = TypeVar("T")
log = Log("server")


class Office(Protocol):
    """What the startup import needs of the service."""

    def ask(self, question: Callable[[Connection], T]) -> T:
        """Answer one question from the database."""

    def start_import(self, order: Order) -> int:
        """Begin an import in the background; answers its id."""


class StartupImport:
    """Begun once; whoever wants to know how it went waits for it."""

    def __init__(self, office: Office, closing: threading.Event) -> None:
        """Nothing is begun yet; once `closing` is set, nothing is waited for any more."""
        self._office = office
        self._closing = closing
        self._fault: str | None = None
        self._thread = threading.Thread(target=self._run, name="startup", daemon=True)

    def begin(self) -> None:
        """Begin it; never raises, whatever becomes of it."""
        self._thread.start()

    def wait(self) -> str | None:
        """Wait until it has ended; why it did not succeed, null where it did."""
        self._thread.join()
        return self._fault

    def _run(self) -> None:
        """Import, or take another process's import for it where that one succeeds."""
        order = Order(Mode.INCREMENTAL, Trigger.STARTUP, "startup")
        own = False
        while not own:
            try:
                import_id: int | None = self._office.start_import(order)
                own = True
            except ImportRunningError as error:
                import_id = error.import_id
            except ProductError as error:
                log.failure("startup_import_not_begun", error, code=error.code)
                self._fault = error.message
                return
            self._fault = self._fault_of(import_id, own=own)
            own = own or self._fault is None

    def _fault_of(self, import_id: int | None, *, own: bool) -> str | None:
        """Wait for an import's end; why it did not succeed, null where it did.

        Another process's run without its lock may be dead. This process's own is regaining its connection,
        and its row says how it ends.
        """
        while True:
            try:
                running = self._office.ask(queries.running)
                row = self._office.ask(lambda connection: queries.run(connection, import_id or 0))
            except DatabaseError as error:
                return error.message
            if row is not None and row["status"] == Status.SUCCEEDED:
                return None
            regaining = own and row is not None and row["status"] == Status.RUNNING
            if not regaining and (row is None or running is None or running["id"] != import_id):
                errors = (row["errors"] if row is not None else []) or [runs.DIED]
                return str(errors[-1]["message"])
            if self._closing.wait(WATCH_SECONDS):
                return "The server was stopped before the import's end was known."
