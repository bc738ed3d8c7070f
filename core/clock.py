"""Time as an argument: who needs it is handed one of these; only `service` makes the real one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """The wall clock (aware, in UTC) and one that never jumps (seconds)."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
