"""How a run is stopped from within its own process: a person's wish, a signal, a shutdown."""

import threading

from core.runs import Status, error_entry


class EndingError(Exception):
    """The run ends before its end because somebody said so; carries what its row is to say."""

    def __init__(self, status: Status, code: str, message: str) -> None:
        """Remember status and entry."""
        super().__init__(message)
        self.status = status
        self.entry = error_entry(code, message)


class Control:
    """Shared by the run's thread and whoever may stop it; the first wish counts."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self._asked = threading.Event()
        self._ending: EndingError | None = None

    def cancel(self, by: str) -> None:
        """A person wants the run to stop."""
        self._ask(EndingError(Status.CANCELLED, "cancelled", f"Cancelled by {by}."))

    def interrupt(self) -> None:
        """The process is being stopped."""
        message = "The import's process was stopped. The next import makes up for it."
        self._ask(EndingError(Status.INTERRUPTED, "process_stopped", message))

    def check(self) -> None:
        """Raise the ending that was asked for, if one was."""
        if self._ending is not None:
            raise self._ending

    def pause(self, seconds: float) -> None:
        """Wait, no longer than until somebody asks."""
        self._asked.wait(seconds)
        self.check()

    def _ask(self, ending: EndingError) -> None:
        self._ending = self._ending or ending
        self._asked.set()
