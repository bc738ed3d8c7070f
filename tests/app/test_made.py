"""What is made of answers is made once."""

import pandas as pd
import pytest
import streamlit as st

from core import questions

MADE: list[int] = []


def doubled(frame: pd.DataFrame, *, times: int) -> pd.DataFrame:
    """Something that takes long, say."""
    MADE.append(len(frame))
    return pd.concat([frame] * times)


@pytest.fixture(autouse=True)
def _nothing_made() -> None:
    st.cache_resource.clear()
    MADE.clear()


def test_the_same_is_made_once() -> None:
    """Of the same content once, of what was made so too; whoever asks gets the same one."""
    frame, equal = pd.DataFrame({"count": [1]}), pd.DataFrame({"count": [1]})
    twice = questions.made(doubled, frame, times=2)
    assert questions.made(doubled, equal, times=2) is twice
    fourfold = questions.made(doubled, twice, times=2)
    assert questions.made(doubled, twice, times=2) is fourfold
    assert MADE == [1, 2]


@pytest.mark.parametrize(("count", "times"), [(2, 2), (1, 3)])
def test_what_differs_is_made_anew(count: int, times: int) -> None:
    """Other content, or another argument."""
    first = questions.made(doubled, pd.DataFrame({"count": [1]}), times=2)
    other = questions.made(doubled, pd.DataFrame({"count": [count]}), times=times)
    assert not other.equals(first)


def test_a_frame_that_is_gone_is_not_taken_for_its_successor() -> None:
    """Frames are known by where they lie in memory; what is kept keeps its place."""
    for count in range(50):
        kept = questions.made(doubled, pd.DataFrame({"count": [count]}), times=1)
        again = questions.made(doubled, kept, times=1)
        assert list(again["count"]) == [count]
        st.cache_resource.clear()
        del kept, again
