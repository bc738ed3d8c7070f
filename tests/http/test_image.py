"""What a container of the image would do, without a container: its entry point and its health check.

The same parts, read-only, the same variables and no others, another user without any right where the tests
run as root; only the places differ, and the environment of the tests stands for the image's own.
"""

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.commands import new_house
from tests.support.dockerfile import Stage, stages
from tests.support.postgres import new_folder
from tests.support.server import free_port
from tests.support.waiting import until

GUARD = {"DASHBOARD_PASSWORD": "press", "IMPORT_ON_STARTUP": "false"}
END_SECONDS = 20
# PostgreSQL makes its data for a user of a name alone, and the image's has none on this machine.
NOBODY = pwd.getpwnam("nobody")


@dataclass
class Container:
    """The image's final stage on this machine."""

    image: Stage
    root: Path
    volumes: Path
    port: int

    @contextmanager
    def started(self, **variables: str) -> Iterator[subprocess.Popen[str]]:
        """ENTRYPOINT and CMD, without the init process; killed at the end if it still runs."""
        tini, dashes, *entry = self.image.command("ENTRYPOINT")
        assert (tini, dashes) == ("tini", "--")
        words = [*entry, *self.image.command("CMD")]
        with subprocess.Popen(
            self._command(words),
            cwd=self.root,
            env=self._environment() | variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def healthy(self) -> bool:
        """HEALTHCHECK."""
        command, environment = self._command(self.image.health_command), self._environment()
        ended = subprocess.run(
            command, cwd=self.root, env=environment, stderr=subprocess.DEVNULL, check=False
        )
        return ended.returncode == 0

    def _command(self, words: list[str]) -> list[str]:
        assert words[0] == "python"
        return [*_without_rights(), sys.executable, *words[1:]]

    def _environment(self) -> dict[str, str]:
        places = {"DATA_DIR": self.volumes / "data", "LOG_DIR": self.volumes / "logs", "HOME": self.volumes}
        elsewhere = {name: str(place) for name, place in places.items()} | {"PORT": str(self.port)}
        return self.image.environment | elsewhere | {"PATH": os.environ["PATH"]}


def _without_rights() -> list[str]:
    """How root becomes a user without rights; others have none to lose.

    Passing through closed parent folders is what is left: the tests' environment may lie below one.
    """
    if os.geteuid() != 0:
        return []
    kept = "-all,+dac_read_search"
    capabilities = [f"--{kind}={kept}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
    user = [f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups", "--no-new-privs"]
    return ["setpriv", *user, *capabilities, "--securebits=+no_setuid_fixup"]


@contextmanager
def _read_only(root: Path) -> Iterator[None]:
    """As the image's files are for its user, and all of them where the root file system is read-only."""
    folders = [path for path in (root, *root.rglob("*")) if path.is_dir()]
    for path in folders:
        path.chmod(0o555)
    try:
        yield
    finally:
        for path in folders:
            path.chmod(0o755)


@pytest.fixture
def container() -> Iterator[Container]:
    """The image's parts, and its volumes, in folders of their own."""
    with new_house() as house, new_folder() as volumes, _read_only(house.root):
        if os.geteuid() == 0:
            os.chown(volumes, NOBODY.pw_uid, NOBODY.pw_gid)
        yield Container(stages()[-1], house.root, volumes, free_port())


def test_a_container_becomes_healthy_and_leaves_when_told(container: Container) -> None:
    """With the demo's own PostgreSQL, on a read-only tree, without rights; gone with all it started."""
    with container.started(**GUARD) as server:
        until(lambda: server.poll() is not None or container.healthy(), "a healthy container")
        server.send_signal(signal.SIGTERM)
        _, complained = server.communicate(timeout=END_SECONDS)
    assert server.returncode in {0, -signal.SIGTERM, 128 + signal.SIGTERM}
    assert "Traceback" not in complained
    assert not container.healthy()
    cluster = container.volumes / "data/postgres/cluster"
    assert (cluster / "PG_VERSION").exists()
    assert not (cluster / "postmaster.pid").exists()


def test_a_container_without_a_guard_does_not_start(container: Container) -> None:
    """It is reachable from the network by its nature; the one line says what to set."""
    with container.started() as server:
        _, complained = server.communicate(timeout=END_SECONDS)
    assert (server.returncode, len(complained.splitlines())) == (2, 1)
    assert complained.startswith("HOST: ")


def test_a_container_without_its_database_ends(container: Container) -> None:
    """So that it is started again; it says which variable names the database."""
    away = "postgresql://jointchiro@127.0.0.1:1/jointchiro"
    with container.started(**GUARD, DATABASE_URL=away) as server:
        _, complained = server.communicate(timeout=END_SECONDS)
    assert server.returncode == 1
    assert "DATABASE_URL" in complained
