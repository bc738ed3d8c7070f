"""The importing process's peak memory, and whether it grows with the table."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.benchmarks.checks import Check, Sample, Unit
from tests.benchmarks.imports import DEMO_RECORDS
from tests.benchmarks.source import Source
from tests.benchmarks.stage import Measure, Stage, ended
from tests.support.commands import uri

TIMES = 10
# The kernel's high-water mark of the process's own memory; `ru_maxrss` would also count its parent's.
IMPORTING = """
import sys
from pathlib import Path
from core.cli import main
code = main(["import", "--full"])
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
sys.exit(code)
"""


def peak(stage: Stage, source: Source, url: str, records: int) -> float:
    """MiB that a process held at most that imported so many records; database and source lie outside."""
    environment = {"HOME": str(stage.house.root), **source.variables, "DATABASE_URL": uri(url)}
    said = ended([sys.executable, "-c", IMPORTING], environment, stage.house.root)
    assert f"{records:,} created" in said
    return int(said.splitlines()[-1]) / 1024


@contextmanager
def memory(stage: Stage) -> Iterator[Callable[[], Sample]]:
    """A full import of 20,077 records and one of ten times as many."""
    with Source(TIMES) as large:

        def sample() -> Sample:
            stage.source.pace()
            with stage.database(stage.migrated) as url:
                small = peak(stage, stage.source, url, DEMO_RECORDS)
            with stage.database(stage.migrated) as url:
                return {"small": small, "large": peak(stage, large, url, DEMO_RECORDS * TIMES)}

        yield sample


MEASURES = (
    Measure(
        "memory",
        "peak memory, 200,770 records against 20,077",
        memory,
        (
            Check(
                "Peak memory, 200,770 records against 20,077", "large", "small", most=1.3, unit=Unit.MEBIBYTES
            ),
            Check("— 20,077 records", "small", unit=Unit.MEBIBYTES),
        ),
    ),
)
