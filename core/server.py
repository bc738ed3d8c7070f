"""The server's life: from the settings to the last signal, and the two lines it says at its start.

Handed to `st.App` as its lifespan: Streamlit's own server runs it before the port answers, and once a
process. What keeps the server from starting becomes one clear line and an exit code (spec, section 4).
"""

import asyncio
import errno
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from types import FrameType
from typing import Any, NoReturn

from sqlalchemy import RowMapping

from core import __version__, alerts, queries, settings
from core import log as logs
from core.errors import AddressError, ProductError, SettingsError, UsageError
from core.log import Log
from core.nodelay import send_at_once
from core.service import Service, set_current
from core.settings import Settings

# After a signal: how long open answers may go on, and when the process is gone whatever happens.
LEAVE_SECONDS, GONE_SECONDS = 3.0, 9.0
PROBE_SECONDS, PROBE_TIMEOUT_SECONDS = 0.1, 5.0
EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 (recognised, not bound)

log = Log("server")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """As people open it."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def lifespan(
    address: Callable[[], Address], changed: Callable[[str], None]
) -> Callable[[object], AbstractAsyncContextManager[None]]:
    """Everything that lives as long as the server; `address` is asked once the server knows it.

    `changed` is called with each new version of the data, in the background.
    """

    @asynccontextmanager
    async def life(_: object) -> AsyncIterator[None]:
        leaving = _Leaving()
        leaving.listen()
        service = await asyncio.to_thread(_open_or_exit, address(), leaving)
        try:
            set_current(service)
            service.follow(changed)
            send_at_once(address().port)
            gc.collect()
            gc.freeze()  # what is loaded by now never goes, and no collection need look at it
            threading.Thread(
                target=_announce, args=(service, address()), name="announce", daemon=True
            ).start()
            yield
        finally:
            leaving.reached()
            set_current(None)
            await asyncio.to_thread(service.close)
            log.info("server_stopped")
            logs.close()

    return life


def require_guard(known: Settings, host: str) -> None:
    """Refuse to be reachable from the network while nothing guards the server (spec, section 9).

    Raises:
        UsageError: naming what to set.
    """
    if not known.guarded and not known.model_copy(update={"host": host}).loopback:
        raise UsageError(
            f"HOST: {host} is reachable from the network, and nothing guards the server. Set API_TOKEN "
            "and DASHBOARD_PASSWORD (or TRUSTED_USER_HEADER), or leave HOST at 127.0.0.1."
        )


def require_place(host: str, port: int) -> None:
    """Refuse to start where nothing can listen; what takes the port a moment later, Streamlit tells.

    Raises:
        AddressError: naming HOST or PORT, whichever is to blame.
    """
    try:
        socket.create_server((host, port), family=_family(host)).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"PORT: another program listens on {port}. Stop it, or name another port."
        elif error.errno == errno.EACCES:
            message = f"PORT: this user may not listen on {port}. Name one from 1024 on."
        else:
            message = f"HOST: {host} is no address of this machine. Name one, 127.0.0.1 or 0.0.0.0."
        raise AddressError(message) from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def require_receivers(known: Settings) -> None:
    """Refuse to start with an address of ALERT_URLS that nothing can be sent to.

    Raises:
        SettingsError: naming the address by its place alone, for addresses hold secrets.
    """
    urls = alerts.addresses(known.alert_urls.get_secret_value()) if known.alert_urls else ()
    if places := alerts.unreadable(urls):
        named = ", ".join(str(place) for place in places)
        raise SettingsError(
            f"ALERT_URLS: address {named} names no service to send to; write it as "
            "https://github.com/caronc/apprise/wiki says."
        )


def _open_or_exit(address: Address, leaving: "_Leaving") -> Service:
    """The service at work; the process ends here where it cannot be."""
    service: Service | None = None
    try:
        known = settings.from_environment()
        require_guard(known, address.host)
        require_receivers(known)
        configure_log(known, terminal=True)
        service = Service(known)
        leaving.service = service
        service.__enter__()
        service.serve()
    except ProductError as error:
        if service is not None:
            service.close()
        _exit(error)
    log.info("server_started", version=__version__, source="demo" if known.demo else "airtable")
    return service


def configure_log(known: Settings, *, terminal: bool) -> None:
    """Open the log files, and write readable lines to the terminal where wanted.

    Raises:
        SettingsError: LOG_DIR cannot be written.
    """
    try:
        logs.configure(known.log_dir, terminal=terminal)
    except OSError as error:
        raise SettingsError(
            f"LOG_DIR: {known.log_dir} cannot be written ({error.strerror}). Name another folder."
        ) from None


def _exit(error: ProductError) -> NoReturn:
    """End the process; an exception would reach the terminal as a page of uvicorn's traceback instead."""
    logs.close()
    sys.stderr.write(f"{error.message}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(error.exit_code)


class _Leaving:
    """SIGTERM and SIGINT: the import is interrupted at once, and the process gone in time, with exit code 0.

    The web server waits for open answers without limit, and ends the lifespan only afterwards. Only a process
    that could not put its things away says by its code that it was killed.
    """

    def __init__(self) -> None:
        self.service: Service | None = None
        self._number = 0
        self._asked = threading.Event()
        self._reached = threading.Event()
        self._before: dict[int, Callable[[int, FrameType | None], object]] = {}

    def listen(self) -> None:
        """Hear signals before the web server does; only the main thread may."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.signal(number, self._hear)
            if callable(before):
                self._before[number] = before
        threading.Thread(target=self._see_to_it, name="leaving", daemon=True).start()

    def reached(self) -> None:
        """The lifespan is ending by itself."""
        self._reached.set()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        """Pass on the first signal alone: a second one would make the web server skip the lifespan's end."""
        if self._asked.is_set():
            return
        self._number = number
        self._asked.set()
        handler = self._before.get(number)
        web_server: Any = getattr(handler, "__self__", None)
        if hasattr(web_server, "should_exit"):
            # uvicorn's handler would raise the signal again once all is put away, as if nobody had heard it.
            web_server.should_exit = True
        elif handler is not None:
            handler(number, frame)

    def _see_to_it(self) -> None:
        self._asked.wait()
        threading.Thread(target=self._hurry, name="hurry", daemon=True).start()
        threading.Event().wait(GONE_SECONDS)
        os._exit(128 + self._number)

    def _hurry(self) -> None:
        """End the work at once, and everything else too where an open answer holds the web server up."""
        if self.service is None:
            return
        self.service.stop_work()
        if not self._reached.wait(LEAVE_SECONDS):
            self.service.close()
            logs.close()
            os._exit(0)


def _announce(service: Service, address: Address) -> None:
    """Say on the terminal when the port answers, and when the data are there."""
    pause = threading.Event()
    while not _answers(address):
        pause.wait(PROBE_SECONDS)
    _say(f"Dashboard: {address.url}")
    fault = service.wait_for_startup()
    try:
        stand = service.ask(lambda connection: _stand(service.settings, queries.last_completed(connection)))
        count = service.ask(queries.live_count)
    except ProductError as error:
        _say(f"Ready: {error.message}")
        return
    failed = f"; the startup import did not succeed: {fault}" if fault else ""
    _say(f"Ready: {count:,} conversations, {stand}{failed}")


def _stand(known: Settings, last: RowMapping | None) -> str:
    """As of when the data are (spec, section 3: watermark)."""
    if last is None:
        return "no import has succeeded yet"
    return f"data as of {last['watermark'].astimezone(known.timezone):%Y-%m-%d %H:%M} {known.timezone}"


def _answers(address: Address) -> bool:
    """Whether the port serves; one that merely listens does not answer."""
    host = "localhost" if address.host in EVERYWHERE else address.host
    connection = HTTPConnection(host, address.port, timeout=PROBE_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/health")
        connection.getresponse()
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return True


def _say(line: str) -> None:
    """A plain line on standard output, where anybody still reads it."""
    with suppress(OSError, ValueError):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
