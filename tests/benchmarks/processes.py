"""Imports as whole processes, from start to exit, beside their peers on the same source and PostgreSQL."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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


@contextmanager
def dlt(stage: Stage) -> Iterator[Callable[[], Sample]]:
    """The product and dlt, each into an empty database and then once more."""

    def sample() -> Sample:
        stage.source.pace()
        with stage.database() as ours, stage.database() as theirs, new_folder() as folder:
            return {
                "import": product_process(stage, ours),
                "dlt": peer_process(stage, "dlt_merge.py", theirs, folder),
                "import again": product_process(stage, ours),
                "dlt again": peer_process(stage, "dlt_merge.py", theirs, folder),
            }

    yield sample


@contextmanager
def row_by_row(stage: Stage) -> Iterator[Callable[[], Sample]]:
    """The product and a home-made import, each into an empty database."""

    def sample() -> Sample:
        stage.source.pace()
        with stage.database() as ours, stage.database() as theirs, new_folder() as folder:
            return {
                "import": product_process(stage, ours),
                "row by row": peer_process(stage, "row_by_row.py", theirs, folder),
            }

    yield sample


MEASURES = (
    Measure(
        "dlt",
        "whole processes: the product and dlt",
        dlt,
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
        row_by_row,
        (
            Check(
                "Full import as a process, against row by row", "import", "row by row", least=15, faster=True
            ),
        ),
    ),
)
