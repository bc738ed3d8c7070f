"""Ending a process's own import."""

import threading

import pytest

from core import background
from core.background import Background
from core.control import Control
from core.importer import Import, Order
from core.runs import Mode, Trigger


def test_an_import_that_cannot_begin_holds_up_no_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server told to stop waits for a beginning import for a moment, and then goes."""
    monkeypatch.setattr(background, "BEGINNING_SECONDS", 0.01)
    begun, free = threading.Event(), threading.Event()

    class RefusedError(Exception):
        """The import never began."""

    def begin(_: Order, __: Control) -> Import:
        begun.set()
        free.wait(30)
        raise RefusedError

    def launch() -> None:
        with pytest.raises(RefusedError):
            own.launch(Order(Mode.FULL, Trigger.MANUAL, "ann"))

    own = Background(begin, lambda: None, threading.Event())
    thread = threading.Thread(target=launch)
    thread.start()
    assert begun.wait(30)
    own.interrupt()
    assert thread.is_alive()
    free.set()
    thread.join(30)
    own.interrupt()  # and there is nothing to end
