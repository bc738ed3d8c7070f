"""The hold that one run has on the database: the connection that owns the lock, regained when lost."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from core import runs
from core.clock import Clock
from core.database import Fault, fault, sqlstate, try_lock, unlock
from core.errors import ImportRunningError, LostRunError
from core.log import Log

# The database may be away this long before the run gives up; a restart takes seconds.
PATIENCE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 5.0

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
    ) -> None:
        """`opened` prepares each connection; `pause` waits some seconds, and may raise to end the run."""
        self._engine = engine
        self._clock = clock
        self._pause = pause
        self._opened = opened
        self._connection: Connection | None = None

    def take(self) -> Connection:
        """Take the lock on a new connection.

        Raises:
            ImportRunningError: another import holds it.
        """
        connection = self._engine.connect()
        self._connection = connection
        with connection.begin():
            locked = try_lock(connection)
            running = None if locked else runs.running_id(connection)
        if not locked:
            self.release()
            named = f"Import {running}" if running else "Another import"
            raise ImportRunningError(f"{named} is running. Wait for its end, or cancel it.", running)
        self._opened(connection)
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
                over = self._clock.monotonic() - began > PATIENCE_SECONDS
                self._give_up_or_not(error, over=over)
            tries += 1
            self._pause(min(0.1 * 2**tries, LONGEST_PAUSE_SECONDS))

    def release(self) -> None:
        """Give the lock back and the connection up; never raises."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if not connection.invalidated:
                with connection.begin():
                    unlock(connection)
        except DBAPIError:
            connection.invalidate()  # a dead connection has given its lock back
        finally:
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
