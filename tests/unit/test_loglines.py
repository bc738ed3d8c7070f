"""An import's own lines out of a log file."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from core import log, loglines

ZONE = ZoneInfo("America/New_York")
BEGAN = datetime(2026, 3, 10, 6, 0, 0, 123_456, tzinfo=UTC)


def write(folder: Path, *lines: object) -> None:
    """A log file with these lines; text as it is, anything else as JSON."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / loglines.FILE).write_text("\n".join(texts), encoding="utf-8")


def line(import_id: int, event: str, **fields: object) -> dict[str, object]:
    """A line as core.log writes it."""
    moment = "2026-03-10T06:00:00.123+00:00"
    return {
        "time": moment,
        "level": "info",
        "topic": "import",
        "event": event,
        "import_id": import_id,
        **fields,
    }


def test_only_the_imports_own_last_lines_are_read(tmp_path: Path) -> None:
    """Oldest first; other imports' lines, broken ones and ones that are no objects are passed over."""
    write(tmp_path, line(1, "a"), line(2, "b"), "{broken", "[1]", line(1, "c"), line(1, "d"))
    assert [entry["event"] for entry in loglines.of_import(tmp_path, 1, BEGAN, None, 2)] == ["c", "d"]


def test_another_databases_import_of_the_same_id_is_another_one(tmp_path: Path) -> None:
    """The demo's and the real import 1 write into the same folder."""
    write(tmp_path, line(1, "earlier") | {"time": "2026-03-10T06:00:00.122+00:00"}, line(1, "own"))
    assert [entry["event"] for entry in loglines.of_import(tmp_path, 1, BEGAN, None, 10)] == ["own"]


@pytest.mark.parametrize(
    ("time", "events"),
    [
        ("2026-03-10T06:02:05.000+00:00", ["later", "later"]),
        ("2026-03-10T06:02:05.001+00:00", ["own"]),
    ],
)
def test_so_is_one_that_runs_after_it(tmp_path: Path, time: str, events: list[str]) -> None:
    """The first minute after its end is its own; what follows takes no place among the last lines."""
    write(tmp_path, line(1, "own"), *[line(1, "later") | {"time": time}] * 2)
    found = loglines.of_import(tmp_path, 1, BEGAN, datetime(2026, 3, 10, 6, 1, 5, tzinfo=UTC), 2)
    assert [entry["event"] for entry in found] == events


def test_no_file_means_no_lines(tmp_path: Path) -> None:
    """A log folder that was emptied is no traceback."""
    assert loglines.of_import(tmp_path, 1, BEGAN, None, 10) == []
    assert list(loglines.table([], ZONE).columns) == ["Time", "Level", "Event", "Details"]


def test_a_huge_file_is_read_from_its_end(tmp_path: Path) -> None:
    """The first line that is read may be cut in its middle, also within a character."""
    write(tmp_path, "é" * loglines.FARTHEST_BYTES, line(1, "last"))
    assert [entry["event"] for entry in loglines.of_import(tmp_path, 1, BEGAN, None, 10)] == ["last"]


def test_a_line_is_told_in_words(tmp_path: Path) -> None:
    """No raw names of events or fields, nothing of what is not there, its moment in the pages' zone."""
    fields = {"created": 20077, "slot": "2026-03-10T10:00:00+00:00", "mode": "full", "sqlstate": None}
    write(tmp_path, line(1, "batch_committed", batch=3, **fields))
    (row,) = loglines.table(loglines.of_import(tmp_path, 1, BEGAN, None, 10), ZONE).to_dict("records")
    assert row == {
        "Time": "10 Mar 2026, 02:00:00 EDT",
        "Level": "Info",
        "Event": "Batch committed",
        "Details": "Batch: 3, New: 20,077, Slot: 10 Mar 2026, 06:00:00 EDT, Mode: Everything",
    }


def test_a_line_may_be_had_as_it_was_written(tmp_path: Path) -> None:
    """With its thousandths, codes and nulls: the same text as in the file."""
    write(tmp_path, line(1, "a", at=["x.py:1 y", "é"], sqlstate=None), line(1, "b", seconds=0.5))
    lines = loglines.of_import(tmp_path, 1, BEGAN, None, 10)
    assert loglines.written(lines).strip() == (tmp_path / loglines.FILE).read_text(encoding="utf-8")
    assert list(loglines.table(lines, ZONE)["Details"]) == ["At: é < x.py:1 y", "Seconds: 0.5"]


def test_lines_are_read_by_file_and_level(tmp_path: Path) -> None:
    """Of all imports, and what belongs to none."""
    lines = [line(1, "a"), {"level": "error", "event": "b"}, line(2, "c") | {"level": "warning"}]
    write(tmp_path, *lines)
    assert [
        entry["event"] for entry in loglines.read(tmp_path, loglines.FILE, loglines.LEVELS, None, 10)
    ] == [
        "a",
        "b",
        "c",
    ]
    grave = loglines.read(tmp_path, loglines.FILE, ("error", "warning"), None, 10)
    assert [entry["event"] for entry in grave] == ["b", "c"]
    assert loglines.read(tmp_path, "error.log", loglines.LEVELS, None, 10) == []


def test_every_file_that_is_written_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The viewer offers the files of core.log, and no other."""
    logger = logging.getLogger(log.ROOT_NAME)
    monkeypatch.setattr(logger, "propagate", logger.propagate)  # put back what configure changes
    log.configure(tmp_path, terminal=False)
    assert {path.name for path in tmp_path.glob("*.log")} == set(loglines.FILES)
    log.Log("import").failure("refused", ValueError())
    log.Log("scheduler").failure("refused", ValueError())
    log.close()
    assert {path.name for path in tmp_path.glob("*.log")} == set(loglines.FILES)
    assert loglines.read(tmp_path, "error.log", loglines.LEVELS, None, 10)


def test_the_terminals_lines_are_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The event in words, which import, and counts with their thousands separated."""
    logger = logging.getLogger(log.ROOT_NAME)
    monkeypatch.setattr(logger, "propagate", logger.propagate)  # put back what configure changes
    log.configure(tmp_path, terminal=True)
    log.Log("import").warning("mass_deletion_refused", import_id=7, absent=20077, allowed=False)
    log.close()
    said = capsys.readouterr().err.partition(" ")[2]
    assert said == "warning import 7 mass deletion refused absent=20,077 allowed=False\n"


def test_the_driver_says_nothing_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault that it ignores after one that it raised is told in words that may quote a record."""
    driver = logging.getLogger("psycopg")
    for logger, name in ((logging.getLogger(log.ROOT_NAME), "propagate"), (driver, "disabled")):
        monkeypatch.setattr(logger, name, getattr(logger, name))  # put back what configure changes
    log.configure(tmp_path, terminal=True)
    driver.warning("error ignored terminating %s", "Alice Stone")
    log.close()
    assert caplog.records == []


def test_a_file_that_cannot_be_written_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log folder that is there and cannot be written stops the start, and no line becomes a traceback."""
    logger = logging.getLogger(log.ROOT_NAME)
    monkeypatch.setattr(logger, "propagate", logger.propagate)  # put back what configure changes
    (tmp_path / "error.log").mkdir()
    with pytest.raises(OSError, match=r"error\.log"):
        log.configure(tmp_path, terminal=False)
    log.close()


@pytest.mark.parametrize(("written", "shown"), [("soon", "soon"), (7, "7"), (None, "")])
def test_a_moment_that_is_none_is_shown_as_it_is_written(written: object, shown: str) -> None:
    """A line that somebody else wrote breaks no page."""
    assert list(loglines.table([{"time": written}], ZONE)["Time"]) == [shown]
