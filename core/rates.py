"""Rates as the product states them: exact, rounded half up, nothing over nothing (spec, section 6)."""

from decimal import ROUND_HALF_UP, Decimal


def rate(count: int, of: int) -> float | None:
    """100 × `count` ÷ `of` to two decimals; null over nothing."""
    return percent(count, of, places=2) if of else None


def percent(part: int, whole: int, places: int) -> float:
    """100 × `part` ÷ `whole`, exact, rounded half up (away from zero) to some decimals."""
    exact = Decimal(100 * part) / Decimal(whole)
    return float(exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))
