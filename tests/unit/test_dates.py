"""The date rule (spec, section 2)."""

from calendar import day_abbr, day_name, month_abbr, month_name
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.dates import read_moment

NEW_YORK = ZoneInfo("America/New_York")
TEHRAN = ZoneInfo("Asia/Tehran")
IN_UTC = ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        # Programs
        ("2025-03-14", "2025-03-14T04:00"),
        ("2025-03-14T14:30:00.000Z", "2025-03-14T14:30"),
        ("2025-03-14T14:30:00.5", "2025-03-14T18:30:00.5"),
        ("2025-03-14T14:30:00.123456789Z", "2025-03-14T14:30:00.123456"),
        ("2025-03-14T14:30+02:00", "2025-03-14T12:30"),
        ("2025-03-14T10:00-05:00", "2025-03-14T15:00"),
        ("2025-03-14T10:00:00-0330", "2025-03-14T13:30"),
        ("2025-03-14t14:30:00z", "2025-03-14T14:30"),
        ("2025-03-14 14:30", "2025-03-14T18:30"),
        ("2025-03-14 14:30:00.25", "2025-03-14T18:30:00.25"),
        ("2025-03-14 14:30:00 UTC", "2025-03-14T14:30"),
        ("2025-03-14 14:30:00-05", "2025-03-14T19:30"),
        ("2025-03-14 14:30-05:00", "2025-03-14T19:30"),
        ("2025-03-14 2:30pm", "2025-03-14T18:30"),
        ("20250314", "2025-03-14T04:00"),
        ("20250314T1430", "2025-03-14T18:30"),
        ("20250314T143000Z", "2025-03-14T14:30"),
        ("20250314 14:30", "2025-03-14T18:30"),
        ("2025/03/14", "2025-03-14T04:00"),
        ("2025.3.4 9:05", "2025-03-04T14:05"),
        ("Fri, 14 Mar 2025 14:30:00 +0000", "2025-03-14T14:30"),
        ("Fri, 14 Mar 2025 14:30:00 GMT", "2025-03-14T14:30"),
        ("Fri Mar 14 14:30:00 2025", "2025-03-14T18:30"),
        ("Fri Mar 14 14:30:00 EST 2025", "2025-03-14T19:30"),
        ("Fri Mar 14 14:30:00 -0500 2025", "2025-03-14T19:30"),
        ("Fri Mar 14 2025 14:30:00 GMT-0500 (Central Daylight Time)", "2025-03-14T19:30"),
        # People, numbers: month first
        ("3/14/2025 2:30 PM", "2025-03-14T18:30"),
        ("3/14/2025, 2:30:15\u202fPM", "2025-03-14T18:30:15"),
        ("03/04/2025", "2025-03-04T05:00"),
        ("3-14-2025", "2025-03-14T04:00"),
        ("3.14.2025", "2025-03-14T04:00"),
        ("3/14/2025 12:30 AM", "2025-03-14T04:30"),
        ("3/14/2025 12:30 PM", "2025-03-14T16:30"),
        ("3/14/2025 2:30:05.5 pm", "2025-03-14T18:30:05.500000"),
        ("14 MAR 2025 14:30:05.123456789", "2025-03-14T18:30:05.123456"),
        ("14:30 3/14/2025", "2025-03-14T18:30"),
        # People, words
        ("March 14, 2025", "2025-03-14T04:00"),
        ("March 14,2025", "2025-03-14T04:00"),
        ("MARCH 14 2025", "2025-03-14T04:00"),
        ("  Mar.  14th,\n2025 ", "2025-03-14T04:00"),
        ("Sept 1st 2025", "2025-09-01T04:00"),
        ("14 March 2025", "2025-03-14T04:00"),
        ("14-Mar-2025", "2025-03-14T04:00"),
        ("14/Mar/2025", "2025-03-14T04:00"),
        ("14Mar2025", "2025-03-14T04:00"),
        ("the 14th of March, 2025", "2025-03-14T04:00"),
        ("2025 March 14", "2025-03-14T04:00"),
        ("Friday, March 14, 2025 10:00am", "2025-03-14T14:00"),
        ("March 14, 2025 (Fri)", "2025-03-14T04:00"),
        ("Thurs. March 13, 2025", "2025-03-13T04:00"),
        ("Mar 14, 2025 at 02:30 PM", "2025-03-14T18:30"),
        ("March 14th, 2025 at 2pm", "2025-03-14T18:00"),
        ("March 14, 2025 - 2:30 p.m.", "2025-03-14T18:30"),
        ("2:30 PM on Friday, March 14, 2025", "2025-03-14T18:30"),
        # Zones
        ("March 14, 2025 @ 2 p.m. (ET)", "2025-03-14T18:00"),
        ("January 14, 2025 2:30 PM ET", "2025-01-14T19:30"),
        ("March 14, 2025 2:30 PM EST", "2025-03-14T19:30"),
        ("March 14, 2025 2:30 PM edt", "2025-03-14T18:30"),
        ("March 14, 2025 2:30 PM CT", "2025-03-14T19:30"),
        ("March 14, 2025 2:30 PM CST", "2025-03-14T20:30"),
        ("March 14, 2025 2:30 PM CDT", "2025-03-14T19:30"),
        ("March 14, 2025 2:30 PM MT", "2025-03-14T20:30"),
        ("March 14, 2025 2:30 PM MST", "2025-03-14T21:30"),
        ("March 14, 2025 2:30 PM MDT", "2025-03-14T20:30"),
        ("March 14, 2025 2:30 PM PT", "2025-03-14T21:30"),
        ("March 14, 2025 2:30 PM PST", "2025-03-14T22:30"),
        ("March 14, 2025 2:30 PM PDT", "2025-03-14T21:30"),
        ("March 14, 2025 2:30 PM AKST", "2025-03-14T23:30"),
        ("March 14, 2025 2:30 PM AKDT", "2025-03-14T22:30"),
        ("March 14, 2025 2:30 PM HST", "2025-03-15T00:30"),
        ("March 14, 2025 2:30 PM UTC", "2025-03-14T14:30"),
        ("March 14, 2025 2:30 PM GMT-5", "2025-03-14T19:30"),
        ("March 14, 2025 2:30 PM UTC+02:00", "2025-03-14T12:30"),
        ("March 14, 2025 2:30 PM -0500", "2025-03-14T19:30"),
        # The clock changes: a repeated hour is its first one, a skipped one is as much later
        ("11/2/2025 1:30 AM", "2025-11-02T05:30"),
        ("3/9/2025 2:30 AM", "2025-03-09T07:30"),
        # The ends of time
        ("0001-01-01", "0001-01-01T04:56:02"),
        ("3/14/0099", "0099-03-14T04:56:02"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59"),
    ],
)
def test_readable(text: str, utc: str) -> None:
    """A text that states day, month and year is read, month first, in its own zone or the local one."""
    assert read_moment(text, NEW_YORK) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        # Something is missing
        *("", " ", "2025", "March 2025", "March 14", "3/14", "03/2025", "2025-03", "2:30 PM", "Friday"),
        *("Friday 2:30 PM", "call in 2025", "March, 2025 at 2:30 PM", "14:30 2025", "14 2025"),
        # Two-digit years
        *("3/14/25", "14 Mar 25", "Mar 14 '25", "25-03-14", "250314", "14-Mar-25 2:30 PM", "14 March 0099"),
        # No such day or time
        *(
            "14/03/2025",
            "2025-13-05",
            "2025-14-03",
            "20251305",
            "2025-02-29",
            "30 February 2025",
            "0000-01-01",
        ),
        *("14.03.2025", "March 0, 2025", "March 32, 2025", "3/14/2025 24:00", "2025-03-14T24:00:00"),
        *("3/14/2025 14:60", "3/14/2025 14:30:60", "2025-03-14T14:60:00Z", "3/14/2025 2:3 PM"),
        # Contradictions
        *("Monday, March 14, 2025", "14:30 PM 3/14/2025", "3/14/2025 0:30 PM", "3/14/2025 2:30 PM EST-0500"),
        # Ranges, and more than one date or time
        *(
            "March 14-16, 2025",
            "10-12 March 2025",
            "March 14/15, 2025",
            "3/14/2025 - 3/16/2025",
            "3/14-16/2025",
        ),
        *(
            "2025-03-14/2025-03-16",
            "2025-03-14/16",
            "March 14 - April 2, 2025",
            "March 14 2025 to March 16 2025",
        ),
        *("2:30 PM - 3:30 PM", "3/14/2025 2:30 PM - 3:30 PM", "3/14/2025 2:30-3:30 PM", "3/14/2025 10-11am"),
        *(
            "3/14/2025 02:30-03:30 PM",
            "3/14/2025 10:00-11:00",
            "2025-03-14 10:00-11:00",
            "2025-03-14 10:00-11",
        ),
        *(
            "3/14/2025 10:00 AM -11:00",
            "3/14/2025 09:00 AM-05:00",
            "3/14/2025 10:00\u201311:00",
            "March 14, 2025 or March 15, 2025",
        ),
        *(
            "Friday Saturday March 14 2025",
            "Friday, March 14, 2025 Friday",
            "3/14/2025 2:30 PM 3:30 PM",
            "March March 14 2025",
        ),
        # Numbers that are neither day, month, year nor time
        *(
            "March 14, 2025 at 2",
            "14.5 March 2025",
            "3/14/2025 #2",
            "3/14/2025 2",
            "1741962600",
            "1741962600000",
        ),
        *("555-123-2025", "3/14/2025 1430", "20250314143000", "2025314", "3/14/20255", "13/3/14/2025"),
        *("2025-03-14T14:30:00Z 5", "3/14/2025 10:00 AM +10", "March 14, 2025 2.30 PM", "3 14 2025"),
        # Other ways to count days
        *(
            "2025-W11-5",
            "2025W115",
            "2025-073",
            "2025073",
            "next Friday",
            "tomorrow at 2:30 PM",
            "-2025-03-14",
        ),
        *("2nd Sunday of March 2025", "1st Saturday of March 2025", "last Friday of March 2025"),
        # Zones that cannot be told
        *("3/14/2025 2:30 PM XYZ", "3/14/2025 2:30 PM CET", "3/14/2025 2:30 PM IST", "3/14/2025 EST"),
        *("2025-03-14-05:00", "3/14/2025 -05:00", "3/14/2025 -05:00 Friday", "14 March -0500", "2025-03-14Z"),
        *("3/14/2025 2:30 PM +15:00", "3/14/2025 2:30 PM UTC+99", "2025-03-14T14:30:00+24:00"),
        # Words that may change the meaning, and what is cut off
        *(
            "not March 14, 2025",
            "before March 14, 2025",
            "March 14, 2025?",
            "Marching 14 2025",
            "14 Marz 2025",
        ),
        *(
            "March 14, 2025 at",
            "March 14, 2025 -",
            "- March 14, 2025",
            "March -14, 2025",
            "March 14, 2025 noon",
            "\u0661\u0664 March 2025",
            "14 Mar\u0107 2025",
        ),
        # Not representable, too long
        *("9999-12-31 23:59", "12/31/9999 23:59", "March 14, 2025" + " " * 187),
    ],
)
def test_unreadable(text: str) -> None:
    """Nothing is guessed: what is missing, contradictory, doubled or unknown leaves the text unread."""
    assert read_moment(text, NEW_YORK) is None


