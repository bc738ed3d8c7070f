"""The text rule: what a cell of any kind reads as, and what PostgreSQL can hold of it (spec, section 2)."""

import math
import re
from collections.abc import Iterator

_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"
_DEEPEST = 20
_LARGEST = 2**63
_TOO_DEEP = f"(nested deeper than {_DEEPEST} levels)"


def clean(text: str) -> str:
    """The text as PostgreSQL takes it: NUL removed, each lone surrogate replaced by U+FFFD."""
    text = text.replace("\0", "")
    return text if text.isascii() else _SURROGATE.sub(_REPLACEMENT, text)


def folded(text: str) -> str:
    """The text without outer white space, each stretch of inner one as one space."""
    return " ".join(text.split())


def whole(cell: object) -> str | None:
    """What the whole cell reads as, a list as its parts joined by `", "`; None where it is missing."""
    if isinstance(cell, str):  # nearly every cell that is not empty: not worth a generator
        return clean(cell).strip() or None
    if cell is None:
        return None
    return ", ".join(_parts(cell)) or None


def first(cell: object) -> str | None:
    """What the cell's first non-blank part reads as; None where it is missing."""
    if isinstance(cell, str):
        return clean(cell).strip() or None
    return next(_parts(cell), None)


def storable(value: object) -> object:
    """Any JSON as PostgreSQL's `jsonb` takes it and any JSON reader after it.

    Text and keys are cleaned; NaN, infinities and whole numbers beyond 64 bits become text, and so does what
    is nested deeper than 20 levels.
    """
    return _storable(value, _DEEPEST)


def _parts(cell: object) -> Iterator[str]:
    """The non-blank texts of a cell in order; lists in lists are walked without recursion, however deep."""
    waiting = [cell]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(reversed(value))
        elif text := _scalar(value):
            yield text


def _scalar(value: object) -> str | None:
    if isinstance(value, str):
        return clean(value).strip()
    if isinstance(value, bool):
        return "Yes" if value else None
    if isinstance(value, int | float):
        return _number(value)
    return None


def _number(value: float) -> str | None:
    """A number without its empty fraction; None for NaN, infinities and what Python refuses to write out."""
    try:
        return str(int(value)) if value == int(value) else repr(value)
    except (ValueError, OverflowError):
        return None


def _storable(value: object, levels: int) -> object:
    if isinstance(value, dict | list):
        return _container(value, levels - 1) if levels else _TOO_DEEP
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _storable_number(value)
    return f"({type(value).__name__})"


def _container(value: dict[object, object] | list[object], levels: int) -> object:
    if isinstance(value, list):
        return [_storable(part, levels) for part in value]
    return {str(_storable(key, 0)): _storable(part, levels) for key, part in value.items()}


def _storable_number(value: float) -> object:
    if isinstance(value, int):
        return value if -_LARGEST <= value < _LARGEST else _number(value) or "(number too long to write)"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    # `jsonb` would show a large one as the shortest digits that mean it, which is another whole number.
    return _storable_number(int(value)) if value.is_integer() else value
