"""Airtable's web API as far as reading a table goes: a request in, the answer out, no input or output.

Pages: https://airtable.com/developers/web/api/list-records, /get-record, /get-base-schema,
/get-user-id-scopes, /errors. What it does not know it refuses, so that a reader cannot lean on it.
"""

import hmac
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qs, unquote

from core.demo.formulas import FormulaError, compile_formula
from core.demo.table import Field, Record, Table, airtable_id

MAX_PAGE_SIZE = 100
_KEPT_LISTINGS = 32

_LISTING_PARAMETERS = frozenset(
    {"pageSize", "maxRecords", "offset", "fields", "filterByFormula", "view", "returnFieldsByFieldId"}
)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request: `target` is path and query as sent, header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without its query, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, list[str]]:
        """The query's parameters, each with all its values; invalid bytes read as U+FFFD."""
        return parse_qs(self.target.partition("?")[2], keep_blank_values=True, errors="replace")


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer with a JSON body."""

    status: int
    body: object
    headers: Mapping[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        """The body's bytes; ASCII, so that lone surrogates travel as escapes, as Airtable sends them."""
        return json.dumps(self.body, separators=(",", ":")).encode("ascii")

    @property
    def content_type(self) -> str:
        """The body's media type."""
        return "application/json; charset=utf-8"


class RefusedError(Exception):
    """The request is answered with an error: `response` is that answer."""

    def __init__(self, status: int, error: object) -> None:
        """Wrap an error body in either of the shapes that reading knows (Airtable's API)."""
        super().__init__(error)
        self.response = Response(status, {"error": error})


def _typed(kind: str, message: str) -> dict[str, str]:
    return {"type": kind, "message": message}


def _not_found() -> RefusedError:
    return RefusedError(404, "NOT_FOUND")


def _no_access() -> RefusedError:
    message = (
        "Invalid permissions, or the requested model was not found. Check that both your user and your token "
        "have the required permissions, and that the model names and/or ids are correct."
    )
    return RefusedError(403, _typed("INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND", message))


def _invalid(message: str) -> RefusedError:
    return RefusedError(422, _typed("INVALID_REQUEST_UNKNOWN", f"Invalid request: {message}"))


@dataclass(frozen=True, slots=True)
class _Query:
    """What one call for a page asks for, checked."""

    page_size: int
    max_records: int | None
    offset: str | None
    fields: tuple[Field, ...]
    by_id: bool
    keeps: Callable[[Record], bool]


