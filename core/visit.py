"""What one run of a page's script knows: who looks, through which filters, at data as of when."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from core import periods, service, words
from core.figures import Filters
from core.people import Person
from core.periods import Unit
from core.settings import Settings
from core.standing import Standing


@dataclass(frozen=True, slots=True)
class View:
    """What the frame has found out for this run of the script."""

    settings: Settings
    now: datetime
    standing: Standing
    filters: Filters
    filter_names: tuple[str, ...]
    """The filters in words, for headings and file names; empty where nothing is filtered."""
    person: Person
    page: str
    """The page's name, as in its address."""

    @property
    def zone(self) -> ZoneInfo:
        """The zone that every moment is told in."""
        return self.settings.timezone

    @property
    def source(self) -> str:
        """Where records come from, within a sentence."""
        return "the demo" if self.settings.demo else "Airtable"

    @property
    def today(self) -> date:
        """The day that it is there."""
        return self.now.astimezone(self.zone).date()

    @property
    def as_of_day(self) -> date:
        """The day that the data are as of; today where there are none."""
        return (self.standing.as_of or self.now).astimezone(self.zone).date()

    @property
    def unsettled(self) -> bool:
        """Whether no import has succeeded yet, so that totals say nothing."""
        return self.standing.as_of is None

    def told(self, moment: datetime | None) -> str:
        """A moment in the zone that is shown."""
        return words.moment(moment, self.zone)

    def unfinished(self, frame: pd.DataFrame, unit: Unit) -> set[date]:
        """The starts of those buckets that are not over yet, or that the period cuts."""
        return {
            start
            for start in frame["start"]
            if periods.unfinished(start, unit, self.as_of_day)
            or periods.cut(start, unit, self.filters.period)
        }


VIEW = "_view"


@contextmanager
def while_served() -> Iterator[None]:
    """What is still being drawn when the server stops ends quietly: the browser says that it is gone."""
    try:
        yield
    except service.NoServiceError:
        st.stop()


def view() -> View:
    """What the frame has found out."""
    return cast("View", st.session_state[VIEW])


def begin(looked: View) -> None:
    """Make this what the page and its live parts are drawn from."""
    st.session_state[VIEW] = looked


def standing() -> Standing:
    """How the data and their import stand just now.

    Raises:
        DatabaseError: PostgreSQL cannot be reached.
    """
    return service.current().standing.renewed()


def recent_standing() -> Standing:
    """The same as it was at most half a second ago, for parts that ask again and again; raises the same."""
    return service.current().standing.answer()


def now() -> datetime:
    """The moment that it is."""
    return service.current().clock.now()


def person() -> Person:
    """Who looks at the page."""
    return service.current().people.person(st.context.headers, st.context.cookies)


def may_sign_out() -> bool:
    """Whether who looks came in by our own sign-in form; a proxy keeps its own sign-in."""
    return service.current().people.signed_in_here(st.context.headers, st.context.cookies)


def theme() -> str:
    """`light` or `dark`, as the browser shows the page; light until it has said so."""
    return st.context.theme.type or "light"