def test_local_time_is_the_given_zone() -> None:
    """A text without a zone is local time of the zone that is asked for, whatever was asked before."""
    text = "March 14, 2025 2:30 PM"
    assert read_moment(text, NEW_YORK) == datetime(2025, 3, 14, 18, 30, tzinfo=UTC)
    assert read_moment(text, TEHRAN) == datetime(2025, 3, 14, 11, 0, tzinfo=UTC)


def test_year_one_may_lie_before_time() -> None:
    """What would lie before the year 1 in UTC is unreadable, not an error."""
    assert read_moment("0001-01-01", TEHRAN) is None


def _words(day: datetime) -> str:
    return f"{month_name[day.month]} {day.day}, {day.year:04}"


def _twelve(time: datetime) -> str:
    return f"{time.hour % 12 or 12}:{time.minute:02} {'AM' if time.hour < 12 else 'PM'}"


FORMATS: list[Callable[[datetime], str]] = [
    lambda it: it.isoformat(),
    lambda it: it.isoformat(sep=" ", timespec="minutes"),
    lambda it: it.isoformat() + ".000Z",
    lambda it: f"{it.year}{it.month:02}{it.day:02}T{it.hour:02}{it.minute:02}Z",
    lambda it: f"{it.month}/{it.day}/{it.year} {_twelve(it)}",
    lambda it: f"{it.month:02}-{it.day:02}-{it.year}, {it.hour}:{it.minute:02}",
    lambda it: f"{it.year}/{it.month}/{it.day} {_twelve(it).lower()}",
    lambda it: f"{_words(it)} {_twelve(it).replace(' ', '')}",
    lambda it: f"{_words(it).upper()} at {_twelve(it)}",
    lambda it: f"{it.day} {month_name[it.month]} {it.year} {it.hour:02}:{it.minute:02}",
    lambda it: f"{it.day}-{month_abbr[it.month]}-{it.year} {it.hour:02}:{it.minute:02}:00 UTC",
    lambda it: f"{day_name[it.weekday()]}, {_words(it)} {_twelve(it)}",
    lambda it: f"{_twelve(it)} on {day_abbr[it.weekday()]} {_words(it)}",
    lambda it: it.ctime(),
]


