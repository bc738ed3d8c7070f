"""Marks of a timeline, gathered where they would hide one another. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

# A mark's share of a wide chart's width and height.
ACROSS, UP = 45, 12
# How many of those that lie together a hover tells; the table beside has them all.
MOST_TOLD = 8


@dataclass(slots=True)
class Mark:
    """Something at a moment that took some seconds, and what its hover tells."""

    kind: str
    at: datetime
    seconds: float
    told: str


@dataclass(slots=True)
class Group:
    """Marks of one kind that lie together, drawn as one; `at` leaves room for other kinds there."""

    kind: str
    at: datetime
    seconds: float
    marks: list[Mark] = field(default_factory=list)

    @property
    def told(self) -> str:
        """What the hover tells: each mark, oldest first, as long as there is room."""
        told = [mark.told for mark in self.marks[:MOST_TOLD]]
        more = len(self.marks) - MOST_TOLD
        return "<br><br>".join([*told, f"and {more} more"] if more > 0 else told)


def gathered(marks: Iterable[Mark], least_span: timedelta) -> list[Group]:
    """One group for each kind of mark in each place; what lies apart stays where it is.

    A place is as wide as a mark of a chart over all of them, or over `least_span` where that is longer.
    """
    ordered = sorted(marks, key=lambda mark: mark.at)
    if not ordered:
        return []
    wide = max(ordered[-1].at - ordered[0].at, least_span) / ACROSS
    high = max(mark.seconds for mark in ordered) / UP
    places: list[list[Mark]] = []
    for mark in ordered:
        near = (place for place in reversed(places) if _together(place[0], mark, wide, high))
        place = next(near, None)
        if place is None:
            places.append([mark])
        else:
            place.append(mark)
    return [group for place in places for group in _by_kind(place, wide)]


def _together(first: Mark, other: Mark, wide: timedelta, high: float) -> bool:
    return other.at - first.at < wide and abs(other.seconds - first.seconds) <= high


def _by_kind(place: list[Mark], wide: timedelta) -> list[Group]:
    """The kinds of one place, side by side."""
    kinds: dict[str, list[Mark]] = {}
    for mark in place:
        kinds.setdefault(mark.kind, []).append(mark)
    return [
        Group(kind, place[0].at + wide * number / len(kinds), own[0].seconds, own)
        for number, (kind, own) in enumerate(kinds.items())
    ]
