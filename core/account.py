"""Whom the embedded PostgreSQL runs as, with the fewest rights that reach its data."""

import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import EmbeddedServerError
from core.places import Places
from core.programs import ENVIRONMENT, binaries, execute

SYSTEM_USER = "jointchiro-postgres"
"""Whom the server runs as where root starts it: PostgreSQL refuses to run as root."""
CURE = (
    "Set DATA_DIR to a folder that the server's user can enter and write (the project's own folder too), "
    "or DATABASE_URL to a PostgreSQL of your own."
)


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the server runs as, and the words before a command that make it so."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()


def owner(cluster: Path) -> tuple[int, int]:
    """User and group id of the server: our own; under root the cluster's owner's, or a system user's."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    found = cluster.stat() if cluster.exists() else None
    if found is not None and found.st_uid != 0:
        return found.st_uid, found.st_gid
    entry = _system_user()
    return entry.pw_uid, entry.pw_gid


def account_for(places: Places) -> Account:
    """Whom programs run as here, with the fewest rights that reach them and the data."""
    uid, gid = owner(places.cluster)
    if os.geteuid() != 0:
        return Account(uid, gid)
    for prefix in _prefixes(uid, gid):
        if _reaches(prefix, binaries() / "postgres") and _reaches(prefix, places.root):
            return Account(uid, gid, prefix)
    raise EmbeddedServerError(
        f"The embedded PostgreSQL does not run as root, and its user (id {uid}) cannot enter "
        f"{places.root} or {binaries()}. {CURE}"
    )


def _system_user() -> pwd.struct_passwd:
    """The account of the server under root, made where it is missing."""
    with suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    with suppress(OSError):
        execute([*command, SYSTEM_USER], ENVIRONMENT, output=subprocess.DEVNULL)
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
    return execute(command, ENVIRONMENT, output=subprocess.DEVNULL) == 0
