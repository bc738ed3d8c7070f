"""A network between product and PostgreSQL that can fail at a commit.

with Proxy(url) as proxy:
    proxy.cut_at(3, Loss.ANSWER)  # the third COMMIT is done, and the connection breaks before it is told
    ... connect to proxy.url ...

with Proxy(url, farewell=POOLERS_FAREWELL) as proxy:  # says that too where the server ends a connection
"""

import socket
import threading
from contextlib import suppress
from enum import Enum
from types import TracebackType
from typing import Self

from psycopg.conninfo import conninfo_to_dict

_CHUNK = 65536
_SAID = b"SFATAL\0VFATAL\0C08P01\0Mserver conn crashed?\0\0"
POOLERS_FAREWELL = b"E" + (len(_SAID) + 4).to_bytes(4, "big") + _SAID
"""What PgBouncer adds to the server's own words when that ends a connection."""


class Loss(Enum):
    """What of a COMMIT gets lost."""

    QUESTION = "question"
    """The connection breaks before the server has read it: nothing is committed."""
    ANSWER = "answer"
    """The connection breaks before the client has read the answer: all is committed."""


class Proxy:
    """Listens on a free local port while the context is open."""

    def __init__(self, url: str, farewell: bytes = b"") -> None:
        self._farewell = farewell
        self._server = {name: str(value) for name, value in conninfo_to_dict(url).items()}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._commits = 0
        self._cut: tuple[int, Loss] | None = None
        here = {"host": "127.0.0.1", "port": str(self._listener.getsockname()[1])}
        parts = self._server | here | {"sslmode": "disable", "gssencmode": "disable"}
        self.url = "postgresql://?" + "&".join(f"{name}={value}" for name, value in parts.items())
        """The database by way of this proxy, as a libpq URI."""

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in (self._listener, *self._sockets):
            _hang_up(one)
        for thread in self._threads:
            thread.join()

    def cut_at(self, commit: int, loss: Loss) -> None:
        """Break the connection that sends the COMMIT with that number, counted from now over all."""
        with self._lock:
            self._commits, self._cut = 0, (commit, loss)

    @property
    def has_cut(self) -> bool:
        """Whether the commit that was named has come."""
        return self._cut is None

    def _run(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]  # a callable
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                self._sockets += [client, server]
                lost = threading.Event()
                self._run(self._ask, client, server, lost)
                self._run(self._answer, client, server, lost)

    def _connect(self) -> socket.socket:
        host, port = self._server.get("host", "localhost"), self._server.get("port", "5432")
        if not host.startswith("/"):
            return socket.create_connection((host, int(port)))
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _ask(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(_CHUNK):
                loss = self._loss(data)
                if loss is Loss.QUESTION:
                    break
                if loss is Loss.ANSWER:
                    lost.set()
                server.sendall(data)
        if not lost.is_set():
            _hang_up(client)
            _hang_up(server)

    def _answer(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while (data := server.recv(_CHUNK)) and not lost.is_set():
                client.sendall(data)
            if not lost.is_set():
                client.sendall(self._farewell)
        _hang_up(client)
        _hang_up(server)

    def _loss(self, data: bytes) -> Loss | None:
        """What is to get lost of what the client sends."""
        if b"COMMIT\0" not in data:
            return None
        with self._lock:
            self._commits += 1
            if self._cut is None or self._commits != self._cut[0]:
                return None
            loss, self._cut = self._cut[1], None
            return loss


def _hang_up(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
