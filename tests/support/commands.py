"""The command line for tests: in processes of its own, in a copy of the product with its own `.env`."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

from tests.support.postgres import new_folder
from tests.support.standin import StandIn

ROOT = Path(__file__).parents[2]
PARTS = ("core", "migrations", "pages", ".streamlit", "assets", "dashboard.py", "pyproject.toml")
SECONDS = 60.0
SECRET = "SECRET"  # noqa: S105 (part of every secret that a test makes up, so that it is found wherever it leaks)


def bare() -> dict[str, str]:
    """An environment of programs alone; where coverage is measured, of processes of their own too."""
    return {
        name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COVERAGE_")
    }


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 (whatever the command prints)
        """Its output as JSON."""
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """Its one line on standard error."""
        (line,) = self.err.splitlines()
        return line


@dataclass(slots=True)
class House:
    """A copy of the product, and an environment that holds nothing but what a test sets."""

    root: Path
    set: dict[str, str] = field(default_factory=dict)
    """Variables of every command."""
    begun: list[subprocess.Popen[str]] = field(default_factory=list)
    """Commands that were begun and not ended yet."""

    def begin(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        """Start `python -m core` with these words; hand it to `end`."""
        return self._begin(words, variables, subprocess.PIPE)

    def begin_on(self, terminal: int, *words: str) -> subprocess.Popen[str]:
        """The same with its standard error on a terminal, which the test reads."""
        return self._begin(words, {}, terminal)

    def _begin(
        self, words: Sequence[str], variables: Mapping[str, str], stderr: int
    ) -> subprocess.Popen[str]:
        environment = {**bare(), "HOME": str(self.root), **self.set, **variables}
        process = subprocess.Popen(
            [sys.executable, "-m", "core", *words],
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        self.begun.append(process)
        return process

    def end(self, process: subprocess.Popen[str]) -> Said:
        """Wait for a command's end; whatever it did, it shows no traceback and no secret."""
        self.begun.remove(process)
        try:
            out, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise
        out, err = out or "", err or ""  # blank where a test reads by itself
        assert "Traceback" not in out + err
        assert SECRET not in out + err
        return Said(process.returncode, out, err)

    def run(self, *words: str, **variables: str) -> Said:
        """Run a command to its end."""
        return self.end(self.begin(*words, **variables))

    def kill(self) -> None:
        """End what a test that failed has left running."""
        while self.begun:
            _kill(self.begun.pop())

    def write_env(self, variables: Mapping[str, str]) -> None:
        """Make the `.env` anew."""
        lines = [f"{name}='{value}'\n" for name, value in variables.items()]
        (self.root / ".env").write_text("".join(lines), encoding="utf-8")

    def logged(self) -> str:
        """Everything in the log files."""
        return "".join(path.read_text(encoding="utf-8") for path in (self.root / "logs").glob("*.log*"))


def _kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@contextmanager
def new_house() -> Iterator[House]:
    """Yield a copy of the product that is removed afterwards."""
    with new_folder() as folder:
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / part, folder / part)
        yield House(folder)


def reading(standin: StandIn, **changes: str) -> dict[str, str]:
    """The variables of a real source: the stand-in, read as fast as it answers."""
    return {
        "AIRTABLE_API_KEY": standin.token,
        "AIRTABLE_BASE_ID": standin.base_id,
        "AIRTABLE_ENDPOINT_URL": standin.url,
        "AIRTABLE_REQUESTS_PER_SECOND": "1000",
        **changes,
    }


def uri(url: str, **changes: str) -> str:
    """A libpq URI with some of its parts changed; everything stands behind the question mark."""
    parts = {name: str(value) for name, value in conninfo_to_dict(url).items()} | changes
    return "postgresql://?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in parts.items())
