"""Pages on a running server: how long a warm one takes, and what many watchers of an import cost."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg

from core import queries
from core.scheduler import BEAT_SECONDS
from core.service import Service
from core.settings import ROOT
from tests.benchmarks.checks import Check, Sample, Unit
from tests.benchmarks.figures import LARGE
from tests.benchmarks.filling import fill
from tests.benchmarks.imports import DEMO_RECORDS
from tests.benchmarks.stage import Measure, Stage, service
from tests.benchmarks.visitors import Crowd, Server, Visitor, served

PAGES = sorted(path.stem for path in (ROOT / "pages").glob("[a-z]*.py"))
WARM_SECONDS = 0.06
# What a page of many conversations may take longer than one of few: more of them are drawn.
MOST_SLOWER = 1.5
RERUNS, WARMING = 7, 2
WATCHERS, WATCHED_PAGES, WINDOW_SECONDS, SETTLE_SECONDS = 50, ("overview", "imports"), 8.0, 2.0
CORES = 1 / 3
# Slower than Airtable allows, so that one import lasts for all windows.
SLOW_REQUESTS_A_SECOND = 1.5


@contextmanager
def warm(stage: Stage) -> Iterator[Callable[[], Sample]]:
    """Each page with the demo's data, run again on a connection that has drawn it before."""
    with stage.database(stage.imported) as url:

        def sample() -> Sample:
            with served(stage, url, IMPORT_ON_STARTUP="false") as server:
                return {page: reruns(server, page) for page in PAGES}

        yield sample


def reruns(server: Server, page: str) -> float:
    """The median of some warm runs of a page, in seconds."""
    with Visitor(server, page) as visitor:
        for _ in range(WARMING):
            visitor.run()
        return statistics.median(visitor.run() for _ in range(RERUNS))


@contextmanager
def first_looks(stage: Stage) -> Iterator[Callable[[], Sample]]:
    """Each page looked at for the first time after an import has changed data, few and many of them."""
    with stage.database(stage.migrated) as few, stage.database(stage.migrated) as many:
        fill(few, DEMO_RECORDS)
        fill(many, LARGE)

        def sample() -> Sample:
            small, large = after_a_change(stage, few), after_a_change(stage, many)
            return large | {f"{page} of few": seconds for page, seconds in small.items()}

        yield sample


def after_a_change(stage: Stage, url: str) -> dict[str, float]:
    """How long each page takes on connections that had drawn it before, once the server knows of a change."""
    with served(stage, url, IMPORT_ON_STARTUP="false") as server, ExitStack() as stack:
        visitors = {page: stack.enter_context(Visitor(server, page)) for page in PAGES}
        for visitor in visitors.values():
            visitor.run()
        with psycopg.connect(url) as connection:
            connection.execute(
                "UPDATE import_logs SET batches = batches + 1"
                " WHERE id = (SELECT max(id) FROM import_logs WHERE changed_data)"
            )
        time.sleep(BEAT_SECONDS + SETTLE_SECONDS)
        return {page: visitor.run() for page, visitor in visitors.items()}


@contextmanager
def watched(stage: Stage) -> Iterator[Callable[[], Sample]]:
    """The server's processor time while it imports: with nobody there, then with watchers of a page each."""

    def sample() -> Sample:
        stage.source.pace(latency=0.3)
        rate = {"AIRTABLE_REQUESTS_PER_SECOND": str(SLOW_REQUESTS_A_SECOND)}
        with (
            stage.database(stage.migrated) as url,
            served(stage, url, **rate) as server,
            service(url, stage.source) as looking,
        ):
            wait_for_records(looking)
            found = {"alone": cores(server)}
            for page in WATCHED_PAGES:
                found |= watchers(server, page, found["alone"])
            assert looking.ask(queries.running) is not None, "the import ended before the watchers did"
        stage.source.pace()
        return found

    yield sample


def wait_for_records(looking: Service) -> None:
    """Come back when the server's startup import has read its first records."""
    until = time.monotonic() + WINDOW_SECONDS
    while (running := looking.ask(queries.running)) is None or not running["processed"]:
        assert time.monotonic() < until, "the startup import did not begin"
        time.sleep(0.1)


def watchers(server: Server, page: str, alone: float) -> dict[str, float]:
    """What the watchers of a page cost beyond the import, and how many refreshes a second they saw."""
    with Crowd(server, page, WATCHERS) as crowd:
        time.sleep(SETTLE_SECONDS)
        before = crowd.refreshes
        used = cores(server)
        return {page: used - alone, f"{page} refreshes": (crowd.refreshes - before) / WINDOW_SECONDS}


def cores(server: Server) -> float:
    """Processor seconds a second, over a window."""
    began, used = time.monotonic(), server.cpu_seconds()
    time.sleep(WINDOW_SECONDS)
    return (server.cpu_seconds() - used) / (time.monotonic() - began)


WATCHED = (
    Check("50 sessions watch an import on Overview", "overview", most=CORES, unit=Unit.CORES),
    Check("— refreshes a second on Overview", "overview refreshes", unit=Unit.COUNT),
    Check("50 sessions watch an import on Imports", "imports", most=CORES, unit=Unit.CORES),
    Check("— refreshes a second on Imports", "imports refreshes", unit=Unit.COUNT),
    Check("— the import itself, with nobody there", "alone", unit=Unit.CORES),
)
MEASURES = (
    Measure(
        "pages",
        "a warm rerun of each page on the server",
        warm,
        each=Check("Warm rerun: ", "", most=WARM_SECONDS, unit=Unit.MILLISECONDS),
    ),
    Measure(
        "first-looks",
        f"each page's first look after an import, {LARGE:,} conversations against {DEMO_RECORDS:,}",
        first_looks,
        tuple(
            Check(
                f"First look after an import: {page}",
                page,
                f"{page} of few",
                most=MOST_SLOWER,
                unit=Unit.MILLISECONDS,
            )
            for page in PAGES
        ),
    ),
    Measure(
        "watchers",
        f"{WATCHERS} sessions that watch a running import",
        watched,
        WATCHED,
    ),
)
