"""The text rule (spec, section 2)."""

import json
import math
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import text


def _nested(levels: int, value: object) -> object:
    for _ in range(levels):
        value = [value]
    return value


ANY_TEXT = st.text(st.characters(exclude_categories=()))
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda parts: st.lists(parts) | st.dictionaries(ANY_TEXT, parts),
)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("Ann", "Ann"),
        ("  Ann  Lee\r\n", "Ann  Lee"),
        ("\u00a0Ann\u2003", "Ann"),
        ("", None),
        (" \t\n\u00a0", None),
        ("\0", None),
        (" \0 Ann\0 ", "Ann"),
        ("\ud83d", "\ufffd"),
        ("a\ud83d\0\ude00b", "a\ufffd\ufffdb"),
        ("Zoë 😀", "Zoë 😀"),
        (None, None),
        (True, "Yes"),
        (False, None),
        (0, "0"),
        (15551234567, "15551234567"),
        (2025.0, "2025"),
        (-0.0, "0"),
        (20.5, "20.5"),
        (1e22, "10000000000000000000000"),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        pytest.param(10**5000, None, id="huge"),
        ({"error": "#ERROR!"}, None),
        ({}, None),
        ([], None),
        (["a", " ", None, False, {}, " b "], "a, b"),
        ([True, 2.0, ["c", ["d"]], "e"], "Yes, 2, c, d, e"),
        ([[], [" "]], None),
    ],
)
def test_whole_cell(cell: object, expected: str | None) -> None:
    """A cell of any kind reads as its text, and as missing where there is none to read."""
    assert text.whole(cell) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (" a ", "a"),
        (["", None, " a ", "b"], "a"),
        ([[" ", [2025.0]], "b"], "2025"),
        ([False, {"x": "y"}], None),
        ([], None),
        (None, None),
    ],
)
def test_first_part(cell: object, expected: str | None) -> None:
    """Of a list, Clinic and Automation take the first part that is not blank."""
    assert text.first(cell) == expected


def test_lists_of_any_depth() -> None:
    """Lists nested deeper than Python may recurse are read like any other."""
    deep = _nested(100_000, " a ")
    assert text.whole(deep) == "a"
    assert text.first(deep) == "a"


@pytest.mark.parametrize(
    ("written", "expected"),
    [(" Spine \n\t Center\u00a0", "Spine Center"), ("Spine", "Spine"), ("  ", "")],
)
def test_folding(written: str, expected: str) -> None:
    """Each stretch of white space, of whatever kind, becomes one space; outer ones go."""
    assert text.folded(written) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\0\ud800", "a\ufffd"),
        ({"k\0\udfff": "v"}, {"k\ufffd": "v"}),
        ([None, True, 1, 0.5], [None, True, 1, 0.5]),
        (math.nan, "NaN"),
        ([math.inf, -math.inf], ["Infinity", "-Infinity"]),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (2**63, "9223372036854775808"),
        (2.0**62, 2**62),
        (1e300, str(int(1e300))),
        pytest.param(10**5000, "(number too long to write)", id="huge"),
        (_nested(20, "a"), _nested(20, "a")),
        (_nested(21, "a"), _nested(20, "(nested deeper than 20 levels)")),
        ({1: b"a"}, {"1": "(bytes)"}),
    ],
)
def test_storable(value: object, expected: object) -> None:
    """What PostgreSQL's `jsonb` refuses becomes text; everything else stays as it is."""
    assert text.storable(value) == expected


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_storable_numbers_come_back(number: float) -> None:
    """`jsonb` keeps a number's digits and writes it without an exponent: it reads again as it was stored.

    One that did not would make an unchanged rejection look changed at each import.
    """
    kept = text.storable(number)
    written = f"{Decimal(json.dumps(kept)):f}" if isinstance(kept, int | float) else json.dumps(kept)
    assert json.loads(written) == kept


def _depth(value: object) -> int:
    if not isinstance(value, dict | list):
        return 0
    parts = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_depth, parts), default=0)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in [*value, *(value.values() if isinstance(value, dict) else ())]:
            yield from _strings(part)


@given(ANY_JSON, st.integers(0, 60))
def test_storable_whatever_comes(value: object, levels: int) -> None:
    """Whatever JSON a cell holds, `jsonb` takes what is kept of it, and nothing of it lies too deep."""
    kept = text.storable(_nested(levels, value))
    json.dumps(kept, allow_nan=False, ensure_ascii=False).encode()
    assert not any("\0" in string for string in _strings(kept))
    assert _depth(kept) <= 20


@given(ANY_JSON)
def test_text_whatever_comes(cell: object) -> None:
    """Whatever a cell holds, its text is one that PostgreSQL takes, trimmed and not blank, or missing."""
    for read in (text.whole(cell), text.first(cell)):
        if read is not None:
            read.encode()
            assert read
            assert read == read.strip()
            assert "\0" not in read
