"""One answer for all who ask within a moment: fifty open pages then ask the database twice a second."""

from collections.abc import Callable
from typing import Generic, TypeVar

from core.clock import Clock

REMEMBER_SECONDS = 0.5

T = TypeVar("T")


class Recent(Generic[T]):
    """The last answer to one question; may be asked from any thread.

    Nobody waits for anybody: a database that hangs would otherwise hold all askers in a row.
    """

    def __init__(self, ask: Callable[[], T], clock: Clock) -> None:
        """Ask nothing yet."""
        self._ask = ask
        self._clock = clock
        self._kept: tuple[float, T] | None = None

    def answer(self) -> T:
        """The answer, at most half a second old; raises what asking raises."""
        kept = self._kept
        if kept is None or self._clock.monotonic() - kept[0] > REMEMBER_SECONDS:
            return self.renewed()
        return kept[1]

    def renewed(self) -> T:
        """The answer as it is now, for those too who ask next; raises what asking raises."""
        asked_at = self._clock.monotonic()
        answer = self._ask()
        self._kept = asked_at, answer
        return answer
