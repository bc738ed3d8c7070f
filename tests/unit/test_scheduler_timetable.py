"""When imports are due, and what is done about slots that passed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.timetable import Job, Slot, Timetable, catch_up, plan

HOUR = timedelta(hours=1)
ZONES = ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "UTC")


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def table(zone: str, hours: tuple[int, ...] = (6, 18), day: str = "sunday") -> Timetable:
    """A timetable."""
    return Timetable(ZoneInfo(zone), hours, day)


def shown(slots: list[Slot]) -> list[str]:
    """Slots as text."""
    return [f"{slot.at:%m-%dT%H:%M} {slot.job}" for slot in slots]


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        (
            "America/New_York",  # clocks go forward at 02:00 on Sunday, 9 March 2025
            "2025-03-08",
            [
                *("03-08T11:00 import", "03-08T23:00 import", "03-09T08:00 reconcile"),
                *("03-09T10:00 import", "03-09T22:00 import", "03-10T10:00 import", "03-10T22:00 import"),
            ],
        ),
        (
            "America/New_York",  # clocks go back at 02:00 on Sunday, 2 November 2025
            "2025-11-01",
            [
                *("11-01T10:00 import", "11-01T22:00 import", "11-02T09:00 reconcile"),
                *("11-02T11:00 import", "11-02T23:00 import", "11-03T11:00 import", "11-03T23:00 import"),
            ],
        ),
        (
            "Europe/Berlin",  # clocks go forward at 02:00 on Sunday, 30 March 2025
            "2025-03-29",
            [
                *("03-29T05:00 import", "03-29T17:00 import", "03-30T02:00 reconcile"),
                *("03-30T04:00 import", "03-30T16:00 import", "03-31T04:00 import", "03-31T16:00 import"),
            ],
        ),
        (
            "Europe/Berlin",  # clocks go back at 03:00 on Sunday, 26 October 2025
            "2025-10-25",
            [
                *("10-25T04:00 import", "10-25T16:00 import", "10-26T03:00 reconcile"),
                *("10-26T05:00 import", "10-26T17:00 import", "10-27T05:00 import", "10-27T17:00 import"),
            ],
        ),
    ],
)
def test_six_and_eighteen_are_right_across_daylight_saving(zone: str, day: str, expected: list[str]) -> None:
    """06:00 and 18:00 in TIMEZONE, and the full import at 04:00, on three days around each change."""
    begin = at(day).replace(tzinfo=ZoneInfo(zone))
    end = begin + timedelta(days=3)
    assert shown(table(zone).between(begin.astimezone(UTC), end.astimezone(UTC))) == expected


@pytest.mark.parametrize(
    ("hour", "day", "expected"),
    [
        (2, "2025-03-09", ["03-09T07:00 import"]),  # does not exist: 03:00 by the new time
        (1, "2025-11-02", ["11-02T05:00 import"]),  # comes twice: the first time alone
    ],
)
def test_a_local_time_that_is_missing_or_twofold_makes_one_slot(
    hour: int, day: str, expected: list[str]
) -> None:
    """Each hour of SCHEDULE_HOURS is one slot a day, on the days on which clocks change too."""
    begin = at(day).replace(tzinfo=ZoneInfo("America/New_York")).astimezone(UTC)
    slots = table("America/New_York", (hour,), "off").between(begin - HOUR / 60, begin + 23 * HOUR)
    assert shown(slots) == expected


def test_the_bounds_of_between() -> None:
    """A slot belongs to the stretch that ends with it, so that none is run twice or lost."""
    six = at("2025-06-02T06:00")
    assert shown(table("UTC").between(six - HOUR, six)) == ["06-02T06:00 import"]
    assert table("UTC").between(six, six + HOUR) == []


def test_where_both_fall_on_one_instant_the_full_import_stands() -> None:
    """A slot is taken by its instant; reading everything includes what changed."""
    four = at("2025-06-01T04:00")
    slots = table("UTC", (4,)).between(four - HOUR, four + 25 * HOUR)
    assert shown(slots) == ["06-01T04:00 reconcile", "06-02T04:00 import"]


@pytest.mark.parametrize(("day", "jobs"), [("off", [Job.IMPORT]), ("monday", [Job.IMPORT, Job.RECONCILE])])
def test_the_full_import_may_be_off(day: str, jobs: list[Job]) -> None:
    """`RECONCILE_DAY=off` leaves the incremental imports alone."""
    made = table("UTC", day=day)
    assert made.jobs() == jobs
    week = made.between(at("2025-06-01"), at("2025-06-08"))
    assert sum(slot.job is Job.RECONCILE for slot in week) == len(jobs) - 1
    assert (made.next(Job.RECONCILE, at("2025-06-01")) is None) == (day == "off")


@given(
    zone=st.sampled_from(ZONES),
    hours=st.sets(st.integers(0, 23), min_size=1, max_size=4).map(lambda found: tuple(sorted(found))),
    begin=st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001 (made aware below)
    steps=st.lists(st.timedeltas(timedelta(), timedelta(days=2)), min_size=1, max_size=6),
)
def test_however_time_is_cut_every_slot_is_met_once(
    zone: str, hours: tuple[int, ...], begin: datetime, steps: list[timedelta]
) -> None:
    """Settling piece by piece finds the same slots as settling all at once."""
    made, moment = table(zone, hours), begin.replace(tzinfo=UTC)
    first, pieces = moment, []
    for step in steps:
        pieces += made.between(moment, moment + step)
        moment += step
    assert pieces == made.between(first, moment)
    assert [slot.at for slot in pieces] == sorted({slot.at for slot in pieces})


@given(zone=st.sampled_from(ZONES), after=st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)))  # noqa: DTZ001 (made aware below)
def test_next_is_the_first_of_between(zone: str, after: datetime) -> None:
    """What APScheduler waits for is what settling will find."""
    made, moment = table(zone), after.replace(tzinfo=UTC)
    for job in Job:
        coming = made.next(job, moment)
        assert coming is not None
        assert coming.at > moment
        found = [slot for slot in made.between(moment, coming.at) if slot.job is job]
        assert found == [coming]


SIX, EIGHTEEN, FOUR = (
    Slot(at("2025-06-01T06:00"), Job.IMPORT),
    Slot(at("2025-06-01T18:00"), Job.IMPORT),
    Slot(at("2025-06-01T04:00"), Job.RECONCILE),
)


@pytest.mark.parametrize(
    ("due", "late", "run", "missed"),
    [
        ([], timedelta(), None, ()),
        ([SIX], timedelta(), SIX, ()),
        ([SIX], HOUR, SIX, ()),
        ([SIX], HOUR + timedelta(seconds=1), None, (SIX,)),
        ([FOUR, SIX, EIGHTEEN], timedelta(minutes=3), EIGHTEEN, (FOUR, SIX)),
        ([FOUR, SIX], 13 * HOUR, None, (FOUR, SIX)),
    ],
)
def test_the_newest_slot_is_run_and_the_others_are_missed(
    due: list[Slot], late: timedelta, run: Slot | None, missed: tuple[Slot, ...]
) -> None:
    """One import makes up for all slots that came due; one that is an hour old is no longer run."""
    now = (due[-1].at if due else SIX.at) + late
    what = plan(due, now, HOUR)
    assert (what.run, what.missed) == (run, missed)


@pytest.mark.parametrize(
    ("missed", "startup", "expected"),
    [
        ([], False, None),
        ([], True, None),
        ([SIX], True, None),
        ([SIX], False, Job.IMPORT),
        ([SIX, EIGHTEEN], False, Job.IMPORT),
        ([FOUR, SIX], False, Job.RECONCILE),
        ([FOUR, SIX], True, None),
    ],
)
def test_who_catches_up(missed: list[Slot], startup: bool, expected: Job | None) -> None:
    """The startup import is the catch-up; without one a single import is, where a slot was missed."""
    assert catch_up(missed, startup_import=startup) is expected
