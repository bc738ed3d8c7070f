"""One embedded PostgreSQL: its data made, the server started, stopped and asked what it does now."""

import errno
import os
import shlex
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from pathlib import Path

from core.account import Account, account_for
from core.errors import EmbeddedServerError
from core.places import PORT, SOCKET_FILE, Places
from core.programs import ENVIRONMENT, MAJOR, SECONDS, binaries, execute

SUPERUSER = "jointchiro"
INITDB_OPTIONS = (
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
SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    # Taken as they are needed; a quarter of that is too little for what pages read of 500,000 conversations.
    "shared_buffers": "256MB",
    # Nothing replicates from here.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
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
STATUS_LINE = 7  # of postmaster.pid, from 0 (PostgreSQL's miscadmin.h, LOCK_FILE_LINE_PM_STATUS)
ORPHANS = "pre-existing shared memory block"
PAUSE = 0.05  # seconds
PG_CTL_OPTIONS = ("--silent", "--wait", f"--timeout={SECONDS}")
LOG_LIMIT = 1_000_000  # bytes
LOG_KEPT = 100_000


class State(Enum):
    """What a server does."""

    DOWN = auto()
    BUSY = auto()  # starting, recovering or stopping
    READY = auto()


class Cluster:
    """One PostgreSQL over its data; whoever starts or stops it must be the only one to do so.

    Every method raises `EmbeddedServerError` or OSError where the server cannot be had.
    """

    def __init__(self, places: Places) -> None:
        """Nothing is made yet."""
        self._places = places

    def state(self) -> State:
        """What the server does now; its socket is asked first, since that shows across containers too."""
        if _listening(self._places.socket):
            status = "".join(self._pid_file()[STATUS_LINE:]).strip()
            return State.READY if status == "ready" else State.BUSY
        return State.BUSY if self._runs_here() else State.DOWN

    def start(self) -> None:
        """Start a server that is down; returns early where another start or an orphan stands in the way."""
        account = account_for(self._places)
        if not self._places.cluster.exists():
            self._initialise(account)
        self._check_version()
        self._discard_remains()
        settings = SETTINGS | {"unix_socket_directories": str(self._places.socket_folder)}
        options = shlex.join(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        said = self._run(account, "pg_ctl", "start", *PG_CTL_OPTIONS, "-o", options)
        if said is None or self.state() is not State.DOWN:
            return
        if ORPHANS not in said:
            raise self.error("did not start")
        # Backends of a killed server end as soon as they notice; until then it cannot start.
        time.sleep(PAUSE)

    def stop(self) -> None:
        """Stop a server that runs here, and wait until it is down."""
        if self._runs_here():
            self._run(account_for(self._places), "pg_ctl", "stop", *PG_CTL_OPTIONS, "-m", "fast")
            if self._runs_here():
                raise self.error("did not stop")
        if self._places.socket_folder.parent != self._places.root:
            with suppress(OSError):
                self._places.socket_folder.rmdir()

    def trim_log(self) -> None:
        """Keep a log's newest part once it is too long; the server appends, so that it may run meanwhile."""
        with self._open_log() as log:
            size = os.fstat(log).st_size
            if size > LOG_LIMIT:
                newest = os.pread(log, LOG_KEPT, size - LOG_KEPT)
                os.ftruncate(log, 0)
                os.write(log, newest)

    def error(self, what: str) -> EmbeddedServerError:
        """What people read of a server that did something wrong."""
        return EmbeddedServerError(f"The embedded PostgreSQL {what}; its log says why: {self._places.log}")

    def _runs_here(self) -> bool:
        """Whether the process that the cluster's lock file names is its server, in this container."""
        pid = "".join(self._pid_file()[:1])
        return pid.isdigit() and _works_in(int(pid), self._places.cluster)

    def _pid_file(self) -> list[str]:
        with suppress(FileNotFoundError):
            return self._places.pid_file.read_text(encoding="utf-8", errors="replace").split("\n")
        return []

    def _initialise(self, account: Account) -> None:
        """Make the cluster beside its place and move it there whole: what was interrupted never counts."""
        fresh = Path(tempfile.mkdtemp(prefix="initdb-", dir=self._places.root))
        os.chown(fresh, account.uid, account.gid)
        if self._run(account, "initdb", *INITDB_OPTIONS, f"--pgdata={fresh}") is not None:
            raise self.error("could not be initialised")
        fresh.rename(self._places.cluster)
        folder = os.open(self._places.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _check_version(self) -> None:
        try:
            found = (self._places.cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        except (FileNotFoundError, NotADirectoryError):
            found = "none"
        if found != MAJOR:
            raise EmbeddedServerError(
                f"{self._places.cluster} holds no data of PostgreSQL {MAJOR} (found: {found}). "
                f"Move {self._places.root} away and import again, or set DATABASE_URL to a PostgreSQL of "
                "your own."
            )

    def _discard_remains(self) -> None:
        """Remove a dead server's lock files: their process id may be another's by now, or a zombie's.

        What they protect is protected still: PostgreSQL itself looks for processes attached to its memory.
        Data whose making was killed go too, at the next start where an `initdb` outlived its program.
        """
        for unfinished in self._places.root.glob("initdb-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        self._places.pid_file.unlink(missing_ok=True)
        for name in (SOCKET_FILE, f"{SOCKET_FILE}.lock"):
            (self._places.socket_folder / name).unlink(missing_ok=True)

    def _run(self, account: Account, program: str, *arguments: str) -> str | None:
        """Run one of the wheel's programs; None where it succeeded, else what it wrote to the log."""
        command = [*account.prefix, str(binaries() / program), *arguments]
        environment = ENVIRONMENT | {"PGDATA": str(self._places.cluster)}
        with self._open_log() as log:
            before = os.fstat(log).st_size
            code = execute(command, environment, output=log)
            return None if code == 0 else os.pread(log, LOG_KEPT, before).decode(errors="replace")

    @contextmanager
    def _open_log(self) -> Iterator[int]:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        log = os.open(self._places.log, flags, 0o600)
        try:
            yield log
        finally:
            os.close(log)


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