@given(
    st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31, 23, 59)),  # noqa: DTZ001 - Hypothesis wants naive bounds
    st.sampled_from(FORMATS),
)
def test_formats_round_trip(moment: datetime, written: Callable[[datetime], str]) -> None:
    """Each accepted format gives back the day and time that were written in it."""
    moment = moment.replace(second=0, microsecond=0)
    assert read_moment(written(moment), IN_UTC) == moment.replace(tzinfo=UTC)


@given(
    st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)),  # noqa: DTZ001 - Hypothesis wants naive bounds
    st.integers(-14 * 60, 14 * 60),
)
def test_offsets_round_trip(moment: datetime, minutes: int) -> None:
    """An offset behind a time is taken off it, whichever way it is written."""
    moment = moment.replace(microsecond=0)
    sign, (hours, rest) = "+-"[minutes < 0], divmod(abs(minutes), 60)
    expected = moment.replace(tzinfo=UTC) - timedelta(minutes=minutes)
    for offset in (
        f"{sign}{hours:02}:{rest:02}",
        f" {sign}{hours:02}{rest:02}",
        f" GMT{sign}{hours}:{rest:02}",
    ):
        assert read_moment(f"{moment.isoformat(sep=' ')}{offset}", NEW_YORK) == expected


TIMES = ["2:30 PM", "14:30", "2pm", "10:00:00", "at", "on", "the", "of", "Friday", "Fri", "EST", "Z", "-0500"]
WITHOUT_YEAR = [*TIMES, "14", "3", "14th", "25", "00", "March", "May", "3/14", "14-Mar"]
WITHOUT_DAY = [*TIMES, "2025", "1999", "March", "May", "2025 March", "Mar-2025"]
WITHOUT_MONTH = [*TIMES, "2025", "1999", "14th of 2025", "the 14th"]


