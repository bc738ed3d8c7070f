"""What the log files say of one import, read from their end."""

import json
from collections import deque
from pathlib import Path

FILE = "import-detailed.log"
FARTHEST_BYTES = 2_000_000


def of_import(folder: Path, import_id: int, limit: int) -> list[dict[str, object]]:
    """The last lines of an import in the current log file, oldest first; empty where it is not there."""
    lines: deque[dict[str, object]] = deque(maxlen=limit)
    for line in _tail(folder / FILE):
        entry = _entry(line)
        if entry is not None and entry.get("import_id") == import_id:
            lines.append(entry)
    return list(lines)


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
