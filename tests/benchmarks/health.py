"""How soon a server answers, and how fast it says how it is: `python -m tests.benchmarks.health`.

From a process's start to `/health` 200, on a new folder and again (embedded PostgreSQL, demo); then the
time of single calls, each on a connection of its own, while an import runs and 50 pages are open.
"""

import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from urllib.error import URLError

from tests.benchmarks import machine
from tests.benchmarks.stage import Stage, say
from tests.benchmarks.visitors import Crowd, Server, served
from tests.support.commands import new_house
from tests.support.server import free_port

ROUNDS = 5
VISITORS, PAGE = 50, "overview"
CALLS, APART_SECONDS, PATIENCE_SECONDS = 200, 0.05, 60.0
LATENCY_SECONDS = 0.3
AIRTABLES_REQUESTS_A_SECOND = "5"
TRIGGER = b'{"incremental": false}'


def main() -> int:
    """Measure, and print a table in milliseconds."""
    with Stage() as stage:
        sys.stdout.write(f"{machine.described(stage.postgres.admin_url)}\n\n")
        sys.stdout.write("| ms | least | median | 95 % | most | of |\n|---|---|---|---|---|---|\n")
        first, second = starts()
        show("start to `/health` 200, new folder", first)
        show("start to `/health` 200, again", second)
        show("`/health`, nobody there, no import", calls_during(stage, quiet))
        show(f"`/health`, {VISITORS} pages open, an import at Airtable's pace", calls_during(stage, paced))
    return 0


def show(what: str, took: Sequence[float]) -> None:
    """One line of the table."""
    ordered = sorted(took)
    told = (ordered[0], statistics.median(took), ordered[len(took) * 95 // 100], ordered[-1])
    figures = " | ".join(f"{1000 * value:,.1f}" for value in told)
    sys.stdout.write(f"| {what} | {figures} | {len(took)} |\n")
    sys.stdout.flush()


# Starts


def starts() -> tuple[list[float], list[float]]:
    """Seconds from start to answer: on folders without data, and on the same ones again."""
    first: list[float] = []
    second: list[float] = []
    for number in range(ROUNDS):
        with new_house() as house:
            port = free_port()
            house.set = {"PORT": str(port), "TIMEZONE": "UTC"}
            for took in (first, second):
                took.append(start(port, lambda: house.begin("start")))
                house.begun[0].terminate()
                house.end(house.begun[0])
        say(f"start {number + 1} of {ROUNDS}: {first[-1]:.2f} s, again {second[-1]:.2f} s")
    return first, second


def start(port: int, begin: Callable[[], subprocess.Popen[str]]) -> float:
    """Seconds until a server that is begun now answers 200."""
    began = time.perf_counter()
    begin()
    while not well(port):
        assert time.perf_counter() - began < PATIENCE_SECONDS, "the server never answered"
        time.sleep(0.005)
    return time.perf_counter() - began


def well(port: int) -> bool:
    """Whether `/health` answers 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (URLError, OSError):
        return False


# Calls


def calls_during(stage: Stage, work: Callable[[Stage, Server], Iterator[None]]) -> list[float]:
    """Seconds of each call while something goes on."""
    rate = {"AIRTABLE_REQUESTS_PER_SECOND": AIRTABLES_REQUESTS_A_SECOND} if work is paced else {}
    with (
        stage.database(stage.imported) as url,
        served(stage, url, IMPORT_ON_STARTUP="false", **rate) as server,
        contextmanager(work)(stage, server),
    ):
        return [call(server.port) for _ in range(CALLS)]


def call(port: int) -> float:
    """Seconds of one call, connection and all, a moment after the one before."""
    time.sleep(APART_SECONDS)
    began = time.perf_counter()
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    connection.request("GET", "/health")
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == HTTPStatus.OK, body
    return time.perf_counter() - began


def quiet(_: Stage, __: Server) -> Iterator[None]:
    """Nothing goes on."""
    yield


def paced(stage: Stage, server: Server) -> Iterator[None]:
    """One import at Airtable's pace, which takes forty seconds, and the visitors."""
    with Crowd(server, PAGE, VISITORS):
        stage.source.pace(latency=LATENCY_SECONDS)
        assert trigger(server.port)
        yield
        assert running(server.port), "the import ended before the calls"
        stage.source.pace()


def trigger(port: int) -> bool:
    """Begin a full import; false where one runs."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    connection.request("POST", "/api/import/trigger", TRIGGER)
    begun = connection.getresponse().status == HTTPStatus.ACCEPTED
    connection.close()
    return begun


def running(port: int) -> bool:
    """Whether an import runs."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/import/status") as answer:
        return bool(json.load(answer)["status"]["isRunning"])


if __name__ == "__main__":
    sys.exit(main())
