"""Log files of JSON lines and readable lines on the terminal (spec, section 8).

An event is a stable name and fields that are ids, counts, codes and moments. No token, name, email,
phone, User ID or cell content: of an exception only its type, SQLSTATE and where it was raised are kept,
for its words may quote values.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

from concurrent_log_handler import ConcurrentRotatingFileHandler

ROOT_NAME = "jointchiro"
BYTES_A_FILE, OLD_FILES = 5_000_000, 5


class Log:
    """One topic's events; topics are `server`, `import`, `import.detail` and `scheduler`."""

    def __init__(self, topic: str) -> None:
        """Events of `topic` go where `configure` says."""
        self._logger = logging.getLogger(f"{ROOT_NAME}.{topic}")

    def info(self, event: str, **fields: object) -> None:
        """What happens as it should."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """What a person should know, though the work goes on."""
        self._write(logging.WARNING, event, fields)

    def failure(self, event: str, cause: BaseException, **fields: object) -> None:
        """What went wrong; of `cause` nothing that could quote a value."""
        self._write(logging.ERROR, event, fields | _safe(cause))

    def _write(self, level: int, event: str, fields: dict[str, object]) -> None:
        self._logger.log(level, event, extra={"fields": fields})


def configure(folder: Path, *, terminal: bool) -> None:
    """Write to the files in `folder`, and readable lines to the terminal where wanted.

    Every file is there from then on, empty where it has nothing to tell.

    Raises:
        OSError: the folder cannot be made, or a file in it written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    root = logging.getLogger(ROOT_NAME)
    root.setLevel(logging.INFO)
    root.propagate = False
    # What it ignores it tells in PostgreSQL's words, which may quote values; what it raises is told here.
    logging.getLogger("psycopg").disabled = True
    close()
    for file, topic, level in (
        ("combined.log", "", logging.INFO),
        ("import.log", "import", logging.INFO),
        ("import-detailed.log", "import", logging.INFO),
        ("scheduler.log", "scheduler", logging.INFO),
        ("error.log", "", logging.ERROR),
    ):
        with (folder / file).open("a"):
            pass  # the handler opens its file with the first line, and prints a traceback where it cannot
        handler = ConcurrentRotatingFileHandler(
            str(folder / file), "a", BYTES_A_FILE, OLD_FILES, encoding="utf-8"
        )
        handler.setFormatter(_Lines())
        handler.setLevel(level)
        handler.addFilter(_of_topic(topic, detailed=file in {"combined.log", "import-detailed.log"}))
        root.addHandler(handler)
    if terminal:
        shown = logging.StreamHandler(sys.stderr)
        shown.setFormatter(_Readable())
        shown.addFilter(_of_topic("", detailed=False))
        root.addHandler(shown)


def close() -> None:
    """Close the files; a later `configure` opens them again."""
    root = logging.getLogger(ROOT_NAME)
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()


class _of_topic(logging.Filter):  # noqa: N801 (reads as a condition where it is used)
    def __init__(self, topic: str, *, detailed: bool) -> None:
        super().__init__()
        self._topic = topic
        self._detailed = detailed

    def filter(self, record: logging.LogRecord) -> bool:
        topic = record.name.removeprefix(f"{ROOT_NAME}.")
        return topic.startswith(self._topic) and (self._detailed or not topic.endswith(".detail"))


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(
            {
                "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
                "level": record.levelname.lower(),
                "topic": record.name.removeprefix(f"{ROOT_NAME}."),
                "event": record.getMessage(),
                **getattr(record, "fields", {}),
            },
            default=str,
        )


class _Readable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        fields = getattr(record, "fields", {})
        said = " ".join(
            f"{name}={_plain(value)}" for name, value in fields.items() if name not in {"at", "import_id"}
        )
        which = f" import {fields['import_id']}" if "import_id" in fields else ""
        what = record.getMessage().replace("_", " ")
        return f"{moment} {record.levelname.lower():7}{which} {what} {said}".rstrip()


def _plain(value: object) -> str:
    """A field's value; a count has its thousands separated."""
    return f"{value:,}" if type(value) is int else str(value)


def _safe(error: BaseException) -> dict[str, object]:
    frames = traceback.extract_tb(error.__traceback__)
    chain = [error, *([error.__cause__] if error.__cause__ else [])]
    states = [getattr(getattr(link, "orig", link), "sqlstate", None) for link in chain]
    return {
        "error": " < ".join(type(link).__name__ for link in chain),
        "sqlstate": next((state for state in states if state), None),
        "at": [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-8:]],
    }
