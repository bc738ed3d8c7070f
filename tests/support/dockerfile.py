"""The Dockerfile as a list of instructions, as far as ours uses its language."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Stage:
    """What one FROM begins."""

    instructions: tuple[tuple[str, str], ...]
    """Names and what follows them, continued lines joined."""

    def all(self, name: str) -> list[str]:
        """Every instruction of that name."""
        return [words for found, words in self.instructions if found == name]

    def one(self, name: str) -> str:
        """The only instruction of that name."""
        (words,) = self.all(name)
        return words

    @property
    def environment(self) -> dict[str, str]:
        """What its ENV sets, `PATH` apart, which names its own older value."""
        pairs = [pair.partition("=") for words in self.all("ENV") for pair in words.split()]
        return {name: value for name, _, value in pairs if name != "PATH"}

    @property
    def health_command(self) -> list[str]:
        """The command that tells whether a container of it is well."""
        command: list[str] = json.loads(self.one("HEALTHCHECK").partition("CMD ")[2])
        return command

    def command(self, name: str) -> list[str]:
        """ENTRYPOINT, CMD or VOLUME, in the form of a list."""
        words: list[str] = json.loads(self.one(name))
        return words


def stages() -> list[Stage]:
    """The project's Dockerfile, a stage for each FROM."""
    found: list[list[tuple[str, str]]] = []
    for name, words in _instructions((ROOT / "Dockerfile").read_text(encoding="utf-8")):
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append((name, words))
    return [Stage(tuple(instructions)) for instructions in found]


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for line in re.sub(r"\s*\\\n\s*", " ", "\n".join(lines)).splitlines():
        name, _, words = line.partition(" ")
        yield name, words
