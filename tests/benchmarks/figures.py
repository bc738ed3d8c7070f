"""How long each question of the pages takes at sizes that Airtable allows, and far beyond."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tests.benchmarks.checks import Check, Sample, Unit
from tests.benchmarks.filling import fill
from tests.benchmarks.imports import timed
from tests.benchmarks.reads import every_read, known
from tests.benchmarks.stage import Measure, Stage, say, service

LARGE, HUGE = 500_000, 10_000_000
MOST_SECONDS = 0.1


def asked(rows: int) -> Callable[[Stage], Any]:
    """Each question once a round, past every cache but PostgreSQL's own."""

    @contextmanager
    def prepared(stage: Stage) -> Iterator[Callable[[], Sample]]:
        with stage.database(stage.migrated) as url, service(url, stage.source) as product:
            began = time.monotonic()
            fill(url, rows)
            say(f"filled {rows:,} conversations in {time.monotonic() - began:,.0f} s")
            reads = every_read(product.settings, product.clock.now(), product.ask(known))

            def sample() -> Sample:
                return {name: timed(partial(product.ask, read)) for name, read in reads.items()}

            sample()  # PostgreSQL's own cache, as on any day but the first
            yield sample

    return prepared


MEASURES = (
    Measure(
        "figures",
        f"each question of the pages, {LARGE:,} conversations",
        asked(LARGE),
        each=Check(f"{LARGE:,}: ", "", most=MOST_SECONDS, unit=Unit.MILLISECONDS),
    ),
)
HUGE_MEASURES = (
    Measure(
        "figures-huge",
        f"each question of the pages, {HUGE:,} conversations",
        asked(HUGE),
        each=Check(f"{HUGE:,}: ", "", unit=Unit.MILLISECONDS),
    ),
)
