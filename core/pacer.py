"""One pace for all requests of a process: evenly spaced below Airtable's limit, silent after a 429."""

import threading
from collections import deque

from core.clock import Clock
from core.errors import StoppedError

# Spacing 4 % below the limit: with 30 ms of jitter a gap of 0.204 s always met a 429, 0.208 s never.
MARGIN = 1.04
# How many of the newest requests are remembered, where that many may be sent within a second.
MOST_REMEMBERED = 50
# A thread always wakes a little late; so much of it is not handed on to later requests.
SLACK_SECONDS = 0.001


class Pacer:
    """Hands out turns; safe to share between threads."""

    def __init__(self, requests_per_second: float, penalty_seconds: float, clock: Clock) -> None:
        """Space turns `MARGIN` / `requests_per_second` seconds apart."""
        self.rate = requests_per_second / MARGIN
        """How many turns a second there are at most."""
        self._penalty = penalty_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._next = 0.0
        self._silent_until = 0.0
        within_a_second = max(1, min(int(requests_per_second), MOST_REMEMBERED))
        self._window = within_a_second / self.rate - SLACK_SECONDS
        self._sent: deque[float] = deque(maxlen=within_a_second)

    def wait_for_turn(self, stop: threading.Event) -> None:
        """Return when the next request may be sent.

        Raises:
            StoppedError: `stop` was set meanwhile.
        """
        while True:
            turn = self._reserved()
            while (left := self._left(turn)) > 0:
                if stop.wait(left):
                    raise StoppedError
            if self._silent_until <= turn:
                return

    def _left(self, turn: float) -> float:
        """How many seconds are left until the turn; where none are, the request counts as sent now.

        On a busy machine a thread wakes late, and the turns after its own then lie too close: what was
        really sent within a second counts, not what was meant to be.
        """
        with self._lock:
            now = self._clock.monotonic()
            full = len(self._sent) == self._sent.maxlen
            left = max(turn, self._sent[0] + self._window if full else turn) - now
            if left <= 0 and self._silent_until <= turn:
                self._sent.append(now)
            return left

    def _reserved(self) -> float:
        """The next free turn, taken in the order of asking: readers of even shards then end together."""
        with self._lock:
            turn = max(self._next, self._silent_until, self._clock.monotonic())
            self._next = turn + 1 / self.rate
            return turn

    def penalise(self, at_least: float) -> float:
        """Keep every reader silent after a rate 429; answer for how many seconds more than before."""
        with self._lock:
            now = self._clock.monotonic()
            before = max(self._silent_until, now)
            self._silent_until = max(before, now + max(self._penalty, at_least))
            return self._silent_until - before
