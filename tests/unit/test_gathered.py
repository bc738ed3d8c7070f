"""Marks of a timeline that would hide one another."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.gathered import ACROSS, MOST_TOLD, UP, Mark, gathered

START = datetime(2026, 3, 10, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
MARKS = st.lists(
    st.builds(
        Mark,
        st.sampled_from(["succeeded", "failed", "missed"]),
        st.integers(0, 5000).map(lambda minutes: START + minutes * MINUTE),
        st.floats(0, 200),
        st.just("x"),
    )
)


def mark(kind: str, minutes: float, seconds: float = 0.0) -> Mark:
    """A mark so many minutes after the start."""
    return Mark(kind, START + timedelta(minutes=minutes), seconds, f"{kind} {minutes}")


def test_imports_close_together_are_one_mark_that_tells_each() -> None:
    """Three presses within a minute hide no import."""
    (group,) = gathered([mark("succeeded", minutes) for minutes in (2, 0, 1)], DAY)
    assert (group.at, len(group.marks)) == (START, 3)
    assert group.told == "succeeded 0<br><br>succeeded 1<br><br>succeeded 2"


def test_another_result_stands_beside() -> None:
    """A failed import is not hidden by the one that succeeded a minute later."""
    failed, succeeded = gathered([mark("failed", 0), mark("succeeded", 1)], DAY)
    assert (failed.kind, succeeded.kind) == ("failed", "succeeded")
    assert timedelta(0) < succeeded.at - failed.at < DAY / ACROSS


def test_what_lies_apart_stays_where_it_is() -> None:
    """By its moment, or by how long it took."""
    marks = [mark("succeeded", 0), mark("succeeded", 0, 60), mark("failed", 300)]
    assert [(group.at, group.seconds) for group in gathered(marks, DAY)] == [
        (one.at, one.seconds) for one in marks
    ]


def test_a_long_list_is_cut() -> None:
    """A hover has room for few; the rest are counted."""
    (group,) = gathered([mark("missed", 0)] * (MOST_TOLD + 3), DAY)
    assert group.told.endswith("<br><br>and 3 more")


@given(MARKS)
def test_no_mark_is_lost_and_each_is_drawn_near_its_moment(marks: list[Mark]) -> None:
    """Each is in one group, at most a mark's width and height from where it would stand alone."""
    groups = gathered(marks, DAY)
    assert sorted(id(one) for group in groups for one in group.marks) == sorted(map(id, marks))
    moments = [one.at for one in marks] or [START]
    wide = max(max(moments) - min(moments), DAY) / ACROSS
    high = max((one.seconds for one in marks), default=0.0) / UP
    drawn = [(group, one) for group in groups for one in group.marks]
    assert all(abs(one.at - group.at) <= wide for group, one in drawn)
    assert all(abs(one.seconds - group.seconds) <= 2 * high + 1e-6 for group, one in drawn)
