"""One answer for all who ask within a moment."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

import pytest

from core.clock import Clock
from core.recent import REMEMBER_SECONDS, Recent


def recent(now: list[float]) -> Recent[int]:
    """Answers 0, then 1, 2 …, one for each question that is really asked."""
    numbers = count()
    return Recent(lambda: next(numbers), Clock(now=lambda: datetime.now(UTC), monotonic=lambda: now[0]))


def test_within_a_moment_one_answer_serves_all() -> None:
    """An answer is given again until it is older than the moment."""
    now = [0.0]
    asked = recent(now)
    assert [asked.answer(), asked.answer()] == [0, 0]
    now[0] += REMEMBER_SECONDS
    assert asked.answer() == 0
    now[0] += 0.01
    assert asked.answer() == 1


def test_a_renewed_answer_is_everybodys() -> None:
    """Who must know how things are now asks, and whoever asks next hears the same."""
    now = [0.0]
    asked = recent(now)
    assert [asked.answer(), asked.renewed(), asked.answer()] == [0, 1, 1]


def test_a_failure_is_not_an_answer() -> None:
    """What asking raises is raised, and the next one asks again."""
    answers: Iterator[int | Exception] = iter([ValueError("down"), 7])

    def ask() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    asked = Recent(ask, Clock(now=lambda: datetime.now(UTC), monotonic=lambda: 0.0))
    with pytest.raises(ValueError, match="down"):
        asked.answer()
    assert asked.answer() == 7
