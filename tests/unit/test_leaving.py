"""How a server's process hears signals, and what it says at its start."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType, SimpleNamespace
from typing import NoReturn

import pytest

from core import server
from core.errors import DatabaseUnavailableError
from core.server import Address, _announce, _Leaving
from tests.support.waiting import until


@pytest.fixture
def handlers() -> Iterator[None]:
    """Signals are heard as before afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def codes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The codes with which the process would have ended, at once."""
    found: list[int] = []
    monkeypatch.setattr(os, "_exit", found.append)
    monkeypatch.setattr(server, "GONE_SECONDS", 0.01)
    return found


@pytest.mark.usefixtures("handlers")
def test_the_first_signal_alone_is_passed_on(codes: list[int]) -> None:
    """A second one would make the web server skip the end of what it began."""
    passed: list[int] = []

    def hear(number: int, _: FrameType | None) -> None:
        passed.append(number)

    signal.signal(signal.SIGTERM, hear)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _Leaving().listen()
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
        signal.raise_signal(number)
    assert passed == [signal.SIGTERM]
    until(lambda: codes == [128 + signal.SIGTERM], "the end of a process that could not put its things away")


@pytest.mark.usefixtures("handlers")
def test_a_web_server_is_asked_to_end_and_not_to_raise_the_signal_again(codes: list[int]) -> None:
    """Its own handler would end the process by the signal once all is put away."""

    class WebServer:
        should_exit = False

        def handle_exit(self, _: int, __: FrameType | None) -> NoReturn:
            raise AssertionError("its own handler was called")

    web_server = WebServer()
    signal.signal(signal.SIGTERM, web_server.handle_exit)
    _Leaving().listen()
    signal.raise_signal(signal.SIGTERM)
    assert web_server.should_exit
    until(lambda: codes, "the end of the process, which this test outlives")


@pytest.mark.usefixtures("handlers")
def test_another_thread_hears_no_signals() -> None:
    """Only the main thread may; a server that a test starts elsewhere goes without."""
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=_Leaving().listen)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep requests off the terminal."""


def _refuse(_: Callable[[object], object]) -> NoReturn:
    raise DatabaseUnavailableError("The database cannot be reached.")


def test_the_address_is_said_once_it_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that listens and does not answer yet is no dashboard; what is wrong with the data is said."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as web:
        address = Address("127.0.0.1", web.server_address[1])
        service = SimpleNamespace(wait_for_startup=lambda: None, ask=_refuse)
        said = threading.Thread(target=_announce, args=(service, address))
        server_thread = threading.Thread(target=web.serve_forever, args=(0.01,))
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(server, "PROBE_TIMEOUT_SECONDS", 0.05)
            patched.setattr(server, "PROBE_SECONDS", 0.01)
            said.start()
            said.join(0.2)
            assert capsys.readouterr().out == ""
            server_thread.start()
            said.join(30)
        web.shutdown()
        server_thread.join()
    assert capsys.readouterr().out == (
        f"Dashboard: http://127.0.0.1:{address.port}\nReady: The database cannot be reached.\n"
    )
