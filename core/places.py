"""Where the embedded PostgreSQL keeps what, and who may enter there.

Everything lies in `<data_dir>/postgres`: `cluster` (the data), `socket`, `postgres.log` and two lock files.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from core.errors import EmbeddedServerError

PORT = "5432"
SOCKET_FILE = f".s.PGSQL.{PORT}"
SOCKET_PATH_LIMIT = 107  # bytes, sun_path without its closing NUL (unix(7))


@dataclass(frozen=True, slots=True)
class Places:
    """One server's folders and files."""

    root: Path
    cluster: Path
    log: Path
    socket_folder: Path
    users: Path
    gate: Path

    @property
    def pid_file(self) -> Path:
        """What a running server says of itself."""
        return self.cluster / "postmaster.pid"

    @property
    def socket(self) -> Path:
        """What the server listens on."""
        return self.socket_folder / SOCKET_FILE


def places(data_dir: Path) -> Places:
    """The places below a data folder; nothing is made yet."""
    root = data_dir.resolve() / "postgres"
    return Places(
        root=root,
        cluster=root / "cluster",
        log=root / "postgres.log",
        socket_folder=_socket_folder(root),
        users=root / "users.lock",
        gate=root / "gate.lock",
    )


def make_root(root: Path) -> None:
    """Make the folder of everything; the system user passes through it, and only through it."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        root.mkdir(mode=0o700)
        if os.geteuid() == 0:
            root.chmod(0o711)


def make_private(folder: Path, uid: int, gid: int) -> None:
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


def open_lock(path: Path) -> int:
    """Open a lock file, made where it is missing; a link is refused with an OSError."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _socket_folder(root: Path) -> Path:
    """Inside the data folder where the path fits, else a place that its path names.

    It must be the same for every process, so it does not follow TMPDIR. A comma separates several folders,
    both for the server and for libpq, and the server reads double quotes as quotes.
    """
    inside = root / "socket"
    if len(os.fsencode(inside / SOCKET_FILE)) <= SOCKET_PATH_LIMIT and not {",", '"'} & set(str(inside)):
        return inside
    digest = sha256(os.fsencode(root)).hexdigest()[:16]
    return Path("/tmp", f"jointchiro-{digest}")  # noqa: S108 - make_private refuses a folder of somebody else
