"""From samples to verdicts, pure: ratios pair by pair, their spread, bounds, and a Markdown table."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

Sample = Mapping[str, float]
"""What one round of one measure gave, by quantity; in seconds where its check says nothing else."""

HEAD = ("measure", "min", "median", "max", "reference", "ratio min", "ratio median", "ratio max", "bound", "")


class Unit(Enum):
    """What a quantity counts, and how it is written."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MEBIBYTES = "MiB"
    COUNT = ""
    CORES = "cores"

    def told(self, value: float) -> str:
        """A value with its unit."""
        digits = {Unit.SECONDS: 2, Unit.MILLISECONDS: 1, Unit.CORES: 2}.get(self, 0)
        scaled = value * 1000 if self is Unit.MILLISECONDS else value
        return f"{scaled:,.{digits}f} {self.value}".rstrip()


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the result: a quantity, what it is held against, and the bound.

    What is judged is the quantity itself, or its ratio to `reference`: a quantity of the same round, or a
    number. `faster` turns the ratio round: how many times as long the reference takes. The median of all
    rounds must be at most `most`, or at least `least`; without either the line only tells. `every` judges the
    worst round instead.
    """

    title: str
    quantity: str
    reference: str | float | None = None
    most: float | None = None
    least: float | None = None
    faster: bool = False
    allowance: float = 0.0
    """What is taken off the quantity before the ratio."""
    unit: Unit = Unit.SECONDS
    every: bool = False

    def judged(self, sample: Sample) -> float:
        """What a round's sample amounts to."""
        value = sample[self.quantity]
        if self.reference is None:
            return value
        against = self.against(sample)
        return against / value if self.faster else (value - self.allowance) / against

    def against(self, sample: Sample) -> float:
        """What a round's quantity is held against."""
        if isinstance(self.reference, str):
            return sample[self.reference]
        assert self.reference is not None
        return self.reference

    def holds(self, samples: Iterable[Sample]) -> bool | None:
        """Whether the bound holds; None where there is none."""
        judged = sorted(self.judged(sample) for sample in samples)
        median = statistics.median(judged)
        if self.most is not None:
            return (judged[-1] if self.every else median) <= self.most
        if self.least is not None:
            return (judged[0] if self.every else median) >= self.least
        return None

    def bound(self) -> str:
        """The bound in words."""
        if self.most is None and self.least is None:
            return ""
        sign, limit = ("≤", self.most) if self.most is not None else ("≥", self.least)
        assert limit is not None
        if self.reference is None:
            return f"{sign} {self.unit.told(limit)}"
        added = f" + {self.unit.told(self.allowance)}" if self.allowance else ""
        return f"{sign} {limit:g} ×{added}{' faster' if self.faster else ''}"

    def row(self, samples: Sequence[Sample]) -> list[str]:
        """The line's cells, under HEAD."""
        values = [self.unit.told(value) for value in _spread(sample[self.quantity] for sample in samples)]
        reference, ratios = "", ["", "", ""]
        if self.reference is not None:
            middle = statistics.median(self.against(sample) for sample in samples)
            reference = self.unit.told(middle)
            ratios = [f"{value:.2f}" for value in _spread(self.judged(sample) for sample in samples)]
        verdict = {True: "holds", False: "**falls short**", None: "told"}[self.holds(samples)]
        return [self.title, *values, reference, *ratios, self.bound(), verdict]


def _spread(values: Iterable[float]) -> tuple[float, float, float]:
    """Minimum, median and maximum."""
    known = list(values)
    return min(known), statistics.median(known), max(known)


@dataclass(frozen=True, slots=True)
class Result:
    """A measure's checks and what all rounds gave."""

    checks: Sequence[Check]
    samples: Sequence[Sample]

    @property
    def holds(self) -> bool:
        """Whether no bound is broken."""
        return all(check.holds(self.samples) is not False for check in self.checks)


def table(results: Iterable[Result]) -> str:
    """All results as one Markdown table."""
    lines = [_line(HEAD), _line(["---", *["---:"] * (len(HEAD) - 3), "---", "---"])]
    for result in results:
        lines += [_line(check.row(result.samples)) for check in result.checks]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def exit_code(results: Iterable[Result]) -> int:
    """0 where every bound holds, else 1."""
    return 0 if all(result.holds for result in results) else 1