class Listings:
    """The open listings: each is the record ids as they stood at its first page."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: OrderedDict[str, list[str]] = OrderedDict()
        self._opened = 0

    def open(self, ids: list[str], now: datetime) -> str:
        """Keep a listing and name it; the oldest ones expire when there are many."""
        with self._lock:
            self._opened += 1
            iterator = airtable_id("itr", f"{now.isoformat()}/{self._opened}")
            self._ids[iterator] = ids
            while len(self._ids) > _KEPT_LISTINGS:
                self._ids.popitem(last=False)
        return iterator

    def resume(self, offset: str) -> tuple[str, list[str], int]:
        """The listing's name, its ids and the place where the page with that offset begins.

        Raises RefusedError (422 LIST_RECORDS_ITERATOR_NOT_AVAILABLE) for an unknown or expired one.
        """
        iterator, _, place = offset.partition("/")
        ids = self._ids.get(iterator, [])
        start = _digits(place)
        if start is None or start >= len(ids):
            message = "The iterator is not available. Please start the listing again from its first page."
            raise RefusedError(422, _typed("LIST_RECORDS_ITERATOR_NOT_AVAILABLE", message))
        return iterator, ids, start

    def expire(self) -> None:
        """Forget every open listing: their next pages are refused."""
        with self._lock:
            self._ids.clear()


class Protocol:
    """One base with one table behind one token."""

    def __init__(self, table: Table, *, base_id: str, token: str) -> None:
        self.table = table
        self.listings = Listings()
        self._base_id = base_id
        self._token = token

    def answer(self, request: Request, now: datetime) -> Response:
        """Airtable's answer to the request at the aware moment `now`; never an exception."""
        try:
            self._check_token(request)
            return Response(200, self._route(request, now))
        except RefusedError as refused:
            return refused.response

    def _check_token(self, request: Request) -> None:
        expected = f"Bearer {self._token}".encode()
        given = request.headers.get("authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(expected, given):
            raise RefusedError(401, _typed("AUTHENTICATION_REQUIRED", "Authentication required"))

    def _route(self, request: Request, now: datetime) -> object:
        segments = [unquote(segment) for segment in request.path.split("/")[1:]]
        match [request.method, *segments]:
            case ["GET", "v0", "meta", "whoami"]:
                return _whoami()
            case ["GET", "v0", "meta", "bases", base_id, "tables"]:
                self._check_model(base_id, self.table.id)
                return {"tables": [_schema(self.table)]}
            case ["GET", "v0", base_id, table] if base_id != "meta":
                self._check_model(base_id, table)
                return self._page(_query_parameters(request), now)
            case ["POST", "v0", base_id, table, "listRecords"]:
                self._check_model(base_id, table)
                return self._page(_body_parameters(request), now)
            case ["GET", "v0", base_id, table, record_id] if base_id != "meta":
                self._check_model(base_id, table)
                return self._record(record_id, request)
        raise _not_found()

    def _check_model(self, base_id: str, table: str) -> None:
        if base_id != self._base_id or table not in {self.table.id, self.table.name}:
            raise _no_access()

    def _record(self, record_id: str, request: Request) -> dict[str, object]:
        record = self.table.get(record_id)
        if record is None:
            raise _not_found()
        parameters = _query_parameters(request)
        by_id = _flag(parameters.pop("returnFieldsByFieldId", False))
        if parameters:
            raise _invalid(f"unknown parameter {min(parameters)}")
        return _shown(record, _keys(self.table.fields, by_id=by_id))

    def _page(self, parameters: Mapping[str, object], now: datetime) -> dict[str, object]:
        query = self._checked(parameters)
        if query.offset is None:
            ids = [record.id for record in self.table.records() if query.keeps(record)][: query.max_records]
            iterator, start = "", 0
        else:
            iterator, ids, start = self.listings.resume(query.offset)
        end = start + query.page_size
        keys = _keys(query.fields, by_id=query.by_id)
        standing = [record for id_ in ids[start:end] if (record := self.table.get(id_))]
        page: dict[str, object] = {"records": [_shown(record, keys) for record in standing]}
        if end < len(ids):
            page["offset"] = f"{iterator or self.listings.open(ids, now)}/{end}"
        return page

    def _checked(self, parameters: Mapping[str, object]) -> _Query:
        if unknown := parameters.keys() - _LISTING_PARAMETERS:
            raise _invalid(f"unknown parameter {min(unknown)}")
        page_size = _whole_number("pageSize", parameters.get("pageSize"))
        if page_size is not None and page_size > MAX_PAGE_SIZE:
            raise _invalid(f"pageSize is at most {MAX_PAGE_SIZE}")
        return _Query(
            page_size=page_size or MAX_PAGE_SIZE,
            max_records=_whole_number("maxRecords", parameters.get("maxRecords")),
            offset=_text("offset", parameters.get("offset")),
            fields=self._fields(parameters.get("fields")),
            by_id=_flag(parameters.get("returnFieldsByFieldId", False)),
            keeps=self._filter(parameters),
        )

    def _fields(self, names: object) -> tuple[Field, ...]:
        if names is None:
            return self.table.fields
        if not isinstance(names, list):
            raise _invalid("fields is a list of names")
        return tuple(self._known_field(name) for name in names)

    def _known_field(self, name: object) -> Field:
        known = self.table.field(name) if isinstance(name, str) else None
        if known is None:
            raise RefusedError(422, _typed("UNKNOWN_FIELD_NAME", f'Unknown field name: "{name}"'))
        return known

    def _filter(self, parameters: Mapping[str, object]) -> Callable[[Record], bool]:
        """The test that view and formula together make of a record."""
        view_name = _text("view", parameters.get("view"))
        formula = _text("filterByFormula", parameters.get("filterByFormula"))
        view = self.table.view(view_name) if view_name else self.table.views[0]
        if view is None:
            raise RefusedError(422, _typed("VIEW_NAME_NOT_FOUND", f"View {view_name} not found"))
        if not formula:
            return view.shows
        passes = self._compiled(formula)
        shows = view.shows
        return lambda record: shows(record) and passes(record)

    def _compiled(self, formula: str) -> Callable[[Record], bool]:
        columns = {key: known.name for known in self.table.fields for key in (known.name, known.id)}
        try:
            return compile_formula(formula, columns)
        except FormulaError as error:
            message = f"The formula for filtering records is invalid: {error}"
            raise RefusedError(422, _typed("INVALID_FILTER_BY_FORMULA", message)) from None


def _query_parameters(request: Request) -> dict[str, object]:
    """A GET's parameters under the names that a POST's body has them by."""
    parameters: dict[str, object] = {}
    for name, values in request.query.items():
        if name == "fields[]":
            parameters["fields"] = values
        else:
            parameters[name] = values[-1]
    return parameters


def _body_parameters(request: Request) -> dict[str, object]:
    try:
        parameters = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        parameters = None
    if not isinstance(parameters, dict):
        raise RefusedError(400, _typed("INVALID_REQUEST_BODY", "Could not parse request body"))
    return parameters


def _whole_number(name: str, value: object) -> int | None:
    """A parameter above 0 that came as a JSON number or as a query's text."""
    if value is None:
        return None
    number = _digits(str(value))
    if not number:
        raise _invalid(f"{name} is a whole number above 0")
    return number


def _digits(text: str) -> int | None:
    """The whole number that up to nine digits write, else None."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


def _text(name: str, value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise _invalid(f"{name} is text")
    return value or None


def _flag(value: object) -> bool:
    if value not in (True, False, "true", "false", "1", "0"):
        raise _invalid("returnFieldsByFieldId is true or false")
    return value in (True, "true", "1")


def _keys(fields: tuple[Field, ...], *, by_id: bool) -> list[tuple[str, str]]:
    """For each column its name in the record and its key in the answer."""
    return [(known.name, known.id if by_id else known.name) for known in fields]


def _shown(record: Record, keys: list[tuple[str, str]]) -> dict[str, object]:
    """The record as a page shows it, with the asked-for cells that are filled."""
    cells = record.cells
    created = record.created_at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    shown = {key: cells[name] for name, key in keys if name in cells}
    return {"id": record.id, "createdTime": created, "fields": shown}


def _whoami() -> dict[str, object]:
    return {"id": airtable_id("usr", "demo"), "scopes": ["data.records:read", "schema.bases:read"]}


def _schema(table: Table) -> dict[str, object]:
    """The table's columns and views (https://airtable.com/developers/web/api/get-base-schema)."""
    return {
        "id": table.id,
        "name": table.name,
        "primaryFieldId": table.fields[0].id,
        "fields": [_field_schema(known) for known in table.fields],
        "views": [{"id": view.id, "name": view.name, "type": "grid"} for view in table.views],
    }


def _field_schema(known: Field) -> dict[str, object]:
    schema: dict[str, object] = {"id": known.id, "name": known.name, "type": known.type}
    return schema if known.options is None else schema | {"options": known.options}
