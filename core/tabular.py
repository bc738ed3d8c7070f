"""Frames row by row, and the rates that stand beside their counts. Pure."""

from collections.abc import Collection
from datetime import date
from typing import Any

import pandas as pd

from core.rates import percent

KNOWN = "bookings_known"
"""A column that tells whether a row's booking rate is known (core.uncounted); without it all are."""


def rows(frame: pd.DataFrame) -> list[Any]:
    """A frame's rows as tuples with names."""
    return list(frame.itertuples(index=False))


def known(row: Any, measure: str) -> bool:  # noqa: ANN401 (a frame's row)
    """Whether there is a rate of this count: bookings of some years are not counted."""
    return measure != "bookings" or bool(getattr(row, KNOWN, True))


def without(frame: pd.DataFrame, starts: Collection[date]) -> pd.DataFrame:
    """A course but the buckets that start on these days."""
    return frame[~frame["start"].isin(list(starts))]


def rates(frame: pd.DataFrame, measure: str, places: int = 2) -> list[float | None]:
    """Each row's rate of this count in percent of its conversations; null over none, and where not known.

    Rounded once, to as many decimals as are shown: rounded twice, 18.547 would be shown as 18.6.
    """
    return [
        percent(int(getattr(row, measure)), int(row.conversations), places)
        if row.conversations and known(row, measure)
        else None
        for row in rows(frame)
    ]
