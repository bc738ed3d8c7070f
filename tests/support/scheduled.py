"""A server's schedule in a process of its own, by a clock that the test sets: see `Scheduled`.

with scheduled(url, standin, "one") as process:
    process.say("at", "2026-01-10T23:00:00+00:00")   # the alarm clock rings; answers "done"
    process.say("die", "2026-01-11T11:00:00+00:00")  # killed between taking the slot and the import
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

from core.clock import Clock
from core.importer import Import, Order
from core.scheduler import Scheduler
from core.service import Service
from tests.support.schedule import NOON, TABLE
from tests.support.services import idle, settings_for
from tests.support.standin import StandIn

ROOT = Path(__file__).parents[2]


class Scheduled:
    """The process, told what to do a line at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """The process runs already."""
        self._process = process

    def ask(self, what: str, at: datetime) -> None:
        """Set the clock and let it ring, without waiting for what comes of it."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what} {at.isoformat()}\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        """Wait until the slot is dealt with; blank where the process died of it."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def say(self, what: str, at: datetime) -> str:
        """Both."""
        self.ask(what, at)
        return self.answer()


@contextmanager
def scheduled(url: str, standin: StandIn, name: str) -> Iterator[Scheduled]:
    """A process whose schedule is open at noon, without a startup import."""
    source = {"url": standin.url, "token": standin.token, "base_id": standin.base_id}
    command = [sys.executable, "-m", "tests.support.scheduled", url, json.dumps(source), name]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        made = Scheduled(process)
        assert made.answer() == "open"
        try:
            yield made
        finally:
            process.kill()


class _Mortal(Service):
    """A service whose process is killed where an import would begin, if the test says so."""

    dies = False

    def launch(self, order: Order) -> Import:
        """Begin an import, or die."""
        if self.dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().launch(order)


def main(url: str, source: str, name: str) -> None:
    """Obey until the test hangs up."""
    now = [NOON]
    clock = Clock(now=lambda: now[0], monotonic=time.monotonic)
    standin = SimpleNamespace(table=SimpleNamespace(name="Conversations"), **json.loads(source))
    settings = settings_for(url, standin)  # type: ignore[arg-type]  # its names alone are read
    with _Mortal(settings, clock) as service:
        scheduler = Scheduler(service, TABLE, clock, name)
        scheduler.open(startup_import=True)
        _tell("open")
        for line in sys.stdin:
            what, at = line.split()
            now[0] = datetime.fromisoformat(at)
            service.dies = what == "die"
            scheduler.beat()
            scheduler.settle()
            idle(service)
            _tell("done")
        scheduler.close()


def _tell(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
