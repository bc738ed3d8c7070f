"""A table as Airtable keeps it: columns, views, and records that change while others read them."""

import string
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256

_ID_ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits
_ID_LENGTH = 14


def airtable_id(prefix: str, seed: str) -> str:
    """An id in Airtable's form: `prefix` and 14 of A-Z, a-z, 0-9, evenly spread; one seed, one id."""
    number = int.from_bytes(sha256(f"{prefix}/{seed}".encode()).digest()[:12])
    characters = []
    for _ in range(_ID_LENGTH):
        number, rest = divmod(number, len(_ID_ALPHABET))
        characters.append(_ID_ALPHABET[rest])
    return prefix + "".join(characters)


def to_airtable_precision(moment: datetime) -> datetime:
    """The moment in UTC, cut to the milliseconds that Airtable keeps; it must be aware."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@dataclass(frozen=True, slots=True)
class Field:
    """A column; `type` and `options` as Airtable's schema names them."""

    id: str
    name: str
    type: str = "singleLineText"
    options: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it stands; an edit makes another. `cells` holds the filled ones, by column name."""

    id: str
    created_at: datetime
    modified_at: datetime
    cells: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class View:
    """A saved selection of the table's records."""

    id: str
    name: str
    shows: Callable[[Record], bool] = field(compare=False)


class Table:
    """Records in the order of their creation, safe to change and to read from several threads."""

    def __init__(self, name: str, fields: Iterable[Field], records: Iterable[Record] = ()) -> None:
        self.id = airtable_id("tbl", name)
        self.name = name
        self.fields = tuple(fields)
        self.views: list[View] = []
        self.add_view("Grid view", lambda _record: True)
        self._records = {record.id: record for record in records}
        self._made = len(self._records)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._records)

    def add_view(self, name: str, shows: Callable[[Record], bool]) -> View:
        """Add a view that lists the records for which `shows` is true."""
        view = View(airtable_id("viw", f"{self.id}/{name}"), name, shows)
        self.views.append(view)
        return view

    def field(self, name_or_id: str) -> Field | None:
        """The column of that name or id, or None."""
        return next((known for known in self.fields if name_or_id in {known.name, known.id}), None)

    def view(self, name_or_id: str) -> View | None:
        """The view of that name or id, or None."""
        return next((known for known in self.views if name_or_id in {known.name, known.id}), None)

    def records(self) -> list[Record]:
        """All records as they stand now."""
        with self._lock:
            return list(self._records.values())

    def get(self, record_id: str) -> Record | None:
        """The record as it stands now, or None."""
        return self._records.get(record_id)

    def create(self, cells: Mapping[str, object], *, at: datetime, record_id: str | None = None) -> Record:
        """Add a record with these cells by column name, created `at` that aware moment.

        Raises ValueError for an unknown column or a record id that is taken.
        """
        moment = to_airtable_precision(at)
        filled = self._filled(cells)
        with self._lock:
            self._made += 1
            record_id = record_id or airtable_id("rec", f"{self.id}/{self._made}")
            if record_id in self._records:
                raise ValueError(f"record {record_id} exists already")
            record = Record(record_id, moment, moment, filled)
            self._records[record_id] = record
        return record

    def update(self, record_id: str, cells: Mapping[str, object], *, at: datetime | None) -> Record:
        """Change these cells and leave the others; None empties a cell. `at` is the new modified time.

        `at=None` keeps the modified time: so do computed cells when they change (Airtable's API). Raises
        KeyError for an unknown record, ValueError for an unknown column.
        """
        changed = self._filled(cells)
        with self._lock:
            record = self._records[record_id]
            kept = {name: value for name, value in record.cells.items() if name not in cells}
            modified_at = record.modified_at if at is None else to_airtable_precision(at)
            self._records[record_id] = replace(record, modified_at=modified_at, cells=kept | changed)
            return self._records[record_id]

    def delete(self, record_id: str) -> Record:
        """Remove the record for good and return it. Raises KeyError for an unknown one."""
        with self._lock:
            return self._records.pop(record_id)

    def _filled(self, cells: Mapping[str, object]) -> dict[str, object]:
        """The cells that Airtable shows: empty ones and unticked checkboxes are left out."""
        if unknown := cells.keys() - {known.name for known in self.fields}:
            raise ValueError(f"no such column: {', '.join(sorted(unknown))}")
        return {name: value for name, value in cells.items() if not _is_empty(value)}


def _is_empty(value: object) -> bool:
    """Whether Airtable leaves a cell with this value out; the number 0 stays in."""
    return value is None or value is False or value in ("", [])
