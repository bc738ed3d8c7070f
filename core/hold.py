"""The hold that one run has on the database: the connection that owns the lock, regained when lost."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from core import runs
from core.clock import Clock
from core.database import (
    BEGINNING_LOCK,
    Fault,
    fault,
    lock_for_transaction,
    sqlstate,
    try_lock,
    unlock,
)
from core.errors import ImportRunningError, LostRunError
from core.log import Log

# The database may be away this long before the run gives up; a restart takes seconds.
PATIENCE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 5.0

# A batch looks up a hundred keys in tables that begin empty: a plan made for empty tables must still be
# right when they are full. So every look-up goes through its index, row by row, whatever the statistics say,
# and a plan is made once; made anew for each batch, the foreign keys' own look-ups would be planned for
# each row.
_OFF = ("seqscan", "bitmapscan", "hashjoin", "mergejoin", "material")
PLANNING = text(
    "SELECT set_config('plan_cache_mode', 'force_generic_plan', false), "
    + ", ".join(f"set_config('enable_{way}', 'off', false)" for way in _OFF)
)

T = TypeVar("T")
log = Log("import")


class Hold:
    """One connection with the import's lock; not shared between threads."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        pause: Callable[[float], object],
        opened: Callable[[Connection], None],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """`opened` prepares each connection; `pause` waits some seconds, and may raise to end the run."""
        self._engine = engine
        self._clock = clock
        self._pause = pause
        self._opened = opened
        self._patience_seconds = patience_seconds
        self._connection: Connection | None = None

    def take(self, begin: Callable[[Connection], None] = lambda _: None) -> Connection:
        """Take the lock on a new connection, and `begin` in the same transaction.

        Raises:
            ImportRunningError: another import holds it.
        """
        connection = self._connection = self._engine.connect()
        try:
            connection.detach()  # it ends with the hold, and its settings and temporary table with it
            with connection.begin():
                connection.execute(PLANNING)
                # Whoever is refused waits here until the row of whoever was not is there to be named.
                lock_for_transaction(connection, BEGINNING_LOCK)
                _lock_or_name(connection)
                begin(connection)
            self._opened(connection)
        except BaseException:
            self.release()
            raise
        return connection

    def transact(self, work: Callable[[Connection], T], done_already: Callable[[Connection], T | None]) -> T:
        """Do `work` in one transaction, again with backoff while the database's fault looks passing.

        Before a repetition `done_already` tells whether the try before was committed after all, its
        answer alone being lost.

        Raises:
            DBAPIError: the fault is a record's, lasting, or lasted longer than the patience.
            LostRunError: another import has begun meanwhile.
        """
        began, tries = self._clock.monotonic(), 0
        while True:
            try:
                connection = self._regained()
                with connection.begin():
                    if tries and (done := done_already(connection)) is not None:
                        return done
                    return work(connection)
            except (DBAPIError, ImportRunningError) as error:
                over = self._clock.monotonic() - began > self._patience_seconds
                self._give_up_or_not(error, over=over)
            tries += 1
            self._pause(min(0.1 * 2**tries, LONGEST_PAUSE_SECONDS))

    def release(self) -> None:
        """Give the lock back and end the connection; never raises."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with suppress(DBAPIError):  # a dead connection has given its lock back
            if not connection.invalidated:
                # At once: the server notices the connection's end a moment later.
                with connection.begin():
                    unlock(connection)
        with suppress(DBAPIError):
            connection.close()

    def _regained(self) -> Connection:
        """The connection, made anew with the lock where it was lost."""
        if self._connection is not None and self._connection.invalidated:
            self._connection.close()
            self._connection = None
        return self._connection or self.take()

    def _give_up_or_not(self, error: DBAPIError | ImportRunningError, *, over: bool) -> None:
        """Raise where trying again makes no sense; the half-dead session of a lost one may hold the lock."""
        if isinstance(error, ImportRunningError):
            if over:
                raise LostRunError from error
            return
        if over or fault(error) is not Fault.PASSING:
            raise error
        log.warning("database_away", sqlstate=sqlstate(error))


def _lock_or_name(connection: Connection) -> None:
    if not try_lock(connection):
        running = runs.running_id(connection)
        named = f"Import {running}" if running else "Another import"
        raise ImportRunningError(f"{named} is running. Wait for its end, or cancel it.", running)
