"""Whom the embedded PostgreSQL runs as, on machines that are not like this one."""

import os
import pwd
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from core import account
from core.account import SYSTEM_USER, Account, account_for, owner
from core.errors import EmbeddedServerError
from core.places import places

SOMEBODY = pwd.getpwuid(os.getuid())


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process counts as root's."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def users(monkeypatch: pytest.MonkeyPatch, *, after: int) -> list[str]:
    """A machine that knows the system user only after so many look-ups; answers who was looked up."""
    asked: list[str] = []

    def look_up(name: str) -> pwd.struct_passwd:
        asked.append(name)
        if len(asked) <= after:
            raise KeyError(name)
        return SOMEBODY

    monkeypatch.setattr(pwd, "getpwnam", look_up)
    return asked


def recorded(monkeypatch: pytest.MonkeyPatch, run: Callable[[], int]) -> list[list[str]]:
    """The commands that are run, each of which ends as `run` says."""
    commands: list[list[str]] = []

    def execute(command: list[str], _: dict[str, str], *, output: int) -> int:
        assert output == subprocess.DEVNULL
        commands.append(command)
        return run()

    monkeypatch.setattr(account, "execute", execute)
    return commands


def test_who_is_not_root_runs_it_as_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No words stand before a command where there are no rights to give up."""
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    monkeypatch.setattr(os, "getegid", lambda: 4712)
    assert account_for(places(tmp_path)) == Account(4711, 4712)


@pytest.mark.usefixtures("as_root")
def test_under_root_data_stay_their_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that another user's server made are served by that user."""
    found = os.stat_result((0o700, 0, 0, 0, 4711, 4712, 0, 0, 0, 0))
    cluster = tmp_path / "cluster"
    cluster.mkdir()
    monkeypatch.setattr(Path, "stat", lambda *_, **__: found)
    assert owner(cluster) == (4711, 4712)


@pytest.mark.usefixtures("as_root")
def test_the_system_user_is_made_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, as an account that nobody signs in to."""
    users(monkeypatch, after=1)
    commands = recorded(monkeypatch, lambda: 0)
    assert owner(tmp_path / "none") == (SOMEBODY.pw_uid, SOMEBODY.pw_gid)
    (command,) = commands
    assert (command[0], command[-1]) == ("useradd", SYSTEM_USER)
    assert "/usr/sbin/nologin" in command


@pytest.mark.usefixtures("as_root")
def test_a_system_user_that_is_there_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is run to make one."""
    users(monkeypatch, after=0)
    commands = recorded(monkeypatch, lambda: 0)
    owner(tmp_path / "none")
    assert commands == []


@pytest.mark.usefixtures("as_root")
def test_a_system_user_that_cannot_be_made_is_told_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without `useradd`: who must make it, and the way around it."""

    def missing() -> int:
        raise FileNotFoundError("useradd")

    users(monkeypatch, after=2)
    recorded(monkeypatch, missing)
    with pytest.raises(EmbeddedServerError, match=rf"useradd --system {SYSTEM_USER}.*DATABASE_URL"):
        owner(tmp_path / "none")


@pytest.mark.usefixtures("as_root")
def test_a_folder_that_the_server_cannot_enter_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the cure, where neither way of running it reaches its data."""
    users(monkeypatch, after=0)
    commands = recorded(monkeypatch, lambda: 1)
    with pytest.raises(EmbeddedServerError, match=f"cannot enter {tmp_path}.*Set DATA_DIR"):
        account_for(places(tmp_path))
    assert ["--ambient-caps" in " ".join(command) for command in commands] == [False, True]
