"""The command line: `python -m core VERB` (spec, section 5)."""

import argparse
import getpass
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from core import log, printed, samples, settings
from core.control import Control
from core.errors import DatabaseError, ProductError, UsageError
from core.importer import Ended, Import, Order
from core.reports import Report
from core.runs import Mode, Status, Trigger
from core.server import configure_log, require_guard, require_place
from core.service import Service
from core.settings import ROOT, Settings
from core.text import clean

REDRAW_SECONDS = 0.2
LINE_SECONDS = 5.0
BAR_WIDTH = 30


def main(arguments: Sequence[str]) -> int:
    """Run one verb; answers the exit code. Every expected fault becomes one clear line."""
    chosen = _parser().parse_args(arguments)
    try:
        # A stopped process leaves as one that was interrupted: with what it has started taken down again.
        with _handled(signal.default_int_handler, signal.SIGTERM):
            known = settings.from_environment()
            configure_log(known, terminal=False)
            code = int(VERBS[chosen.verb](known, chosen))
            sys.stdout.flush()  # here, where a reader that has gone is no fault
            return code
    except ProductError as error:
        return _refuse(error)
    except BrokenPipeError:
        sys.stdout = None  # the reader has gone; nothing more can be said
        return 1
    except KeyboardInterrupt:
        return 1
    finally:
        log.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m core", description="JointChiro Data Dashboard: import, report, serve."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, words in WORDS.items():
        made = verbs.add_parser(verb, help=words, description=words)
        if verb in REPORTING:
            made.add_argument("--json", action="store_true", help="print the object that the API answers")
        if verb == "history":
            made.add_argument("--limit", type=_limit, default=10, help="how many imports, 1 to 100")
        if verb == "import":
            mode = made.add_mutually_exclusive_group(required=True)
            mode.add_argument("--full", action="store_true", help="read everything")
            mode.add_argument("--incremental", action="store_true", help="read what changed")
            made.add_argument("--notes", type=clean, help="a note that the import's row keeps")
            made.add_argument(
                "--allow-mass-delete", action="store_true", help="delete even most of the records"
            )
        if verb == "migrate":
            made.add_argument("--to", metavar="REVISION", help="up, or back, to this one, not to the newest")
            made.add_argument("--yes", action="store_true", help="really drop all tables, with `--to base`")
        if verb == "reset-data":
            made.add_argument("--yes", action="store_true", help="really delete all imported data")
    return parser


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:  # noqa: PLR2004 (spec, section 6)
        raise argparse.ArgumentTypeError("give a number from 1 to 100")
    return int(text)


def _refuse(error: ProductError) -> int:
    for line in error.message.splitlines():
        print(line, file=sys.stderr)
    return error.exit_code


# Verbs


def _start(known: Settings, _: argparse.Namespace) -> NoReturn:
    """Become the server, which prepares the database itself and says what keeps it from starting."""
    require_guard(known, known.host)
    require_place(known.host, known.port)
    print(f"JointChiro Data Dashboard, times in {known.timezone}, data from {known.source}.", flush=True)
    os.chdir(ROOT)
    os.execv(sys.executable, _server_command(known))  # noqa: S606 (our own command, no shell)


