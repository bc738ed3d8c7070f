import string
from datetime import UTC, datetime

import pyairtable.formulas as f
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.demo.formulas import FormulaError, compile_formula
from core.demo.table import Record

COLUMNS = {
    name: name for name in ("Clinic", "Booking", "Note}s", "Seats", "Lead", "Rate", "Empty", "Tags", "Broken")
}
COLUMNS["fldClinic00000001"] = "Clinic"
RECORD = Record(
    id="recAbcDefGhiJkl12",
    created_at=datetime(2025, 1, 1, 8, tzinfo=UTC),
    modified_at=datetime(2025, 3, 1, 12, 30, 0, 250_000, tzinfo=UTC),
    cells={
        "Clinic": 'O\'Neil \\ "Spine"',
        "Booking": "3/14/2025",
        "Note}s": "x",
        "Seats": 7,
        "Lead": True,
        "Rate": 0.5,
        "Tags": ["new", "web"],
        "Broken": {"error": "#ERROR!"},
    },
)


def passes(formula: object, record: Record = RECORD) -> bool:
    """Whether the record passes the formula."""
    return compile_formula(str(formula), COLUMNS)(record)


MODIFIED = datetime(2025, 3, 1, 12, 30, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (f.IS_AFTER(f.LAST_MODIFIED_TIME(), datetime(2025, 1, 1, tzinfo=UTC)), True),
        (f.IS_AFTER(f.LAST_MODIFIED_TIME(), MODIFIED), False),
        (f.IS_BEFORE(f.CREATED_TIME(), datetime(2025, 1, 1, 9, tzinfo=UTC)), True),
        (f.IS_BEFORE(f.CREATED_TIME(), datetime(2025, 1, 1, 8, tzinfo=UTC)), False),
        ("IS_SAME(LAST_MODIFIED_TIME(), '2025-03-01T12:30:00.250Z')", True),
        (f.IS_SAME(f.LAST_MODIFIED_TIME(), MODIFIED, "millisecond"), True),
        (f.IS_SAME(f.LAST_MODIFIED_TIME(), MODIFIED.replace(minute=31), "hour"), True),
        (f.IS_SAME(f.LAST_MODIFIED_TIME(), MODIFIED.replace(minute=31), "minute"), False),
        (f.IS_SAME(f.LAST_MODIFIED_TIME(), MODIFIED, "fortnight"), False),
        (f.GTE(f.LAST_MODIFIED_TIME(), MODIFIED), True),
        (f.GT(f.LAST_MODIFIED_TIME(), MODIFIED), False),
        (
            f.OR(
                f.IS_AFTER(f.CREATED_TIME(), MODIFIED), f.IS_AFTER(f.LAST_MODIFIED_TIME(), RECORD.created_at)
            ),
            True,
        ),
        (f.AND(f.IS_AFTER(f.CREATED_TIME(), MODIFIED), f.IS_AFTER(f.LAST_MODIFIED_TIME(), MODIFIED)), False),
        (f.OR(f.EQ(f.RECORD_ID(), "recOther000000000"), f.EQ(f.RECORD_ID(), RECORD.id)), True),
        (f.EQ(f.RECORD_ID(), RECORD.id.lower()), False),
        (f.FIND(f.RIGHT(f.RECORD_ID(), 1), "123"), True),
        (f.FIND(f.RIGHT(f.RECORD_ID(), 1), "abc"), False),
        (f.NOT(f.FIND(f.RIGHT(f.RECORD_ID(), 1), "123")), False),
        (f.match({"Clinic": 'O\'Neil \\ "Spine"', "Seats": 7}), True),
        (f.match({"Clinic": "other", "Seats": 7}), False),
        (f.match({"Clinic": "other", "Seats": (">=", 7)}, match_any=True), True),
        (f.EQ(f.Field("Note}s"), "x"), True),
        (f.EQ(f.Field("Lead"), True), True),
        (f.EQ(f.EQ(f.Field("Seats"), 7), True), True),
        (f.EQ(f.Field("Empty"), f.BLANK()), True),
        (f.NE(f.Field("Clinic"), f.BLANK()), True),
        (f.EQ(f.MOD(f.LEN(f.RECORD_ID()), 5), 2), True),
        (f.EQ(f.LOWER(f.LEFT(f.RECORD_ID(), 4)), "reca"), True),
        (f.EQ(f.UPPER(f.MID(f.RECORD_ID(), 4, 3)), "ABC"), True),
    ],
    ids=str,
)
def test_what_pyairtable_writes_is_understood(formula: f.Formula | str, expected: bool) -> None:
    """The product's reader builds its filters with pyairtable.formulas; each means what Airtable says."""
    assert passes(formula) is expected


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ('{Booking} = "3/14/2025"', True),
        ("{fldClinic00000001} = {Clinic}", True),
        ("find('2025', {Booking})", True),
        (" AND ( TRUE ( ) , {Seats}>=-7 ) ", True),
        ("{Seats} < 7", False),
        ("{Rate} <= .5", True),
        ("{Seats} = '7'", False),
        ("({Seats} != 7) = FALSE()", True),
        ("{Booking} < '4'", True),
        ("{Tags} = 'new, web'", True),
        ("{Empty} = 0", True),
        ("{Empty} = ''", True),
        ("{Empty}", False),
        ("''", False),
        ("0", False),
        ("{Seats}", True),
        ("LEN({Seats}) = 1", True),
        ("FIND('T', CREATED_TIME()) = 11", True),
        ("RIGHT(CREATED_TIME(), 1) = 'Z'", True),
        ("LEN(TRUE()) = 1", True),
        ("{Empty} < 1", True),
        ("RIGHT('abc', 0) = ''", True),
        ("RIGHT('abc', 9) = 'abc'", True),
        ("LEFT({Empty}, 3) = ''", True),
        (r"'a\'b\\c' = " + '"a\'b\\\\c"', True),
        ("IS_AFTER('2025-02-01', DATETIME_PARSE('2025-01-31'))", True),
    ],
)
def test_the_language_reads_as_airtables(formula: str, expected: bool) -> None:
    """Both quotes, field ids, any case of function names, blanks, truth (Airtable's formula reference)."""
    assert passes(formula) is expected


