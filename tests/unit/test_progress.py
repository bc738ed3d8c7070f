"""How far a run says it is."""

from datetime import UTC, datetime, timedelta

import pytest

from core.airtable import PATIENCE, ReadingState
from core.clock import Clock
from core.progress import NEARLY, Progress
from tests.support.imports import CLOCK
from tests.support.pacing import Waiting


@pytest.mark.parametrize(
    ("expected", "done", "fraction"),
    [(None, 10, None), (0, 10, None), (200, 50, 0.25), (200, 200, NEARLY), (200, 201, None)],
)
def test_the_fraction_is_known_up_to_what_is_expected(
    expected: int | None, done: int, fraction: float | None
) -> None:
    """An import that reads more than there were the last time cannot tell how much is left."""
    progress = Progress(CLOCK, ReadingState(CLOCK, PATIENCE), CLOCK.monotonic() - 1, expected)
    told = progress.as_json(done)
    assert told["fraction"] == fraction
    assert (told["secondsLeft"] is None) == (fraction is None)


def test_a_short_wait_hides_no_longer_one() -> None:
    """Readers wait beside each other: where several met a 429, the run waits until the silence is over."""
    now, told = datetime(2025, 3, 14, 10, tzinfo=UTC), list[datetime | None]()
    state = ReadingState(Clock(now=lambda: now, monotonic=lambda: 0.0), PATIENCE)

    def beside() -> None:
        state.sleep(1)
        told.append(state.waiting_until)

    state.stop = Waiting(meanwhile=beside)
    state.sleep(30)
    assert told == [now + timedelta(seconds=30)]
    assert state.waiting_until is None
