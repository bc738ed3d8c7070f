"""How far a run says it is."""

import pytest

from core.airtable import PATIENCE, ReadingState
from core.progress import NEARLY, Progress
from tests.support.imports import CLOCK


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