@given(
    st.sampled_from([WITHOUT_YEAR, WITHOUT_DAY, WITHOUT_MONTH]).flatmap(
        lambda pieces: st.lists(st.sampled_from(pieces), min_size=1, max_size=6)
    ),
    st.sampled_from([" ", ", ", " - ", "-", "/", " at "]),
)
def test_day_month_and_year_must_stand(pieces: list[str], separator: str) -> None:
    """However its pieces lie, a text that lacks day, month or four-digit year is unreadable."""
    assert read_moment(separator.join(pieces), NEW_YORK) is None


@settings(max_examples=300)
@given(st.text("0123456789") | st.text("0123456789/:., apmMarch") | st.text("1230/-:. "))
def test_what_is_read_stands_in_the_text(text: str) -> None:
    """Whatever reads has its day and its four-digit year in the text."""
    moment = read_moment(text, IN_UTC)
    if moment is not None:
        assert f"{moment.year:04}" in text
        assert str(moment.day) in text


@settings(max_examples=300)
@given(
    st.text(st.characters(exclude_categories=()))
    | st.text("0123456789/:.,-+ apmMarchTZESTGU()")
    | st.lists(st.sampled_from([*WITHOUT_YEAR, *WITHOUT_DAY, ",", "+05:00", "GMT-5", "\0"])).map(" ".join)
)
def test_no_text_raises(text: str) -> None:
    """Any text reads as an aware moment in UTC or as None; no error and no warning comes out."""
    moment = read_moment(text, NEW_YORK)
    assert moment is None or moment.tzinfo is UTC
