"""Imports in a process of their own whose memory is weighed: see `weighed`.

with weighed(url, standin) as held_at:
    held_at(10)   # runs a full import that may delete; bytes held by Python at its tenth commit
    held_at(0)    # at its reckoning
"""

import gc
import json
import subprocess
import sys
import tracemalloc
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar
from unittest import mock

from sqlalchemy import Connection

from core import importer
from core.records import Outcome
from core.runs import Status
from core.seen import Seen
from tests.support.imports import Importing, importing
from tests.support.standin import StandIn

ROOT = Path(__file__).parents[2]
# Fewer than a test's records, so that it crosses several.
PORTION = 300


@contextmanager
def weighed(url: str, standin: StandIn) -> Iterator[Callable[[int], int]]:
    """The process, asked for one import after another."""
    source = {"url": standin.url, "token": standin.token, "base_id": standin.base_id}
    command = [sys.executable, "-m", "tests.support.weighed", url, json.dumps(source)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked, said = process.stdin, process.stdout

        def held_at(commit: int) -> int:
            asked.write(f"{commit}\n")
            asked.flush()
            return int(said.readline())

        yield held_at
        asked.close()


def main(url: str, source: str) -> None:
    """Obey until the test hangs up."""
    importer.PORTION = PORTION
    standin = SimpleNamespace(table=SimpleNamespace(name="Conversations"), **json.loads(source))
    with (
        mock.patch.object(importer, "Seen", _Weighed),
        importing(standin, url) as product,  # type: ignore[arg-type]  # the stand-in's names alone are read
    ):
        for line in sys.stdin:
            sys.stdout.write(f"{_held_at(product, int(line))}\n")
            sys.stdout.flush()


class _Weighed(Seen):
    """Weighs the memory where a run reckons: all is read by then, and no page waits in a queue."""

    weights: ClassVar[list[int]] = []

    def counts(self, connection: Connection) -> dict[Outcome, int]:
        """The same."""
        self.weights.append(_weight())
        return super().counts(connection)


def _held_at(product: Importing, commit: int) -> int:
    weights = _Weighed.weights

    def committed(number: int) -> None:
        if number == commit:
            weights.append(_weight())

    product.plant = replace(product.plant, committed=committed)
    weights.clear()
    tracemalloc.start()
    status = product.full(allow_mass_delete=True).status
    tracemalloc.stop()
    assert (status, len(weights)) == (Status.SUCCEEDED, 2 if commit else 1)
    return weights[0]


def _weight() -> int:
    # It keeps the newest addresses, which are long where they ask for records by id.
    urllib.parse.clear_cache()  # type: ignore[attr-defined]  # it is there, and documented nowhere
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


if __name__ == "__main__":
    main(*sys.argv[1:])
