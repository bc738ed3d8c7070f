"""Imports beside whatever else this process does: begun one at a time, ended with the process."""

import threading
from collections.abc import Callable

from core.control import Control
from core.errors import StoppingError
from core.importer import Import, Order

# An import that is asked to stop ends within its current batch; its row is told at the next start otherwise.
STOP_SECONDS = 4.0
# One that is just beginning is waited for, so that it can be asked at all.
BEGINNING_SECONDS = 2.0


class Background:
    """This process's own imports; every method may be called from any thread."""

    def __init__(
        self,
        begin: Callable[[Order, Control], Import],
        over: Callable[[], None],
        closing: threading.Event,
    ) -> None:
        """`begin` takes the lock and makes the run's row, `over` follows each import's end.

        Nothing is begun any more once `closing` is set.
        """
        self._begin = begin
        self._over = over
        self._closing = closing
        self._lock = threading.Lock()
        self._running: tuple[Control, threading.Thread] | None = None

    def launch(self, order: Order) -> Import:
        """Begin an import and run it; its row exists when this returns.

        Raises:
            StoppingError: this process is being stopped.
            ImportRunningError, SourceMismatchError, DatabaseError: as `Import.begin` does.
        """
        control = Control()
        with self._lock:
            if self._closing.is_set():
                raise StoppingError
            run = self._begin(order, control)
            thread = threading.Thread(
                target=self._run_and_tell, args=(run,), name=f"import-{run.import_id}", daemon=True
            )
            self._running = (control, thread)
            thread.start()
        return run

    def interrupt(self) -> None:
        """End this process's own import, as interrupted, and wait until its row says so."""
        if self._lock.acquire(timeout=BEGINNING_SECONDS):
            self._lock.release()
        if self._running is not None:
            control, thread = self._running
            control.interrupt()
            thread.join(STOP_SECONDS)

    def _run_and_tell(self, run: Import) -> None:
        run.run()
        self._over()