@pytest.mark.parametrize(
    "formula",
    [
        "{Broken} = 'x'",
        "NOT({Broken})",
        "OR(TRUE(), {Broken})",
        "{Booking} > 1",
        "MOD(1, 0)",
        "MOD('a', 2)",
        "IS_AFTER(DATETIME_PARSE('soon'), CREATED_TIME())",
        "NOT(IS_AFTER({Empty}, CREATED_TIME()))",
        "IS_SAME(CREATED_TIME(), CREATED_TIME(), 'fortnight')",
    ],
)
def test_an_error_leaves_the_record_out(formula: str) -> None:
    """A result of #ERROR! is not listed, and NOT or OR around it changes nothing (Airtable, list records)."""
    assert passes(formula) is False


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("", "Invalid formula"),
        ("AND(", "Invalid formula"),
        ("TRUE() TRUE()", "Invalid formula"),
        ("{Clinic} = ", "Invalid formula"),
        ("'open", "Invalid formula"),
        ("AND(,TRUE())", "Invalid formula"),
        ("1 = 1 = 1", "Invalid formula"),
        ("1 + 1", "Invalid formula"),
        ("{Clinic} & 'x'", "Invalid formula"),
        ("{clinic} = 'x'", "Unknown field names: clinic"),
        ("Clinic = 'x'", "Unknown field names: clinic"),
        ("SEARCH('a', {Clinic})", "Unknown field names: search"),
        ("TODAY()", "Unknown field names: today"),
        ("TRUE", "Unknown field names: true"),
        ("NOT()", "Invalid number of arguments for NOT"),
        ("RECORD_ID(1)", "Invalid number of arguments for RECORD_ID"),
        ("FIND('a', 'b', 1)", "Invalid number of arguments for FIND"),
        ("DATETIME_PARSE('1/2/2025', 'M/D/YYYY')", "Invalid number of arguments for DATETIME_PARSE"),
        ("(" * 5_000 + "1" + ")" * 5_000, "nested too deeply"),
    ],
)
def test_anything_else_is_refused(formula: str, message: str) -> None:
    """A stand-in that guesses would prove nothing: what it does not know is an error that says so."""
    with pytest.raises(FormulaError, match=message):
        compile_formula(formula, COLUMNS)


@given(st.text(alphabet=st.characters(), min_size=1))
def test_any_text_survives_quoting(text: str) -> None:
    """Whatever a cell holds, pyairtable's quoted equality finds that cell and no other."""
    record = Record(RECORD.id, RECORD.created_at, RECORD.modified_at, {"Clinic": text})
    assert passes(f.EQ(f.Field("Clinic"), text), record)
    assert not passes(f.EQ(f.Field("Clinic"), text + "x"), record)


@given(
    st.text(string.ascii_letters + string.digits, min_size=14, max_size=14),
    st.sets(st.sampled_from("aAzZ09bQ")),
)
def test_a_shard_and_its_complement_are_the_whole_table(suffix: str, characters: set[str]) -> None:
    """Sharded readers together see each record once (Airtable's API)."""
    record = Record("rec" + suffix, RECORD.created_at, RECORD.modified_at, {})
    shard = f.FIND(f.RIGHT(f.RECORD_ID(), 1), "".join(sorted(characters)))
    assert passes(shard, record) is (suffix[-1] in characters)
    assert passes(f.NOT(shard), record) is not passes(shard, record)


@given(st.text(alphabet="AND(OR)NOT{Clinic}'\"\\=<>!,. 12TRUE", max_size=60))
def test_no_text_is_anything_but_a_filter_or_refused(text: str) -> None:
    """A formula comes from outside: it compiles to yes or no, or FormulaError says why not."""
    try:
        test = compile_formula(text, COLUMNS)
    except FormulaError:
        return
    assert test(RECORD) in (True, False)
