"""Health in milliseconds: asked on a connection of its own, remembered briefly, never waited for long.

A database that hangs keeps the one asking thread, not those who ask: the first waits two seconds, and from
then on all are told `down` almost at once, until it answers again (spec, section 6).
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future

from core.clock import Clock
from core.reports import HealthReport

REMEMBER_SECONDS = 1.0
PATIENCE_SECONDS = 2.0
# Enough for a database that is well again.
DOWN_PATIENCE_SECONDS = 0.1


class Pulse:
    """At most one question at a time, whoever asks how often; one more after each `forget`."""

    def __init__(self, feel: Callable[[], HealthReport], down: HealthReport, clock: Clock) -> None:
        """`feel` asks the database, and may take long."""
        self._feel = feel
        self._down = down
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: Future[HealthReport] | None = None
        self._asked_at = 0.0
        self._patience = PATIENCE_SECONDS

    async def health(self) -> HealthReport:
        """The health, at most a second old; `down` where the database has not answered in two."""
        answer, left = self._answer()
        if answer.done():
            return answer.result()
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(answer)), left)
        except TimeoutError:
            self._patience = DOWN_PATIENCE_SECONDS
            return self._down

    def forget(self) -> None:
        """Ask anew for whoever comes now: this process has just changed what the health tells."""
        with self._lock:
            self._asked = None

    def _answer(self) -> tuple[Future[HealthReport], float]:
        """The question that is still fresh or under way, or a new one; and how long to wait for it."""
        now = self._clock.monotonic()
        with self._lock:
            asked, age = self._asked, now - self._asked_at
            if asked is None or (asked.done() and age > REMEMBER_SECONDS):
                asked, age = Future(), 0.0
                self._asked, self._asked_at = asked, now
                threading.Thread(target=self._ask, args=(asked,), name="pulse", daemon=True).start()
        return asked, max(self._patience - age, 0.0)

    def _ask(self, answer: Future[HealthReport]) -> None:
        try:
            found = self._feel()
            self._patience = DOWN_PATIENCE_SECONDS if found.status == "down" else PATIENCE_SECONDS
            answer.set_result(found)
        except BaseException as error:  # noqa: BLE001 (handed to whoever waits for the answer)
            answer.set_exception(error)
