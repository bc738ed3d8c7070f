"""The fork server's own side: `python -m tests.support.nursery FD`; see `tests.support.child`."""

import json
import os
import signal
import socket
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, TextIO
from unittest import mock

from core import reading
from core.control import Control
from core.demo import DEMO_BASE_ID, DEMO_TOKEN
from core.errors import ImportRunningError
from core.importer import Import, Order
from core.runs import Mode, Trigger
from tests.support.imports import Importing, importing


def main() -> None:
    """Fork a child for each message; end when the test hangs up."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # dead children leave nothing behind
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        while True:
            message, handles, _, _ = socket.recv_fds(requests, 65536, 1)
            if not message:
                return
            if os.fork() == 0:
                requests.close()
                _live(json.loads(message), handles[0])
                os._exit(0)
            os.close(handles[0])


def _live(what: dict[str, str], handle: int) -> None:
    """Obey until the test hangs up."""
    source = SimpleNamespace(
        url=what["endpoint"],
        base_id=DEMO_BASE_ID,
        token=DEMO_TOKEN,
        table=SimpleNamespace(name=what["table"]),
    )
    with socket.socket(fileno=handle) as connection, connection.makefile("rw", encoding="utf-8") as stream:
        _tell(stream, os.getpid())
        # One reader, however slow the machine is just now: the commits' numbers are then known.
        with (
            mock.patch.object(reading, "readers_needed", return_value=1),
            importing(source, what["url"]) as product,  # type: ignore[arg-type]  # its names alone are read
        ):
            _obey(product, stream)


def _obey(product: Importing, stream: TextIO) -> None:
    run: Import | None = None
    for line in stream:
        match line.split():
            case ["die", batch]:
                product.plant = replace(product.plant, committed=_dying_at(int(batch)))
                _tell(stream, "mortal")
            case ["begin"]:
                run = Import(
                    product.plant,
                    Order(Mode.FULL, Trigger.MANUAL, "cli:child", allow_mass_delete=True),
                    Control(),
                )
                _tell(stream, _begun(run))
            case ["run"] if run is not None:
                _tell(stream, f"ended {run.run().status.value}")


def _begun(run: Import) -> str:
    try:
        return f"begun {run.begin()}"
    except ImportRunningError as refused:
        return f"refused {refused.import_id} exit {refused.exit_code}"


def _dying_at(batch: int) -> Any:  # noqa: ANN401 (a callable)
    def committed(number: int) -> None:
        if number == batch:
            os.kill(os.getpid(), signal.SIGKILL)

    return committed


def _tell(stream: TextIO, what: object) -> None:
    stream.write(f"{what}\n")
    stream.flush()


if __name__ == "__main__":
    main()
