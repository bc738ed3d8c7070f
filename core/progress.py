"""How far a run is, in numbers and words for people (spec, section 3: progress)."""

import json
from dataclasses import dataclass
from datetime import datetime

from core.airtable import ReadingState
from core.clock import Clock

NEARLY = 0.99  # the end is told by the run's status, never by its estimate


@dataclass(slots=True)
class Progress:
    """What one run has done so far; its own thread alone writes here."""

    clock: Clock
    reading: ReadingState
    began: float
    """Monotonic seconds."""
    expected: int | None = None
    """About how many records there will be; null where nobody can know."""
    phase: str = "starting"
    message: str = "Starting."
    pages: int = 0
    records: int = 0
    batches: int = 0

    def as_json(self, records: int | None = None) -> dict[str, object]:
        """The progress that pages and the API show; `records` counts those of a batch being written."""
        done = self.records if records is None else records
        seconds = max(self.clock.monotonic() - self.began, 0.001)
        rate = done / seconds
        # Once there are more than the last time, nobody can know how many more.
        known = self.expected if self.expected and done <= self.expected else None
        left = known - done if known else None
        waiting = self.reading.waiting_until
        return {
            "phase": self.phase,
            "message": self.message if waiting is None else "Waiting for Airtable before asking again.",
            "pages": self.pages,
            "records": done,
            "recordsPerSecond": round(rate, 1),
            "fraction": min(round(done / known, 4), NEARLY) if known else None,
            "secondsLeft": round(left / rate, 1) if left is not None and rate > 0 else None,
            "waitingUntil": iso(waiting) if waiting else None,
        }

    def values(self, records: int | None = None) -> dict[str, object]:
        """What the run's row takes with each write."""
        return {
            "now": self.clock.now(),
            "pages": self.pages,
            "retries": self.reading.retries,
            "progress": json.dumps(self.as_json(records)),
        }


def iso(moment: datetime) -> str:
    """A moment as the API writes it: ISO 8601 in UTC with `Z` (spec, section 6)."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
