"""What pages ask: figures are remembered until an import changes data, all else is asked anew."""

import logging
import pickle
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import pandas as pd
import streamlit as st
from sqlalchemy import Connection

from core import charts, reports, service, visit
from core.palette import WORDS

# Loaded before the server runs, for the first visitor's sake; Streamlit warns of what is then meant.
logging.getLogger("streamlit.runtime.caching.cache_data_api").setLevel(logging.ERROR)

# What is asked anew after an import: about what a visit to each page asks.
MOST_RENEWED = 40

P = ParamSpec("P")
T = TypeVar("T")


def ask(question: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
    """One question to the database, remembered until an import changes data.

    Raises:
        DatabaseError: PostgreSQL cannot be reached; the frame shows it.
    """
    given = (*arguments, *named.items())
    return remembered(
        visit.view().standing.version,
        question.__name__,
        given,
        lambda connection: question(connection, *arguments, **named),
    )


def ask_now(question: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
    """One question about imports, which change without changing data: never remembered."""
    return service.current().ask(lambda connection: question(connection, *arguments, **named))


def validation() -> reports.Validation:
    """The totals against their expectations, and what is odd; remembered like a figure."""
    settings = visit.view().settings
    return remembered(
        visit.view().standing.version,
        "validation",
        (),
        lambda connection: reports.validation(connection, settings),
    )


def health() -> reports.HealthReport:
    """Whether every part works, as `/health` tells it."""
    return service.current().health()


def remembered(version: str, name: str, given: tuple[object, ...], question: Callable[[Connection], T]) -> T:
    """The answer of this name to what was given, for as long as the data's version stays; raises as `ask`."""
    _asked.note(name, given, question)
    return cast("T", _cached(version, name, given, question))


def renew(version: str) -> None:
    """Ask anew what pages last asked, of this version of the data; raises as `ask`."""
    for name, given, question in _asked.newest():
        _cached(version, name, given, question)


class _Asked:
    """The newest questions, each once; may be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._questions: OrderedDict[str, tuple[str, tuple[object, ...], Callable[[Connection], Any]]]
        self._questions = OrderedDict()

    def note(self, name: str, given: tuple[object, ...], question: Callable[[Connection], Any]) -> None:
        key = repr((name, given))
        with self._lock:
            self._questions[key] = (name, given, question)
            self._questions.move_to_end(key)
            if len(self._questions) > MOST_RENEWED:
                self._questions.popitem(last=False)

    def newest(self) -> list[tuple[str, tuple[object, ...], Callable[[Connection], Any]]]:
        with self._lock:
            return list(self._questions.values())


_asked = _Asked()


def drawn(draw: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """A chart, drawn once of the same data: plotly takes longer to draw it than PostgreSQL to count it.

    All pages that show it share it; nobody changes it.
    """
    known = tuple(sorted(part) if isinstance(part, set) else part for part in given)
    ink = WORDS[visit.theme()]
    return cast(
        "T",
        _drawn(
            draw.__name__,
            (*known, *named.items(), ink),
            lambda: charts.inked(cast("Any", draw(*given, **named)), ink),
        ),
    )


# pandas' own hash of a frame takes ten times as long.
@st.cache_resource(show_spinner=False, max_entries=300, hash_funcs={pd.DataFrame: pickle.dumps})
def _drawn(
    name: str,  # noqa: ARG001 (a part of the key)
    given: tuple[object, ...],  # noqa: ARG001 (a part of the key)
    _draw: Callable[[], Any],
) -> Any:  # noqa: ANN401 (untyped, as plotly is)
    return _draw()


@st.cache_data(show_spinner=False, max_entries=500)
def _cached(
    version: str,  # noqa: ARG001 (a part of the key)
    name: str,  # noqa: ARG001 (a part of the key)
    given: tuple[object, ...],  # noqa: ARG001 (a part of the key)
    _question: Callable[[Connection], Any],
) -> Any:  # noqa: ANN401 (each question has its own answer)
    return service.current().ask(_question)
