"""Measure imports, figures and pages: `make bench`, or `python -m tests.benchmarks full --rounds 3`.

Each round measures everything that was chosen once, so that what disturbs the machine meets all alike. The
table goes to standard output, progress to standard error; docs/benchmarks.md says what each line means.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

from tests.benchmarks import figures, imports, machine, memory, pages, processes
from tests.benchmarks.checks import Result, Sample, exit_code, table
from tests.benchmarks.stage import Measure, Stage, say

ROUNDS = 5
USUAL = (*imports.MEASURES, *processes.MEASURES, *memory.MEASURES, *figures.MEASURES, *pages.MEASURES)
MEASURES = {measure.name: measure for measure in (*USUAL, *figures.HUGE_MEASURES)}


def main() -> int:
    """Measure what the command line names; answers the exit code."""
    given = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped run takes its servers down too
    began = time.monotonic()
    with Stage() as stage:
        told = machine.described(stage.postgres.admin_url)
        say(told)
        results = measured(stage, [MEASURES[name] for name in given.names], given.rounds)
    sys.stdout.write(f"{told} Rounds: {given.rounds}.\n\n{table(results)}\n")
    say(f"Took {time.monotonic() - began:,.0f} s.")
    return exit_code(results)


def arguments() -> argparse.Namespace:
    """What to measure, and how often."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--huge", action="store_true", help="figures at 10,000,000 conversations too")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in MEASURES]
    if unknown:
        parser.error(f"no such measure: {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    huge = [measure.name for measure in figures.HUGE_MEASURES if given.huge]
    given.names = given.names or [*(measure.name for measure in USUAL), *huge]
    return given


def measured(stage: Stage, measures: Sequence[Measure], rounds: int) -> list[Result]:
    """Rounds over all measures, interleaved."""
    with ExitStack() as stack:
        prepared = []
        for measure in measures:
            say(f"preparing {measure.name}: {measure.about}")
            prepared.append(stack.enter_context(measure.prepared(stage)))
        samples: list[list[Sample]] = [[] for _ in measures]
        for number in range(rounds):
            for measure, sample, taken in zip(measures, prepared, samples, strict=True):
                taken.append(sample())
                told = ", ".join(f"{name} {value:.3f}" for name, value in taken[-1].items())
                say(f"round {number + 1} of {rounds}, {measure.name}: {told}")
    return [
        Result(measure.checks_of(taken[0]), taken) for measure, taken in zip(measures, samples, strict=True)
    ]


if __name__ == "__main__":  # the source's own process imports this file again
    sys.exit(main())
