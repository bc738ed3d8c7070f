"""A server that really runs: what it says, how it ends, and that there is one scheduler in it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import psycopg
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.sync.client import ClientConnection, connect

from core.settings import ROOT
from tests.support.commands import bare
from tests.support.comparison import differences
from tests.support.server import free_port
from tests.support.services import variables_for
from tests.support.standin import StandIn, conversations, is_page, silence
from tests.support.waiting import until

DEADLINE_SECONDS = 30.0
# Streamlit's own command, in a process that writes where each of its threads stands when it is asked to.
LAUNCH = """
import signal, sys, traceback

def tell(*_, path=sys.argv.pop(1)):
    # As Python's own handler no thread runs meanwhile: what faulthandler tells may be cut short.
    with open(path, "w") as file:
        for frame in sys._current_frames().values():
            traceback.print_stack(frame, file=file)
        file.write("That is all.")

signal.signal(signal.SIGUSR1, tell)
from streamlit.web.cli import main
main(sys.argv[1:], prog_name="streamlit")
"""


def rerun(session: ClientConnection) -> None:
    """Let the page's script run, and wait until it shows something."""
    message = BackMsg()
    message.rerun_script.query_string = ""
    session.send(message.SerializeToString())
    session.recv(timeout=DEADLINE_SECONDS)


