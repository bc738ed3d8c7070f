"""The pace of all requests: when each may be sent."""

import pytest

from core.errors import StoppedError
from tests.support.pacing import GAP, Waiting, paced


def test_turns_are_evenly_spaced() -> None:
    """However many ask at once, one request is sent every 0.208 seconds, the first at once."""
    now = [0.0]
    pacer, sent = paced(now), []
    for _ in range(4):
        pacer.wait_for_turn(Waiting(now=now))
        sent.append(now[0])
    assert sent == pytest.approx([0, GAP, 2 * GAP, 3 * GAP])


def test_no_second_holds_too_many_where_threads_wake_late() -> None:
    """A thread that woke late does not leave the turns after it so close that a second holds six."""
    now = [0.0]
    pacer, sent = paced(now), []
    for late in (0, 0.15, 0, 0, 0, 0, 0, 0.1, 0, 0, 0, 0, 0):
        pacer.wait_for_turn(Waiting(now=now, late=late))
        sent.append(now[0])
    assert min(later - sooner for sooner, later in zip(sent, sent[5:], strict=False)) > 1


def test_turns_go_in_the_order_of_asking() -> None:
    """Who asks while another waits comes after it: readers of even shards end together."""
    now = [0.0]
    pacer, sent = paced(now), []

    def later() -> None:
        pacer.wait_for_turn(Waiting(now=now))
        sent.append(now[0])

    pacer.wait_for_turn(Waiting(now=now))
    pacer.wait_for_turn(Waiting(meanwhile=later, now=now))
    assert sent == pytest.approx([2 * GAP])


def test_nobody_sends_while_a_penalty_lasts() -> None:
    """Who has a turn already when a 429 comes waits it out too, and then turns are spaced as ever."""
    now = [0.0]
    pacer = paced(now)
    pacer.wait_for_turn(Waiting(now=now))
    pacer.wait_for_turn(Waiting(meanwhile=lambda: pacer.penalise(0), now=now))
    assert now[0] == pytest.approx(30)
    pacer.wait_for_turn(Waiting(now=now))
    assert now[0] == pytest.approx(30 + GAP)


def test_a_penalty_is_as_long_as_was_asked_for() -> None:
    """The longer of the setting and `Retry-After` holds, and no later 429 shortens it.

    Answered is what it adds: readers that meet the same 429 use up their budget of waiting once.
    """
    now = [0.0]
    pacer = paced(now)
    assert [pacer.penalise(0), pacer.penalise(0), pacer.penalise(100)] == [30, 0, 70]
    now[0] = 10.0
    assert pacer.penalise(0) == 0
    pacer.wait_for_turn(Waiting(now=now))
    assert now[0] == pytest.approx(100)


def test_who_pauses_saves_no_turns() -> None:
    """However long nobody asked, requests are spaced as ever afterwards."""
    now = [0.0]
    pacer, sent = paced(now), []
    pacer.wait_for_turn(Waiting(now=now))
    now[0] = 60.0
    for _ in range(3):
        pacer.wait_for_turn(Waiting(now=now))
        sent.append(now[0])
    assert sent == pytest.approx([60, 60 + GAP, 60 + 2 * GAP])


def test_who_is_stopped_sends_nothing() -> None:
    """A run that is to stop does not wait for its turn."""
    now = [0.0]
    pacer = paced(now)
    pacer.wait_for_turn(Waiting(now=now))
    with pytest.raises(StoppedError):
        pacer.wait_for_turn(Waiting(stopped=True, now=now))
