"""Imports in processes of their own, that can be killed: one fork server, a child for each import.

    with Nursery() as nursery:
        child = nursery.child(standin, url)
        child.say("begin")            # -> "begun 7", or "refused 6"
        child.say("run")              # -> "ended succeeded"

The server imports the product once; a fork of it costs milliseconds.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.standin import StandIn

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 120
"""The server first imports the product; on a machine that is busy with other things that takes long."""


class Child:
    """One import in another process, told what to do a line at a time."""

    def __init__(self, connection: socket.socket) -> None:
        """The process runs already, and first tells its id."""
        self._stream = connection.makefile("rw", encoding="utf-8")
        self._connection = connection
        self.pid = int(self._stream.readline())

    def say(self, *words: object) -> str:
        """Ask for something and wait for the answer; blank where the process died of it."""
        self.ask(*words)
        return self.answer()

    def ask(self, *words: object) -> None:
        """Ask for something."""
        self._stream.write(f"{' '.join(map(str, words))}\n")
        self._stream.flush()

    def answer(self) -> str:
        """Wait for the answer to what was asked; blank where the process died of it."""
        try:
            return self._stream.readline().strip()
        except ConnectionResetError:
            return ""

    def kill(self) -> None:
        """End the process as a power cut would."""
        os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Hang up; the process then ends."""
        self._stream.close()
        self._connection.close()


class Nursery:
    """The fork server, for as long as the context is open."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        self._own, theirs = socket.socketpair()
        self._own.settimeout(DEADLINE_SECONDS)
        command = [sys.executable, "-m", "tests.support.nursery", str(theirs.fileno())]
        self._server = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()])
        theirs.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._children:
            child.close()
        self._own.close()
        self._server.wait(DEADLINE_SECONDS)

    def child(self, standin: StandIn, url: str) -> Child:
        """Fork a process that imports from the stand-in into the database."""
        ours, theirs = socket.socketpair()
        ours.settimeout(DEADLINE_SECONDS)
        what = {"endpoint": standin.url, "table": standin.table.name, "url": url}
        with theirs:
            socket.send_fds(self._own, [json.dumps(what).encode()], [theirs.fileno()])
        child = Child(ours)
        self._children.append(child)
        return child
