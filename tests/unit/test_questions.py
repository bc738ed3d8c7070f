"""What pages ask is remembered, and what they asked last is asked anew after an import."""

from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import cast

import pytest
import streamlit as st

from core import questions
from core.questions import MOST_RENEWED
from core.service import Service, set_current


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """A service that answers without a database."""

    def ask(question: Callable[[None], object]) -> object:
        return question(None)

    st.cache_resource.clear()
    set_current(cast("Service", SimpleNamespace(ask=ask)))
    yield
    set_current(None)


def asked(version: str, name: str, *given: object) -> list[str]:
    """Ask a question of this name; answers the names of those that were really asked."""
    reached: list[str] = []

    def question(_: object) -> str:
        reached.append(name)
        return name

    assert questions.remembered(version, name, given, question) == name
    return reached


def test_an_answer_is_remembered_for_its_version_of_the_data() -> None:
    """By its question's name, and by what was given."""
    assert asked("1", "totals", 7) == ["totals"]
    assert asked("1", "totals", 7) == []
    for other in (("2", "totals", 7), ("1", "extent", 7), ("1", "totals", 8)):
        assert asked(*other) == [other[1]]


def test_what_is_asked_now_is_never_remembered() -> None:
    """Imports change without changing data."""
    moments = iter((1, 2))
    for expected in (1, 2):
        assert questions.ask_now(lambda _: next(moments)) == expected


def test_what_was_asked_last_is_asked_anew() -> None:
    """So many questions; one that is asked again is a new one, and the oldest is forgotten."""
    reached: list[str] = []

    def noted(name: str, _: object) -> None:
        reached.append(name)

    others = [str(number) for number in range(MOST_RENEWED - 2)]
    for name in ("first", "second", *others, "first", "last"):
        questions.remembered("1", name, (), partial(noted, name))
    reached.clear()
    questions.renew("2")
    assert reached == [*others, "first", "last"]
