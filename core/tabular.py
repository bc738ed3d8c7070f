"""Frames row by row, as charts and tables both read them. Pure."""

from typing import Any

import pandas as pd

from core.rates import rate


def rows(frame: pd.DataFrame) -> list[Any]:
    """The frame's rows with their columns as attributes, as no annotation can tell."""
    return list(frame.itertuples(index=False))


def rates(frame: pd.DataFrame, measure: str) -> list[float | None]:
    """Each row's rate of this count in percent of its conversations, to two decimals; null over none."""
    pairs = zip(frame[measure], frame["conversations"], strict=True)
    return [rate(int(count), int(of)) for count, of in pairs]
