"""The pace of all requests: when each may be sent."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from core.clock import Clock
from core.errors import StoppedError
from core.pacer import MARGIN, Pacer

GAP = 0.2 * MARGIN


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


def paced(now: list[float]) -> Pacer:
    """A pacer of five requests a second by this clock."""
    return Pacer(5, 30, Clock(now=lambda: datetime.now(UTC), monotonic=lambda: now[0]))


def test_turns_are_evenly_spaced() -> None:
    """However many ask at once, one request is sent every 0.208 seconds, the first at once."""
    now = [0.0]
    pacer, sent = paced(now), []
    for _ in range(4):
        pacer.wait_for_turn(Waiting(now=now))
        sent.append(now[0])
    assert sent == pytest.approx([0, GAP, 2 * GAP, 3 * GAP])


def test_no_second_holds_too_many_where_threads_wake_late() -> None:
    """A thread that woke late does not leave the turns after it so close that a second holds six."""
    now = [0.0]
    pacer, sent = paced(now), []
    for late in (0, 0.15, 0, 0, 0, 0, 0, 0.1, 0, 0, 0, 0, 0):
        pacer.wait_for_turn(Waiting(now=now, late=late))
        sent.append(now[0])
    assert min(later - sooner for sooner, later in zip(sent, sent[5:], strict=False)) > 1


def test_turns_go_in_the_order_of_asking() -> None:
    """Who asks while another waits comes after it: readers of even shards end together."""
    now = [0.0]
    pacer, sent = paced(now), []

    def later() -> None:
        pacer.wait_for_turn(Waiting(now=now))
        sent.append(now[0])

    pacer.wait_for_turn(Waiting(now=now))
    pacer.wait_for_turn(Waiting(meanwhile=later, now=now))
    assert sent == pytest.approx([2 * GAP])


def test_nobody_sends_while_a_penalty_lasts() -> None:
    """Who has a turn already when a 429 comes waits it out too, and then turns are spaced as ever."""
    now = [0.0]
    pacer = paced(now)
    pacer.wait_for_turn(Waiting(now=now))
    pacer.wait_for_turn(Waiting(meanwhile=lambda: pacer.penalise(0), now=now))
    assert now[0] == pytest.approx(30)
    pacer.wait_for_turn(Waiting(now=now))
    assert now[0] == pytest.approx(30 + GAP)


def test_who_is_stopped_sends_nothing() -> None:
    """A run that is to stop does not wait for its turn."""
    now = [0.0]
    pacer = paced(now)
    pacer.wait_for_turn(Waiting(now=now))
    with pytest.raises(StoppedError):
        pacer.wait_for_turn(Waiting(stopped=True, now=now))
