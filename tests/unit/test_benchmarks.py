"""The benchmarks' own arithmetic: what is judged, and when `make bench` fails."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from core.settings import ROOT, load
from tests.benchmarks.checks import Check, Result, Sample, Unit, exit_code, table
from tests.benchmarks.reads import Known, every_read

PAIRS: list[Sample] = [{"own": 2.0, "bare": 1.0}, {"own": 9.0, "bare": 3.0}, {"own": 4.0, "bare": 4.0}]


def test_a_ratio_is_taken_within_its_round() -> None:
    """A round that the machine slowed down slows down both sides of its ratio."""
    check = Check("own", "own", "bare", most=2)
    assert [check.judged(sample) for sample in PAIRS] == [2.0, 3.0, 1.0]


@pytest.mark.parametrize(
    ("check", "holds"),
    [
        (Check("the median ratio", "own", "bare", most=2), True),
        (Check("the median ratio", "own", "bare", most=1.9), False),
        (Check("times faster", "bare", "own", least=2, faster=True), True),
        (Check("times faster", "bare", "own", least=2.1, faster=True), False),
        (Check("an allowance is taken off first", "own", "bare", most=1, allowance=2.0), True),
        (Check("a number as the reference", "own", 4.0, most=1), True),
        (Check("a number as the reference", "own", 3.9, most=1), False),
        (Check("no reference", "own", most=4), True),
        (Check("every round must hold", "own", most=4, every=True), False),
        (Check("every round must hold", "bare", least=1.1, every=True), False),
        (Check("only told", "own"), None),
    ],
)
def test_a_bound_holds_by_the_median_of_all_rounds(check: Check, holds: bool | None) -> None:
    """One disturbed round neither saves a bound nor breaks it, unless every round must hold."""
    assert check.holds(PAIRS) is holds


def test_one_broken_bound_fails_the_whole() -> None:
    """The exit code is 0 only where no bound is broken; a line without a bound never fails."""
    good = Result((Check("told", "own"), Check("good", "own", most=4)), PAIRS)
    bad = Result((Check("good", "own", most=4), Check("bad", "own", most=3.9)), PAIRS)
    assert (exit_code([good]), exit_code([good, bad])) == (0, 1)


def test_the_table_shows_the_spread_and_the_verdict() -> None:
    """Each line has minimum, median and maximum of the quantity and of what is judged, and its bound."""
    check = Check("Import", "own", "bare", most=1.5, allowance=0.05, unit=Unit.MILLISECONDS)
    *_, line = table([Result((check,), PAIRS)]).splitlines()
    assert [cell.strip() for cell in line.strip("|").split("|")] == [
        *("Import", "2,000.0 ms", "4,000.0 ms", "9,000.0 ms", "3,000.0 ms"),
        *("0.99", "1.95", "2.98", "≤ 1.5 × + 50.0 ms", "**falls short**"),
    ]


ASKING = {"ask", "ask_now", "remembered"}
QUESTION = re.compile(r"(figures|lookup|queries|reports)\.\w+")
# Pages reach these through a function of their own.
BESIDES = {"standing.read", "reports.health", "queries.live_count", "reports.validation"}


def asked() -> Iterator[str]:
    """The questions that pages, and what they are made of, hand to whoever asks, as they write them."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "core").glob("*.py")]
    parts = [source for source in sources if "import streamlit" in source]
    for source in (*parts, *(path.read_text(encoding="utf-8") for path in (ROOT / "pages").glob("*.py"))):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ASKING:
                yield from (ast.unparse(argument) for argument in node.args)


def test_every_question_of_a_page_is_measured() -> None:
    """A page cannot ask the database anything that `make bench` does not time."""
    settings = load({}, Path("no-such-file"))
    reads = every_read(settings, datetime.now(UTC), Known("rec", "user", (1,), 1)).values()
    functions = [read.func if isinstance(read, partial) else read for read in reads]
    measured = {f"{each.__module__.removeprefix('core.')}.{each.__name__}" for each in functions}
    found = {name for name in asked() if QUESTION.fullmatch(name)}
    assert len(found) > 20
    assert found | BESIDES <= measured