def _server_command(known: Settings) -> list[str]:
    return [
        *(sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard.py")),
        *("--server.address", known.host, "--server.port", str(known.port)),
    ]


def _migrate(known: Settings, chosen: argparse.Namespace) -> int:
    if chosen.to == "base" and not chosen.yes:
        raise UsageError("This drops all tables. Say `migrate --to base --yes` if that is what you want.")
    with Service(known) as service:
        if chosen.to:
            service.migrate_to(chosen.to)
        else:
            service.prepare()
    print(f"The tables are at revision {chosen.to}." if chosen.to else "The tables are up to date.")
    return 0


def _seed(known: Settings, _: argparse.Namespace) -> int:
    with Service(known) as service:
        service.prepare()
        service.seed()
    print("The known automations are in the database.")
    return 0


def _import(known: Settings, chosen: argparse.Namespace) -> int:
    mode = Mode.FULL if chosen.full else Mode.INCREMENTAL
    by = f"cli:{_user()}"
    order = Order(mode, Trigger.MANUAL, by, chosen.notes, chosen.allow_mass_delete)
    control = Control()
    with _stoppable(control, by), Service(known) as service:
        service.prepare()
        service.seed()
        run = service.begin_import(order, control)
        ended = _shown(run)
        service.check_alerts()
        row = next(row for row in service.history(100).imports if row.id == ended.import_id)
    print(printed.summary(row))
    for error in ended.errors:
        print(error["message"], file=sys.stderr)
    return 0 if ended.status is Status.SUCCEEDED else 1


def _cancel(known: Settings, _: argparse.Namespace) -> int:
    with Service(known) as service:
        service.require_import()
        import_id = service.cancel_import(f"cli:{_user()}")
    print(f"Import {import_id} was asked to stop.")
    return 0


def _status(known: Settings, chosen: argparse.Namespace) -> int:
    with Service(known) as service:
        service.require_import()
        report = service.status()
    _print(report, printed.status(report, known.timezone), as_json=chosen.json)
    return 0


def _history(known: Settings, chosen: argparse.Namespace) -> int:
    with Service(known) as service:
        service.require_import()
        report = service.history(chosen.limit)
    _print(report, printed.history(report), as_json=chosen.json)
    return 0


def _stats(known: Settings, chosen: argparse.Namespace) -> int:
    with Service(known) as service:
        service.require_import()
        report = service.stats()
    _print(report, printed.stats(report, known.timezone), as_json=chosen.json)
    return 0


def _health(known: Settings, chosen: argparse.Namespace) -> int:
    with Service(known) as service:
        with suppress(DatabaseError):  # which the report tells
            service.require_import()
        report = service.health()
        troubles = _troubles(service) if report.status != "ok" else []
    _print(report, printed.health(report, known.timezone), as_json=chosen.json)
    for trouble in troubles:
        print(trouble, file=sys.stderr)
    return 0 if report.status == "ok" else 1


def _troubles(service: Service) -> list[str]:
    """Why the health is not `ok`, which its object does not tell."""
    try:
        return service.troubles()
    except DatabaseError as error:
        return [error.message]


def _test_airtable(known: Settings, chosen: argparse.Namespace) -> int:
    with Service(known) as service:
        report = service.test_connection()
    _print(report, printed.connection(report), as_json=chosen.json)
    return 0 if report.ok else 1


def _test_rules(_: Settings, chosen: argparse.Namespace) -> int:
    results = samples.check()
    ok = all(result["ok"] for result in results)
    if chosen.json:
        print(json.dumps({"ok": ok, "samples": results}, indent=2, ensure_ascii=False))
        return 0 if ok else 1
    for result in results:
        print(f"{'ok  ' if result['ok'] else 'FAIL'}  {result['name']}")
    return 0 if ok else 1


def _reset(known: Settings, chosen: argparse.Namespace) -> int:
    if not chosen.yes:
        raise UsageError("This deletes all imported data. Say `reset-data --yes` if that is what you want.")
    with Service(known) as service:
        service.reset()
    print("All imported data are deleted. The next import may come from any source.")
    return 0


WORDS: Mapping[str, str] = {
    "start": "serve the dashboard, the API and the scheduler",
    "migrate": "bring the database's tables up to date",
    "seed": "make the automations that every clinic may have",
    "import": "import from Airtable",
    "cancel": "cancel the running import of whatever process",
    "status": "tell whether an import runs, and the last success",
    "history": "list the newest imports",
    "stats": "print the figures and whether they are as expected",
    "health": "tell whether everything is as it should be",
    "test-airtable": "test the connection to Airtable and its columns",
    "test-rules": "show what the rules make of sample records",
    "reset-data": "delete all imported data",
}
REPORTING = {"status", "history", "stats", "health", "test-airtable", "test-rules"}
VERBS: Mapping[str, Callable[[Settings, argparse.Namespace], int]] = {
    "start": _start,
    "migrate": _migrate,
    "seed": _seed,
    "import": _import,
    "cancel": _cancel,
    "status": _status,
    "history": _history,
    "stats": _stats,
    "health": _health,
    "test-airtable": _test_airtable,
    "test-rules": _test_rules,
    "reset-data": _reset,
}


# An import on the terminal


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], object], *numbers: signal.Signals) -> Iterator[None]:
    """Hear these signals for the length of the block."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextmanager
def _stoppable(control: Control, by: str) -> Iterator[None]:
    """Ctrl-C cancels the import, a stopped process interrupts it; both leave a row that says so."""

    def on_signal(number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT:
            control.cancel(by)
        else:
            control.interrupt()

    with _handled(on_signal, signal.SIGINT, signal.SIGTERM):
        yield


def _shown(run: Import) -> Ended:
    """Run an import in a thread of its own and show how far it is."""
    show = _Bar() if sys.stderr.isatty() else _Lines()
    with ThreadPoolExecutor(1, "import") as pool:
        ended = pool.submit(run.run)
        while not wait([ended], REDRAW_SECONDS).done:
            show(run.progress())
    show.close()
    return ended.result()


class _Bar:
    """One line that is drawn again and again, on a terminal."""

    def __call__(self, progress: Mapping[str, object]) -> None:
        fraction = progress["fraction"]
        drawn = ""
        if isinstance(fraction, float):
            filled = round(fraction * BAR_WIDTH)
            drawn = f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {fraction:4.0%} "
        self._write(f"{drawn}{printed.progress(progress)}")

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._write("")

    def _write(self, line: str) -> None:
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


class _Lines:
    """A line where something else begins, and now and then between, for files and pipes."""

    def __init__(self) -> None:
        self._message: object = None
        self._waited = 0

    def __call__(self, progress: Mapping[str, object]) -> None:
        self._waited += 1
        if progress["message"] != self._message or self._waited * REDRAW_SECONDS >= LINE_SECONDS:
            print(printed.progress(progress), file=sys.stderr, flush=True)
            self._message, self._waited = progress["message"], 0

    def close(self) -> None:
        """Every line is whole already."""


def _print(report: Report, lines: Iterable[str], *, as_json: bool) -> None:
    """The object as JSON, or as lines for people."""
    if as_json:
        print(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
        return
    for line in lines:
        print(line)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
