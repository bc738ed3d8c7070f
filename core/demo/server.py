"""The demo's HTTP server: local only, one thread a connection, one send an answer."""

import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from types import TracebackType

from core.demo import DEMO_BASE_ID, DEMO_TOKEN
from core.demo.conversations import demo_table
from core.demo.protocol import Protocol, Request, Response

Clock = Callable[[], datetime]
Answer = Callable[[Request], Response]

_POLL_SECONDS = 0.05


class DemoHandler(BaseHTTPRequestHandler):
    """One connection: reads requests, asks `server.answer`, sends what it says."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"

    def setup(self) -> None:
        """Make the connection known to the server."""
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        """End what `setup` began."""
        self.server.closed(self.connection)
        super().finish()

    def do_GET(self) -> None:
        """Answer one request of any method."""
        length = self.headers.get("Content-Length", "0")
        body = self.rfile.read(int(length)) if length.isdecimal() else b""
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.deliver(self.server.answer(Request(self.command, self.path, headers, body)))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 -- BaseHTTPRequestHandler's names

    def deliver(self, response: Response) -> None:
        """Send the answer, head and body in one write, so that no packet waits for another."""
        payload = response.payload()
        self.wfile.write(self.head(response, len(payload)) + payload)

    def head(self, response: Response, length: int) -> bytes:
        """Status line and headers for a body of `length` bytes."""
        headers = {
            "Date": self.date_time_string(),
            "Content-Type": response.content_type,
            "Content-Length": str(length),
            **response.headers,
        }
        lines = [f"HTTP/1.1 {response.status} {_phrase(response.status)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def date_time_string(self, _timestamp: float | None = None) -> str:
        """The `Date` header's value, by the clock that the server was given."""
        return format_datetime(self.server.clock().astimezone(UTC), usegmt=True)

    def log_message(self, _format: str, *_args: object) -> None:
        """Keep requests off the terminal, where the product's own log is."""


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


class _Server(ThreadingTCPServer):
    """Knows its open connections, so that stopping ends them; unlike HTTPServer it never asks DNS."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, answer: Answer, clock: Clock, handler: type[DemoHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.answer = answer
        self.clock = clock
        self.closing = threading.Event()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()

    def opened(self, connection: socket.socket) -> None:
        """Remember a connection with the thread that serves it; hang up where the server is closing."""
        with self._lock:
            self._connections[connection] = threading.current_thread()
            if self.closing.is_set():
                _hang_up(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._connections.pop(connection, None)

    def close_connections(self) -> None:
        """Hang up on every client and wait for the threads that served them."""
        with self._lock:
            self.closing.set()
            open_now = dict(self._connections)
        for connection, thread in open_now.items():
            _hang_up(connection)
            thread.join()

    def handle_error(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Say nothing of clients that went away; anything else is a fault to be seen."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # the client was quicker
        connection.shutdown(socket.SHUT_RDWR)


class DemoServer:
    """Serves on a free port of 127.0.0.1 from `start` to `stop`, or as a context manager."""

    def __init__(self, answer: Answer, clock: Clock, *, handler: type[DemoHandler] = DemoHandler) -> None:
        self._answer = answer
        self._clock = clock
        self._handler = handler
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> str:
        """Begin to serve and return the endpoint URL, without a path."""
        self._server = _Server(self._answer, self._clock, self._handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="demo-server", daemon=True
        )
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """End all connections and free the port; a server that does not run is left as it is."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()
        self._server.server_close()
        self._server = self._thread = None

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def demo_server(clock: Clock) -> DemoServer:
    """The demo: made-up conversations behind DEMO_TOKEN, DEMO_BASE_ID and DEMO_TABLE_NAME."""
    protocol = Protocol(demo_table(), base_id=DEMO_BASE_ID, token=DEMO_TOKEN)
    return DemoServer(lambda request: protocol.answer(request, clock()), clock)
