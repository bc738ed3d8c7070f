"""What the measures share: PostgreSQL and its databases, the source, the product here or as a process."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

from core.control import Control
from core.importer import Order
from core.migration import migrate
from core.runs import Mode, Status, Trigger
from core.service import Service
from core.settings import ROOT, load
from tests.benchmarks.checks import Check, Sample
from tests.benchmarks.source import Source
from tests.support.commands import House, new_house, uri
from tests.support.postgres import Postgres, running_postgres
from tests.support.services import NO_FILE

PEERS = ROOT / ".bench" / "peers" / "bin" / "python"
PEER_SCRIPTS = ROOT / "tests" / "benchmarks" / "peers"


class Stage:
    """Everything that measures stand on, made when it is first needed; use as a context manager."""

    def __init__(self) -> None:
        """Make nothing yet."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def postgres(self) -> Postgres:
        """The server that TEST_DATABASE_URL names, or an embedded one as the product runs it."""
        return self._stack.enter_context(running_postgres(durable=True))

    @cached_property
    def source(self) -> Source:
        """The demo's 20,077 records."""
        return self._stack.enter_context(Source())

    @cached_property
    def house(self) -> House:
        """A copy of the product without a `.env`, its files compiled."""
        house = self._stack.enter_context(new_house())
        assert house.run("test-rules").code == 0
        return house

    @cached_property
    def migrated(self) -> str:
        """The name of a database with empty tables and the seeded automations; a template."""
        name = self.postgres.create()
        self._stack.callback(self.postgres.drop, name)
        migrate(self.postgres.url(name))
        with service(self.postgres.url(name), self.source) as product:
            product.seed()
        return name

    @cached_property
    def imported(self) -> str:
        """The name of a database in which the source is imported; a template."""
        name = self.postgres.create(self.migrated)
        self._stack.callback(self.postgres.drop, name)
        with service(self.postgres.url(name), self.source) as product:
            run(product, Mode.FULL)
        return name

    def database(self, template: str | None = None) -> AbstractContextManager[str]:
        """The URL of a new database, empty or a template's clone, for a block."""
        return self.postgres.database(template)


@contextmanager
def service(url: str, source: Source, **variables: str) -> Iterator[Service]:
    """The product in this process, reading from the source into that database."""
    environ = {**source.variables, "DATABASE_URL": uri(url), **variables}
    with Service(load(environ, NO_FILE)) as product:
        yield product


def run(product: Service, mode: Mode) -> float:
    """One import to its success; the seconds from taking the lock to its row's end."""
    began = time.perf_counter()
    ended = product.begin_import(Order(mode, Trigger.MANUAL, "cli:bench"), Control()).run()
    took = time.perf_counter() - began
    if ended.status is not Status.SUCCEEDED:
        raise RuntimeError(f"the import ended {ended.status}: {ended.errors}")
    return took


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def peer(script: str, environment: Mapping[str, str]) -> float:
    """How many seconds a peer's whole process takes."""
    if not PEERS.exists():
        raise SystemExit("The peers have no environment yet: `make bench` makes it in .bench/peers.")
    return process([str(PEERS), str(PEER_SCRIPTS / script)], environment, PEER_SCRIPTS)


def process(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> float:
    """How many seconds a whole process takes, from its start to its exit; it must succeed."""
    return seconds(lambda: ended(command, environment, folder))


def ended(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> str:
    """Run a process that must succeed; answers what it wrote."""
    environ = {"PATH": os.environ["PATH"], **environment}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def say(line: str) -> None:
    """Tell a person who waits how far it is."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is measured, under a name to choose it by."""

    name: str
    about: str
    prepared: Callable[[Stage], AbstractContextManager[Callable[[], Sample]]]
    """Makes what all rounds share, and yields what measures one round."""
    checks: tuple[Check, ...] = ()
    each: Check | None = None
    """What every quantity of a sample is held against, where its names show only then."""

    def checks_of(self, sample: Sample) -> tuple[Check, ...]:
        """The lines that a sample makes."""
        if self.each is None:
            return self.checks
        return tuple(replace(self.each, title=self.each.title + name, quantity=name) for name in sample)
