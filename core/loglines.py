"""What the log files say, of one import or of all, read from their end."""

import json
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

from core import words
from core.names import COUNTERS, JOBS, MODES, REASONS, TRIGGERS
from core.palette import RESULTS

FILE = "import-detailed.log"
FILES = ("combined.log", "import.log", FILE, "scheduler.log", "error.log")
LEVELS = ("info", "warning", "error")
FARTHEST_BYTES = 2_000_000
TOLD = frozenset({"time", "level", "topic", "event", "import_id"})
# How long after its end an import may still write a line: that it ended, or that its vacuum failed.
AFTERMATH = timedelta(minutes=1)
LATEST = "9999"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*")
# What programs write into these fields, in the pages' words.
VALUES: Mapping[str, Mapping[str, str]] = {
    "reason": REASONS,
    "mode": MODES,
    "trigger": TRIGGERS,
    "job": JOBS,
    "status": {name: ink.label for name, ink in RESULTS.items()},
}


def of_import(
    folder: Path, import_id: int, began: datetime, ended: datetime | None, limit: int
) -> list[dict[str, object]]:
    """The last lines of an import in the current log file, oldest first; empty where it is not there.

    What was written before it began, or long after it ended, is another database's import of the same id:
    the demo's, say.
    """
    first, last = _stamp(began), _stamp(ended + AFTERMATH) if ended else LATEST
    lines = (line for line in _entries(folder / FILE, LEVELS) if line.get("import_id") == import_id)
    return list(deque((line for line in lines if first <= str(line.get("time")) <= last), maxlen=limit))


def read(
    folder: Path, file: str, levels: Collection[str], import_id: int | None, limit: int
) -> list[dict[str, object]]:
    """The last lines of a log file that have one of these levels, of one import or of all; oldest first."""
    lines = _entries(folder / file, levels)
    wanted = (line for line in lines if import_id is None or line.get("import_id") == import_id)
    return list(deque(wanted, maxlen=limit))


def table(lines: list[dict[str, object]], zone: ZoneInfo, *, of_all: bool = False) -> pd.DataFrame:
    """Log lines as columns: when (in the zone), how grave, what, and the rest.

    `of_all` imports says of which.
    """
    frame = pd.DataFrame(
        [
            {
                "Time": _time(line.get("time"), zone),
                "Level": _worded(str(line.get("level", ""))),
                "Event": _worded(str(line.get("event", ""))),
                "Details": _details(line, zone),
            }
            for line in lines
        ],
        columns=["Time", "Level", "Event", "Details"],
    )
    if of_all:
        frame.insert(2, "Import", pd.Series([line.get("import_id") for line in lines], dtype="Int64"))
    return frame


def written(lines: list[dict[str, object]]) -> str:
    """The lines as they stand in the file, one JSON object each."""
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def _details(line: Mapping[str, object], zone: ZoneInfo) -> str:
    fields = {name: value for name, value in line.items() if name not in TOLD and value is not None}
    return ", ".join(
        f"{COUNTERS.get(name) or _worded(name)}: {_value(name, value, zone)}"
        for name, value in fields.items()
    )


def _value(name: str, value: object, zone: ZoneInfo) -> str:
    if isinstance(value, list):
        return " < ".join(str(part) for part in reversed(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return words.number(value)
    text = str(value)
    if MOMENT.fullmatch(text):
        return _time(text, zone)
    return VALUES.get(name, {}).get(text, text)


def _worded(name: str) -> str:
    """A program's name as words: `import_ended` is `Import ended`."""
    return name.replace("_", " ")[:1].upper() + name.replace("_", " ")[1:]


def _time(text: object, zone: ZoneInfo) -> str:
    """To the second, in the zone, which is named; as it is written where it is no moment."""
    try:
        moment = datetime.fromisoformat(str(text)).astimezone(zone)
    except ValueError:
        return "" if text is None else str(text)
    return f"{words.day(moment)}, {moment:%H:%M:%S} {words.zone_name(moment)}"


def _entries(path: Path, levels: Collection[str]) -> Iterator[dict[str, object]]:
    """What can be read of the file's end, one object a line, of these levels."""
    for line in _tail(path):
        entry = _entry(line)
        if entry is not None and entry.get("level") in levels:
            yield entry


def _stamp(moment: datetime) -> str:
    """A moment as lines are stamped, so that texts compare as moments do."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(file.seek(0, 2) - FARTHEST_BYTES, 0))
            return file.read().decode(errors="replace").splitlines()
    except OSError:
        return []


def _entry(line: str) -> dict[str, object] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
