r"""The part of Airtable's formula language that readers filter with; anything else is refused.

Language: https://support.airtable.com/docs/formula-field-reference. A formula is compiled once into a
function of a record. Functions whose exact behaviour Airtable leaves open (SEARCH, the third argument of
FIND, formats of DATETIME_PARSE) are refused too: a wrong answer would be worse than none.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.demo.table import Record

Node = Callable[[Record], object]
_Function = Callable[..., object]

_MAX_DEPTH = 64

_TOKEN = re.compile(
    r"""(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<field>\{(?:[^}\\]|\\.)+\})
    |(?P<number>-?(?:\d+(?:\.\d+)?|\.\d+))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<comparison><=|>=|!=|=|<|>)
    |(?P<mark>[(),])""",
    re.VERBOSE | re.DOTALL,
)
_SPACE = re.compile(r"\s*")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class FormulaError(Exception):
    """The formula as a whole is refused: unknown names, wrong syntax; the message says why."""


class _ValueError(Exception):
    """Airtable's #ERROR! for one record: the record is left out, as Airtable does."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def compile_formula(text: str, columns: Mapping[str, str]) -> Callable[[Record], bool]:
    """The test that a formula makes of a record; `columns` maps each name and id to a column's name.

    A record passes unless the result is 0, false, "", empty or an error
    (https://airtable.com/developers/web/api/list-records). Raises FormulaError.
    """
    node = _Parser(_tokens(text), columns).parse()

    def passes(record: Record) -> bool:
        try:
            return bool(node(record))
        except _ValueError:
            return False

    return passes


def _tokens(text: str) -> list[_Token]:
    tokens = []
    position = _end_of(_SPACE.match(text))
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise FormulaError("Invalid formula. Please check your formula text.")
        tokens.append(_Token(found.lastgroup, found.group()))
        position = _end_of(_SPACE.match(text, found.end()))
    return [*tokens, _Token("end", "")]


def _end_of(found: re.Match[str] | None) -> int:
    return found.end() if found else 0


def _unescaped(quoted: str) -> str:
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), quoted[1:-1])


class _Parser:
    """Recursive descent over the tokens; each method returns the node for what it read."""

    def __init__(self, tokens: list[_Token], columns: Mapping[str, str]) -> None:
        self._tokens = tokens
        self._columns = columns
        self._position = 0
        self._depth = 0

    def parse(self) -> Node:
        node = self._expression()
        self._expect("")
        return node

    def _next(self) -> _Token:
        token = self._tokens[self._position]
        self._position = min(self._position + 1, len(self._tokens) - 1)
        return token

    def _sees(self, text: str) -> bool:
        token = self._tokens[self._position]
        return token.kind in {"mark", "end"} and token.text == text

    def _expect(self, text: str) -> None:
        if not self._sees(text):
            raise FormulaError("Invalid formula. Please check your formula text.")
        self._next()

    def _expression(self) -> Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise FormulaError("Invalid formula. It is nested too deeply.")
        node = self._operand()
        if self._tokens[self._position].kind == "comparison":
            node = _call(_COMPARISONS[self._next().text], [node, self._operand()])
        self._depth -= 1
        return node

    def _operand(self) -> Node:
        token = self._next()
        if token.kind == "string":
            return _constant(_unescaped(token.text))
        if token.kind == "number":
            return _constant(float(token.text))
        if token.kind == "field":
            return self._field(_unescaped(token.text))
        if token.kind == "name":
            return self._function(token.text)
        if token.text != "(":
            raise FormulaError("Invalid formula. Please check your formula text.")
        node = self._expression()
        self._expect(")")
        return node

    def _field(self, name: str) -> Node:
        column = self._columns.get(name)
        if column is None:
            raise FormulaError(f"Unknown field names: {name.lower()}")
        return lambda record: _cell_value(record.cells.get(column))

    def _function(self, name: str) -> Node:
        known = name.upper() in _OF_RECORD or name.upper() in _FUNCTIONS
        if not (known and self._sees("(")):
            raise FormulaError(f"Unknown field names: {name.lower()}")
        arguments = self._arguments()
        if name.upper() in _OF_RECORD:
            fewest, most, node = 0, 0, _OF_RECORD[name.upper()]
        else:
            fewest, most, function = _FUNCTIONS[name.upper()]
            node = _call(function, arguments)
        if not fewest <= len(arguments) <= most:
            raise FormulaError(f"Invalid number of arguments for {name.upper()}.")
        return node

    def _arguments(self) -> list[Node]:
        self._expect("(")
        arguments: list[Node] = []
        while not self._sees(")"):
            if arguments:
                self._expect(",")
            arguments.append(self._expression())
        self._expect(")")
        return arguments


def _constant(value: object) -> Node:
    return lambda _record: value


