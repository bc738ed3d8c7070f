"""Imports as whole processes, from start to exit, beside their peers on the same source and PostgreSQL."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.checks import Check, Sample
from tests.benchmarks.stage import Measure, Stage, peer, process
from tests.support.commands import uri
from tests.support.postgres import new_folder


def product_process(stage: Stage, url: str) -> float:
    """`python -m core import --full`, in seconds; into an empty database it makes the tables first."""
    house = stage.house
    environment = {"HOME": str(house.root), **stage.source.variables, "DATABASE_URL": uri(url)}
    command = [sys.executable, "-m", "core", "import", "--full"]
    return process(command, environment, house.root)


def peer_process(stage: Stage, script: str, url: str, folder: Path) -> float:
    """A peer's script in the peers' environment, in seconds."""
    source = stage.source
    environment = {
        "SOURCE_URL": source.url,
        "SOURCE_TOKEN": source.token,
        "SOURCE_BASE": source.base,
        "SOURCE_TABLE": source.table,
        "DATABASE_URL": url,
        "HOME": str(folder),
        "DLT_DATA_DIR": str(folder),
        "RUNTIME__DLTHUB_TELEMETRY": "false",  # it would call home while the clock runs
    }
    return peer(script, environment)


def beside(name: str, script: str, rounds: Sequence[str]) -> Callable[[Stage], Any]:
    """The product and a peer, each into an empty database, as often as there are rounds."""

    @contextmanager
    def prepared(stage: Stage) -> Iterator[Callable[[], Sample]]:
        def sample() -> Sample:
            stage.source.pace()
            taken: dict[str, float] = {}
            with stage.database() as ours, stage.database() as theirs, new_folder(durable=True) as folder:
                for again in rounds:
                    taken[f"import{again}"] = product_process(stage, ours)
                    taken[f"{name}{again}"] = peer_process(stage, script, theirs, folder)
            return taken

        yield sample

    return prepared


MEASURES = (
    Measure(
        "dlt",
        "whole processes: the product and dlt",
        beside("dlt", "dlt_merge.py", ("", " again")),
        (
            Check("Full import as a process, against dlt", "import", "dlt", least=1.5, faster=True),
            Check(
                "Full import again as a process, against dlt",
                "import again",
                "dlt again",
                least=2,
                faster=True,
            ),
        ),
    ),
    Measure(
        "row-by-row",
        "whole processes: the product and a home-made import",
        beside("row by row", "row_by_row.py", ("",)),
        (
            Check(
                "Full import as a process, against row by row", "import", "row by row", least=15, faster=True
            ),
        ),
    ),
)
