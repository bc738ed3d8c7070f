"""The embedded PostgreSQL (spec, section 4): one server for all processes that share a data folder.

Users are counted by shared `flock`s on `users.lock`, which the kernel drops with their process however it
dies, so no list of users can go stale; whoever starts or stops the server holds `gate.lock`.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from core.account import CURE, owner
from core.cluster import PAUSE, SUPERUSER, Cluster, State
from core.errors import EmbeddedServerError
from core.places import PORT, make_private, make_root, open_lock, places
from core.programs import SECONDS

TRIES = int(SECONDS / PAUSE)


class EmbeddedServer:
    """One PostgreSQL for all processes that share `data_dir`: the first user starts it, the last stops it.

    Every method raises `EmbeddedServerError` where the server cannot be had. Usable as a context manager.
    """

    def __init__(self, data_dir: Path) -> None:
        self._places = places(data_dir)
        self._cluster = Cluster(self._places)
        self._users: int | None = None
        self._mutex = threading.Lock()

    def acquire(self) -> None:
        """Register as a user; start the server where it is down, take it as it is where it is up.

        Idempotent, and safe from any number of threads and processes at once.
        """
        with self._mutex, self._plain_errors():
            if self._users is not None:
                return
            make_root(self._places.root)
            with self._gate():
                # Before anything else: from here on, what listens there is ours.
                make_private(self._places.socket_folder, *owner(self._places.cluster))
                self._users = open_lock(self._places.users)
                fcntl.flock(self._users, fcntl.LOCK_SH)
                try:
                    self._bring_up()
                except BaseException:
                    self._leave()
                    raise

    def keep_up(self) -> None:
        """Start the server again where it died under its users; only a user may ask."""
        with self._mutex, self._plain_errors():
            if self._users is not None:
                with self._gate():
                    self._bring_up()

    def release(self) -> None:
        """Give the server up; the last user stops it and waits until it is down. Idempotent."""
        with self._mutex, self._plain_errors():
            if self._users is None:
                return
            with self._gate():
                self._leave()

    def conninfo(self, database: str) -> str:
        """A libpq URI of `database` over the private socket: no password, no TCP."""
        host = quote(str(self._places.socket_folder), safe="")
        return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={host}&port={PORT}"

    def ensure_database(self, name: str) -> str:
        """Create the database where it is missing, also when two do so at once; returns its libpq URI."""
        create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        try:
            with (
                psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection,
                # The second is what the slower of two simultaneous creations gets.
                suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation),
            ):
                connection.execute(create)
        except psycopg.Error as error:
            reason = f"SQLSTATE {error.sqlstate}" if error.sqlstate else "no connection"
            raise self._cluster.error(f"did not give the database {name} ({reason})") from error
        return self.conninfo(name)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def _leave(self) -> None:
        """Drop the own lock, under the gate; nobody else's lock in the way means: the last one, so stop."""
        users, self._users = self._users, None
        assert users is not None  # noqa: S101 (the callers are users)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._cluster.stop()
        except BlockingIOError:
            pass
        finally:
            os.close(users)

    def _bring_up(self) -> None:
        """Wait for a server that is on its way up or down, start one where there is none."""
        self._cluster.trim_log()
        for _ in range(TRIES):
            state = self._cluster.state()
            if state is State.READY:
                return
            if state is State.DOWN:
                self._cluster.start()
            else:
                time.sleep(PAUSE)
        raise self._cluster.error("was not ready in time")

    @contextmanager
    def _gate(self) -> Iterator[None]:
        """Hold the right to start or stop the server, alone among all processes."""
        gate = open_lock(self._places.gate)
        try:
            for _ in range(2 * TRIES):
                with suppress(BlockingIOError):
                    fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                time.sleep(PAUSE)
            else:
                raise self._cluster.error("is being started or stopped by another process, for too long")
            yield
        finally:
            os.close(gate)

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Turn what the operating system refuses into one clear line."""
        try:
            yield
        except OSError as error:
            what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            raise EmbeddedServerError(
                f"The embedded PostgreSQL under {self._places.root} cannot be used: {what}. {CURE}"
            ) from error
