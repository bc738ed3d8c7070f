"""How fast imports and figures are, on the demo's records: `make bench`. Compare runs of one machine only."""

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from core import queries, settings
from core.control import Control
from core.importer import Order
from core.runs import Mode, Trigger
from core.service import Service
from tests.support.postgres import new_folder

REPETITIONS = 20
QUESTIONS = (("four totals", queries.totals), ("what they lead to", queries.extent))


def main() -> None:
    """Import the demo twice, then ask for figures; each measure is a line."""
    with new_folder() as folder:
        known = settings.load({"DATA_DIR": str(folder / "data")}, Path("/nonexistent"))
        with Service(known) as service:
            service.prepare()
            service.seed()
            show("full import, all new", seconds(lambda: full_import(service)))
            show("full import, nothing changed", seconds(lambda: full_import(service)))
            for name, question in QUESTIONS:
                took = [seconds(partial(service.ask, question)) for _ in range(REPETITIONS)]
                show(name, statistics.median(took))


def full_import(service: Service) -> None:
    """One full import to its end."""
    service.begin_import(Order(Mode.FULL, Trigger.MANUAL, "cli:bench"), Control()).run()


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def show(name: str, took: float) -> None:
    """One line of the result."""
    sys.stdout.write(f"{name:30} {took * 1000:10,.1f} ms\n")


main()
