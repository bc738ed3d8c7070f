"""What pages ask: figures are remembered until an import changes data, all else is asked anew."""

import pickle
import threading
from collections import OrderedDict
from collections.abc import Callable
from types import FunctionType
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from weakref import WeakValueDictionary

import pandas as pd
import streamlit as st
from sqlalchemy import Connection

from core import charts, reports, service, visit
from core.palette import WORDS

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
    key = repr((name, given))
    _asked.note(key, question)
    return _cached(version, key, question)


def renew(version: str) -> None:
    """Ask anew what pages last asked, of this version of the data; raises as `ask`."""
    for key, question in _asked.newest():
        _cached(version, key, question)


class _Asked:
    """The newest questions, each once; may be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._questions: OrderedDict[str, Callable[[Connection], Any]] = OrderedDict()

    def note(self, key: str, question: Callable[[Connection], Any]) -> None:
        with self._lock:
            self._questions[key] = question
            self._questions.move_to_end(key)
            if len(self._questions) > MOST_RENEWED:
                self._questions.popitem(last=False)

    def newest(self) -> list[tuple[str, Callable[[Connection], Any]]]:
        with self._lock:
            return list(self._questions.items())


_asked = _Asked()


def made(make: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """What a pure function makes of answers, made once: all who look share it, nobody changes it."""
    key = " ".join(_key(part) for part in (make, *given, *named.items()))
    return _made(key, lambda: make(*given, **named), (given, named))[0]


def drawn(draw: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """A chart, made once: plotly takes longer to draw it than PostgreSQL to count it."""
    return cast("T", made(charts.finished, WORDS[visit.theme()], draw, *given, **named))


def _key(part: object) -> str:
    """What tells one thing from another: a kept frame is the same one, any other has the same content."""
    if isinstance(part, pd.DataFrame):
        # pandas' own hash of a frame takes ten times as long.
        return f"frame {id(part)}" if _kept.get(id(part)) is part else repr(pickle.dumps(part))
    if isinstance(part, FunctionType):
        return f"{part.__module__}.{part.__qualname__}"
    return repr(sorted(part) if isinstance(part, set) else part)


# Frames that are kept below, by their identity, which is theirs alone for as long as they are.
_kept: WeakValueDictionary[int, pd.DataFrame] = WeakValueDictionary()


def _keep(answer: T) -> T:
    if isinstance(answer, pd.DataFrame):
        _kept[id(answer)] = answer
    return answer


# Not as data, which Streamlit would pickle and read again at each use.
@st.cache_resource(show_spinner=False, max_entries=300)
def _made(
    key: str,  # noqa: ARG001 (what it is kept by)
    _make: Callable[[], T],
    _given: object,
) -> tuple[T, object]:
    """What is made, and what it was made of: as long as that is kept, its identity is no other frame's."""
    return _keep(_make()), _given


@st.cache_resource(show_spinner=False, max_entries=500)
def _cached(
    version: str,  # noqa: ARG001 (a part of what it is kept by)
    key: str,  # noqa: ARG001 (a part of what it is kept by)
    _question: Callable[[Connection], T],
) -> T:
    return _keep(service.current().ask(_question))
