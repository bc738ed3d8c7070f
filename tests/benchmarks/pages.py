"""Pages on a running server: how long a warm one takes, and what many watchers of an import cost."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core import queries
from core.service import Service
from core.settings import ROOT
from tests.benchmarks.checks import Check, Sample, Unit
from tests.benchmarks.stage import Measure, Stage, service
from tests.benchmarks.visitors import Crowd, Server, Visitor, served

PAGES = sorted(path.stem for path in (ROOT / "pages").glob("[a-z]*.py"))
WARM_SECONDS = 0.06
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
        "watchers",
        f"{WATCHERS} sessions that watch a running import",
        watched,
        WATCHED,
    ),
)
