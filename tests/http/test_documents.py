"""The documents' blocks: what is marked as runnable is run, beside a server of the demo as a reader has it.

A block that begins with ```sh run is run by bash in the installation's folder; ```sh run database also has
`DATABASE_URL` and PostgreSQL's own programs, as somebody with a PostgreSQL of their own has.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.embedded import EmbeddedServer
from core.service import DEMO_DATABASE
from tests.support.commands import House, new_house
from tests.support.postgres import program
from tests.support.server import free_port
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
BLOCK_SECONDS = 180
LANGUAGES = {"sh", "sh run", "sh run database", "ini", "nginx", "python", "sql", "text"}
# Blocks of commands that are not run, by how they begin, and why.
LEFT_OUT = {
    "make start ": "installs, then serves until it is stopped; all else runs beside what it starts",
    "make dev ": "the same, and `make test` would run itself",
    "make bench ": "takes many minutes",
    "docker compose ": "no container engine can be counted on",
    ".venv/bin/python -m core migrate --to ": "takes the tables from under the server; test_cli.py runs it",
}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    language: str
    text: str

    @property
    def runs(self) -> bool:
        """Whether it is marked as runnable."""
        return self.language.startswith("sh run")


def blocks(document: Path) -> list[Block]:
    """A document's fenced blocks, without the indent that they may have in a list."""
    text = document.read_text(encoding="utf-8")
    found = re.findall(r"^( *)```([^\n`]*)\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    return [Block(language, re.sub(f"(?m)^{indent}", "", body)) for indent, language, body in found]


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who has done what README's first block says, and goes on."""

    house: House
    port: int
    server: EmbeddedServer

    def run(self, block: Block) -> subprocess.CompletedProcess[str]:
        """Run a block as it stands, but for the port."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.house.root), "PORT": str(self.port)}
        if block.language.endswith(" database"):
            environment |= {
                "DATABASE_URL": self.server.conninfo(DEMO_DATABASE),
                "NEW_DATABASE_URL": self.server.conninfo("restored"),
                "PATH": f"{Path(program('pg_dump')).parent}:{environment['PATH']}",
            }
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.text.replace("8501", str(self.port))],
            cwd=self.house.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=BLOCK_SECONDS,
            check=False,
        )


def install(house: House) -> None:
    """As `make` leaves an installation: the environment of the tests, and the marks that it is complete."""
    for name in ("Makefile", "requirements.txt", ".env.example"):
        shutil.copy(ROOT / name, house.root / name)
    shutil.copy(ROOT / ".env.example", house.root / ".env")
    environment = house.root / ".venv"
    environment.mkdir()
    for part in Path(sys.prefix).iterdir():
        (environment / part.name).symlink_to(part)
    for mark in (".installed", ".installed-dev"):
        (environment / mark).unlink(missing_ok=True)
        (environment / mark).touch()


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """The demo's server runs, and has imported."""
    with new_house() as house:
        install(house)
        port = free_port()
        server = house.begin("start", PORT=str(port))
        try:
            until(lambda: '"status": "succeeded"' in house.logged(), "the first import", BLOCK_SECONDS)
            yield Reader(house, port, EmbeddedServer(house.root / ".data"))
        finally:
            server.terminate()
            house.end(server)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_block_says_what_it_is(document: Path) -> None:
    """A language for each; commands are run, or listed above with the reason why not."""
    for block in blocks(document):
        assert block.language in LANGUAGES
        left_out = any(block.text.startswith(beginning) for beginning in LEFT_OUT)
        assert (block.language == "sh") == left_out, block.text


def test_what_is_left_out_exists() -> None:
    """A reason whose block is gone goes too."""
    texts = [block.text for document in DOCUMENTS for block in blocks(document)]
    assert [
        beginning for beginning in LEFT_OUT if not any(text.startswith(beginning) for text in texts)
    ] == []


@pytest.mark.parametrize(
    "document",
    [document for document in DOCUMENTS if any(block.runs for block in blocks(document))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_what_is_marked_runs(document: Path, reader: Reader) -> None:
    """Each block in turn, to its end, every command of it with success."""
    for block in blocks(document):
        if block.runs:
            ended = reader.run(block)
            assert ended.returncode == 0, f"{block.text}\n{ended.stdout}\n{ended.stderr}"