def _call(function: _Function, arguments: list[Node]) -> Node:
    """The function of all its arguments: like Airtable, an error in any of them is the whole's error."""
    if len(arguments) == 2:  # noqa: PLR2004 -- the commonest case, evaluated for every record: no list
        left, right = arguments
        return lambda record: function(left(record), right(record))
    return lambda record: function(*[argument(record) for argument in arguments])


def _cell_value(cell: object) -> object:
    """A cell as formulas see it: a list reads as its parts joined; an error object is an error."""
    if isinstance(cell, dict):
        raise _ValueError
    if isinstance(cell, list):
        return ", ".join(_text(_cell_value(part)) for part in cell)
    return cell


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return _iso(value).replace("+00:00", "Z")
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    return str(value)


def _number(value: object) -> float:
    if value is None:
        return 0.0
    if isinstance(value, (int, float)):
        return float(value)
    raise _ValueError


def _moment(value: object) -> datetime:
    """A moment, or text in ISO form; without a zone it is UTC, as Airtable reads it."""
    if isinstance(value, datetime):
        return value
    try:
        parsed = datetime.fromisoformat(_text(value))
    except ValueError:
        raise _ValueError from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _equal(left: object, right: object) -> bool:
    """Blank equals "", 0 and false; text equals text in the same case; other kinds never equal."""
    if left is None or right is None:
        return not left and not right
    return left == right


def _unequal(left: object, right: object) -> bool:
    return not _equal(left, right)


def _ordered(compare: Callable[[Any, Any], bool]) -> _Function:
    """A comparison by size: of two texts, two moments or two numbers (blank is 0), else an error."""

    def compared(left: object, right: object) -> bool:
        for kind in (str, datetime):
            if isinstance(left, kind) and isinstance(right, kind):
                return compare(left, right)
        return compare(_number(left), _number(right))

    return compared


def _find(needle: object, text: object) -> float:
    """The place of the first occurrence, counted from 1, or 0; case matters."""
    return float(_text(text).find(_text(needle)) + 1)


def _left(text: object, count: object) -> str:
    return _text(text)[: _count(count)]


def _right(text: object, count: object) -> str:
    whole = _text(text)
    return whole[max(0, len(whole) - _count(count)) :]


def _mid(text: object, start: object, count: object) -> str:
    first = max(0, _count(start) - 1)
    return _text(text)[first : first + _count(count)]


def _count(value: object) -> int:
    return max(0, int(_number(value)))


def _mod(number: object, divisor: object) -> float:
    try:
        return _number(number) % _number(divisor)
    except ZeroDivisionError:
        raise _ValueError from None


def _is_same(left: object, right: object, unit: object = "millisecond") -> bool:
    """Whether two moments are the same down to the unit, in UTC: the same beginning of their ISO forms."""
    length = _ISO_LENGTHS.get(_text(unit))
    if length is None:
        raise _ValueError
    return _iso(_moment(left))[:length] == _iso(_moment(right))[:length]


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


_ISO_LENGTHS = {"year": 4, "month": 7, "day": 10, "hour": 13, "minute": 16, "second": 19, "millisecond": 23}


_COMPARISONS: dict[str, _Function] = {
    "=": _equal,
    "!=": _unequal,
    "<": _ordered(operator.lt),
    ">": _ordered(operator.gt),
    "<=": _ordered(operator.le),
    ">=": _ordered(operator.ge),
}

_OF_RECORD: dict[str, Node] = {
    "RECORD_ID": lambda record: record.id,
    "CREATED_TIME": lambda record: record.created_at,
    "LAST_MODIFIED_TIME": lambda record: record.modified_at,
}

_ANY_NUMBER = 10_000

# Name -> fewest arguments, most arguments, function of their values.
_FUNCTIONS: dict[str, tuple[int, int, _Function]] = {
    "AND": (1, _ANY_NUMBER, lambda *values: all(values)),
    "OR": (1, _ANY_NUMBER, lambda *values: any(values)),
    "NOT": (1, 1, operator.not_),
    "TRUE": (0, 0, lambda: True),
    "FALSE": (0, 0, lambda: False),
    "BLANK": (0, 0, lambda: None),
    "IS_AFTER": (2, 2, lambda left, right: _moment(left) > _moment(right)),
    "IS_BEFORE": (2, 2, lambda left, right: _moment(left) < _moment(right)),
    "IS_SAME": (2, 3, _is_same),
    "DATETIME_PARSE": (1, 1, _moment),
    "FIND": (2, 2, _find),
    "LEFT": (2, 2, _left),
    "RIGHT": (2, 2, _right),
    "MID": (3, 3, _mid),
    "LEN": (1, 1, lambda text: float(len(_text(text)))),
    "LOWER": (1, 1, lambda text: _text(text).lower()),
    "UPPER": (1, 1, lambda text: _text(text).upper()),
    "MOD": (2, 2, _mod),
}
