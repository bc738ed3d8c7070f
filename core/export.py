"""Tables as CSV files that say in their name what they show, and that a spreadsheet cannot be tricked by."""

import re
from collections.abc import Iterable
from datetime import datetime

import pandas as pd

# A cell that starts so is run as a formula by spreadsheets (OWASP: CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
LONGEST_PART = 40


def csv(frame: pd.DataFrame) -> bytes:
    """The frame as CSV in UTF-8 with its mark, so that spreadsheets read it; formula-like text is quoted."""
    safe = frame.rename(columns=_harmless)
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = safe[name].map(_harmless)
    return safe.to_csv(index=False).encode("utf-8-sig")


def file_name(what: str, filters: Iterable[str], as_of: datetime | None) -> str:
    """`booking-rate_2025-10-01_to_2025-10-31_data-as-of-2026-11-24T0600.csv`."""
    stamp = as_of.strftime("data-as-of-%Y-%m-%dT%H%M%z") if as_of else "no-import-yet"
    parts = [_slug(part)[:LONGEST_PART].strip("-") for part in (what, *filters)]
    return "_".join([part for part in parts if part] + [stamp]) + ".csv"


def _harmless(value: object) -> object:
    """Text that a spreadsheet would run, with an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _slug(text: str) -> str:
    return re.sub(r"[^\w]+", "-", text.casefold()).strip("-")
