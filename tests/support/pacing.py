"""Time that passes by itself: for whoever keeps a pace, and for the test that asks when each turn came."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core.clock import Clock
from core.pacer import MARGIN, Pacer

GAP = 0.2 * MARGIN
"""Seconds from one turn of `paced` to the next."""


@dataclass
class Waiting(threading.Event):
    """Somebody's wish to stop, whose waits pass by themselves; `meanwhile` happens in the first of them."""

    meanwhile: Callable[[], object] = lambda: None
    stopped: bool = False
    late: float = 0.0
    """How many seconds later than wished they end."""
    now: list[float] = field(default_factory=lambda: [0.0])

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time pass."""
        happens, self.meanwhile = self.meanwhile, lambda: None
        until = self.now[0] + (timeout or 0.0)
        happens()
        self.now[0] = max(self.now[0], until + self.late)
        return self.stopped


def clock_at(now: list[float]) -> Clock:
    """A clock that shows these seconds."""
    return Clock(now=lambda: datetime.now(UTC), monotonic=lambda: now[0])


def paced(now: list[float]) -> Pacer:
    """A pacer of five requests a second by this clock."""
    return Pacer(5, 30, clock_at(now))