@dataclass
class Server:
    """A process, the port it serves, and what it said."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    @property
    def said(self) -> str:
        """Standard output so far."""
        return (self.folder / "out").read_text()

    @property
    def complained(self) -> str:
        """Standard error so far."""
        return (self.folder / "err").read_text()

    def post(self, path: str, body: bytes = b"") -> int:
        """POST; answers the status."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", path, body)
            return connection.getresponse().status
        finally:
            connection.close()

    @contextmanager
    def session(self) -> Iterator[ClientConnection]:
        """Open the page as a browser does, and let its script run."""
        with connect(f"ws://127.0.0.1:{self.port}/_stcore/stream", max_size=None) as websocket:
            rerun(websocket)
            yield websocket

    def end(self, number: int) -> float:
        """Send a signal; answers how many seconds the process took to end."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(DEADLINE_SECONDS)
        return time.monotonic() - began


@contextmanager
def serving(folder: Path, *options: str, **variables: str) -> Iterator[Server]:
    """A server with these variables; killed at the end if it still runs."""
    port = free_port()
    environ = {**bare(), "LOG_DIR": str(folder / "logs"), "DATA_DIR": str(folder / "data")}
    # Later options win: a test may bind elsewhere.
    command = ["run", str(ROOT / "dashboard.py"), "--server.port", str(port), *options]
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(folder / "threads"), *command],
            cwd=ROOT,
            env=environ | variables,
            stdout=out,
            stderr=err,
        )
        try:
            yield Server(process, port, folder)
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def source() -> Iterator[StandIn]:
    """Airtable with 250 conversations."""
    with StandIn(conversations(250)) as running:
        yield running


def test_a_server_works_before_anybody_comes_and_is_gone_when_told(
    database_url: str, source: StandIn, tmp_path: Path
) -> None:
    """It says where it is and when the data are there; a second one joins; both end in time and cleanly."""
    environ = variables_for(database_url, source)
    with serving(tmp_path, **environ) as server:
        until(lambda: "Ready: " in server.said, "the last line of the start")
        assert f"Dashboard: http://127.0.0.1:{server.port}\n" in server.said
        ready = r"^Ready: 250 conversations, data as of .* America/New_York$"
        assert re.search(ready, server.said, re.MULTILINE)
        with server.session():
            assert server.end(signal.SIGINT) < 10
        assert server.process.returncode == 0  # a person's stop is no failure
        assert "Traceback" not in server.complained
        assert "Abort" not in server.complained
        assert "You can now view" not in server.said  # Streamlit's own greeting
        assert '"event": "server_stopped"' in (tmp_path / "logs" / "combined.log").read_text()
    with psycopg.connect(database_url) as connection:
        held = connection.execute("SELECT status, trigger, triggered_by FROM import_logs").fetchall()
        last_word = connection.execute("SELECT jobs FROM scheduler_heartbeats").fetchall()
    assert (held, last_word) == ([("succeeded", "startup", "startup")], [([],)])


def test_a_signal_in_the_middle_of_an_import(database_url: str, source: StandIn, tmp_path: Path) -> None:
    """With pages open and a request that never ends: gone in ten seconds, quietly; counters kept."""
    source.fail(silence(), on=lambda seen: is_page(seen) and seen.number > 1, times=None)
    with serving(tmp_path, **variables_for(database_url, source)) as server:
        statement = "SELECT processed, status FROM import_logs"
        with psycopg.connect(database_url, autocommit=True) as connection:
            until(lambda: connection.execute(statement).fetchone() == (100, "running"), "a batch")
            with ExitStack() as open_now:
                for _ in range(3):
                    open_now.enter_context(server.session())
                slow = open_now.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                slow.sendall(
                    b"POST /api/import/cancel HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
                )
                assert server.end(signal.SIGTERM) < 8
                assert server.process.returncode == 0
                assert "Traceback" not in server.complained
            assert connection.execute(statement).fetchall() == [(100, "interrupted")]


def test_killed_in_the_middle_of_the_startup_import(
    database_url: str, source: StandIn, tmp_path: Path
) -> None:
    """The next start tells the dead run and imports what is missing: no record lost, none doubled."""
    source.fail(silence(), on=lambda seen: is_page(seen) and seen.number > 1, times=None)
    with psycopg.connect(database_url, autocommit=True) as connection:
        told = "SELECT trigger, status, processed, created FROM import_logs ORDER BY id"
        with serving(tmp_path, **variables_for(database_url, source)) as server:
            running = [("startup", "running", 100, 100)]
            until(lambda: connection.execute(told).fetchall() == running, "a batch")
            server.end(signal.SIGKILL)
        source.heal()
        with serving(tmp_path, **variables_for(database_url, source)) as server:
            until(lambda: "Ready: " in server.said, "the last line of the start")
            assert server.said.splitlines()[-1].startswith("Ready: 250 conversations, data as of ")
        interrupted, whole = connection.execute(told).fetchall()
    assert interrupted == ("startup", "interrupted", 100, 100)
    assert whole == ("startup", "succeeded", 250, 150)
    assert differences(source.table, database_url) == []


@pytest.mark.parametrize(
    ("options", "changes", "code", "named"),
    [
        ([], {"TIMEZONE": "Nowhere"}, 2, "TIMEZONE"),
        ([], {"DATABASE_URL": "postgresql://ann:secret@127.0.0.1:1/none"}, 1, "DATABASE_URL"),
        ([], {"LOG_DIR": "/dev/null/logs"}, 2, "LOG_DIR"),
        (["--server.address", "0.0.0.0"], {}, 2, "HOST"),  # noqa: S104 (refused, never bound for long)
    ],
)
def test_what_keeps_it_from_starting_is_one_line(
    tmp_path: Path, options: list[str], changes: dict[str, str], code: int, named: str
) -> None:
    """However it was started: the variable named, no traceback, no secret, an exit code that says why."""
    with serving(tmp_path, *options, **changes) as server:
        assert server.process.wait(DEADLINE_SECONDS) == code
        lines = [line for line in server.complained.splitlines() if named in line]
        assert len(lines) == 1
        assert "Traceback" not in server.complained
        assert "secret" not in server.complained


def test_there_is_one_scheduler(database_url: str, source: StandIn, tmp_path: Path) -> None:
    """Three sessions, a saved core file, a saved page and cleared caches leave the one that there was."""
    with ExitStack() as open_now:
        server = open_now.enter_context(serving(tmp_path, **variables_for(database_url, source)))
        until(lambda: "Ready: " in server.said, "the last line of the start")
        sessions = [open_now.enter_context(server.session()) for _ in range(3)]
        for saved in ("core/clock.py", "core/service.py", "pages/overview.py"):
            os.utime(ROOT / saved)
        for session in sessions:
            session.send(BackMsg(clear_cache=True).SerializeToString())
            rerun(session)
        server.process.send_signal(signal.SIGUSR1)
        stacks = tmp_path / "threads"
        until(lambda: stacks.exists() and "That is all." in stacks.read_text(), "every stack")
    found = stacks.read_text()
    assert found.count("in _go_round") == 1
    assert len(re.findall(r"apscheduler/schedulers/\w+\.py\", line \d+, in _main_loop", found)) == 1
