"""Frames row by row, as charts and tables both read them. Pure."""

from typing import Any

import pandas as pd

from core.rates import percent


def rows(frame: pd.DataFrame) -> list[Any]:
    """The frame's rows with their columns as attributes, as no annotation can tell."""
    return list(frame.itertuples(index=False))


def rates(frame: pd.DataFrame, measure: str, places: int = 2) -> list[float | None]:
    """Each row's rate of this count in percent of its conversations; null over none.

    Rounded once, to as many decimals as are shown: rounded twice, 18.547 would be shown as 18.6.
    """
    pairs = zip(frame[measure], frame["conversations"], strict=True)
    return [percent(int(count), int(of), places) if of else None for count, of in pairs]
