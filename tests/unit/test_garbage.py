"""Garbage is collected on our own time, and all of it."""

import gc
import weakref

from core.garbage import WORTH_SETTLING, Settling, settle
from tests.support.waiting import until


class Ring:
    """An object that only the collector can free."""

    def __init__(self) -> None:
        """Hold yourself."""
        self.own = self


def test_what_lives_is_out_of_the_collectors_sight() -> None:
    """After settling, a full collection looks at next to nothing; afterwards it sees everything again."""
    with Settling():
        assert gc.get_freeze_count() > 10 * len(gc.get_objects())
    assert gc.get_freeze_count() == 0


def test_what_died_frozen_is_collected_the_next_time() -> None:
    """Freezing what lives leaks nothing: the next settling frees what has died since."""
    ring = Ring()
    alive = weakref.ref(ring)
    settle()
    del ring
    gc.collect()
    assert alive() is not None
    settle()
    assert alive() is None
    gc.unfreeze()


def test_it_settles_again_by_itself() -> None:
    """A server that runs for months does not keep what its visitors left behind."""
    ring = Ring()
    alive = weakref.ref(ring)
    with Settling(look_seconds=0.001):
        del ring
        until(lambda: alive() is None, "the end of what died frozen")


def test_much_that_is_new_is_settled_at_once() -> None:
    """Fifty sessions that come together do not slow each other down for minutes."""
    with Settling(look_seconds=0.001):
        frozen = gc.get_freeze_count()
        made = [[number] for number in range(2 * WORTH_SETTLING)]
        until(lambda: gc.get_freeze_count() > frozen + WORTH_SETTLING, "new objects are frozen")
        assert len(made) == 2 * WORTH_SETTLING
