"""The light of the status line."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from core.freshness import Light, verdict
from core.timetable import Timetable

ZONE = ZoneInfo("America/New_York")
TIMETABLE = Timetable(ZONE, (6, 18), "off")
AS_OF = datetime(2026, 3, 10, 5, 55, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("now", "missed"),
    [
        (datetime(2026, 3, 10, 17, 59, tzinfo=ZONE), 0),
        (datetime(2026, 3, 10, 18, 14, tzinfo=ZONE), 0),
        (datetime(2026, 3, 10, 18, 15, tzinfo=ZONE), 1),
        (datetime(2026, 3, 11, 6, 15, tzinfo=ZONE), 2),
    ],
)
def test_a_slot_is_missed_once_its_import_should_have_ended(now: datetime, missed: int) -> None:
    """The slot that brought the data does not count, nor one that is only just due."""
    assert len(TIMETABLE.unserved(AS_OF, now)) == missed


@pytest.mark.parametrize(
    ("as_of", "status", "missed", "light"),
    [
        (AS_OF, "succeeded", 0, Light.GREEN),
        (AS_OF, "cancelled", 0, Light.GREEN),
        (AS_OF, "succeeded", 1, Light.AMBER),
        (AS_OF, "partial", 0, Light.AMBER),
        (AS_OF, "partial", 2, Light.RED),
        (AS_OF, "succeeded", 2, Light.RED),
        (AS_OF, "failed", 0, Light.RED),
        (None, "failed", 0, Light.RED),
        (None, None, 0, Light.NONE),
    ],
)
def test_the_light_is_the_worst_of_age_and_result(
    as_of: datetime | None, status: str | None, missed: int, light: Light
) -> None:
    """Amber for one missed slot or a partial import, red for two or a failed one; always with words."""
    said = verdict(as_of, status, missed, holds_data=as_of is not None)
    assert said.light is light
    assert said.words


@pytest.mark.parametrize("status", ["failed", "partial", "cancelled", "interrupted"])
def test_what_a_first_import_left_that_did_not_succeed_is_incomplete(status: str) -> None:
    """There are data, and records are missing from them: neither 'no data' nor a partial success."""
    said = verdict(None, status, 0, holds_data=True)
    assert (said.light, said.words) == (Light.RED, "Data incomplete")
