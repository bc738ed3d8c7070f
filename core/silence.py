"""Which clinics have fallen silent: usually daily, and none for days. Pure."""

from collections.abc import Collection
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise

WINDOW = 28
"""How many days, up to a clinic's newest conversation, tell what is usual for it."""
USUALLY_DAILY = 20
"""On at least so many of them there were conversations: five days a week."""
FEWEST_QUIET = 3
"""Fewer days than these without one say nothing yet."""


class Quiet(StrEnum):
    """What it says of a clinic that it has been quiet for so long; the values are what pages show."""

    USUAL = "As usual"
    SILENT = "Silent"
    STOPPED = f"None in {WINDOW} days"
    SPORADIC = "Not daily before"


def quiet_days(last: date, newest: date) -> int:
    """How many days lie between a clinic's newest conversation and the newest of all."""
    return max((newest - last).days, 0)


def state(days: Collection[date], newest: date) -> Quiet:
    """Whether a clinic that usually has conversations daily has had none for days, or why that says nothing.

    `days` are those with conversations, at least one; what counts is the distance to `newest`, the day of the
    newest conversation of all clinics, since data may end earlier than today. A pause that the clinic made
    before, as over each weekend, is no silence.
    """
    last = max(days)
    usual = sorted(day for day in days if day > last - timedelta(days=WINDOW))
    longest = max((later - day for day, later in pairwise(usual)), default=timedelta(0))
    quiet = newest - last
    if quiet < timedelta(days=FEWEST_QUIET):
        return Quiet.USUAL
    if len(usual) >= USUALLY_DAILY:
        return Quiet.SILENT if quiet > longest else Quiet.USUAL
    return Quiet.STOPPED if quiet >= timedelta(days=WINDOW) else Quiet.SPORADIC
