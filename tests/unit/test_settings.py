"""The settings: read from mappings and files, never from this process's own environment."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from core.errors import SettingsError
from core.records import REQUIRED_COLUMNS, Column
from core.settings import ROOT, Settings, column_variable, load, variables

NOWHERE = Path("/nonexistent/.env")
SECRETS = {
    "AIRTABLE_API_KEY": "patSECRET.token",
    "DATABASE_URL": "postgresql://user:dbSECRET@host/name",
    "ALERT_URLS": "json://user:alertSECRET@host",
    "API_TOKEN": "apiSECRET",
    "DASHBOARD_PASSWORD": "operatorSECRET",
    "DASHBOARD_VIEWER_PASSWORD": "viewerSECRET",
}
REAL = {"AIRTABLE_API_KEY": "patX.y", "AIRTABLE_BASE_ID": "appX"}
# Read by docker-compose.yml alone.
COMPOSE_VARIABLES = {"POSTGRES_PASSWORD"}


def faults(values: dict[str, str]) -> list[str]:
    """The lines in which these settings are refused."""
    with pytest.raises(SettingsError) as caught:
        load(values, NOWHERE)
    return caught.value.message.splitlines()


def database_url(value: str) -> str:
    """What becomes of a DATABASE_URL."""
    held = load({"DATABASE_URL": value}, NOWHERE).database_url
    assert held is not None
    return held.get_secret_value()


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    """A place for a `.env`."""
    return tmp_path / ".env"


def test_a_machine_without_a_zone_counts_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be found out keeps nothing from starting."""

    def fail() -> str:
        raise LookupError("no zone")

    monkeypatch.setattr("core.settings.get_localzone_name", fail)
    assert str(load({}, NOWHERE).timezone) == "UTC"


def test_an_empty_environment_is_the_demo_with_the_defaults() -> None:
    """Nothing set: the demo, and every default of the spec's section 4."""
    settings = load({}, NOWHERE)
    shown = variables(settings)
    assert settings.demo
    assert settings.source == "demo"
    assert {name: shown[name] for name in ("SCHEDULE_HOURS", "RECONCILE_DAY", "BOOKING_YEARS", "PORT")} == {
        "SCHEDULE_HOURS": "6,18",
        "RECONCILE_DAY": "sunday",
        "BOOKING_YEARS": "2025",
        "PORT": "8501",
    }
    assert (settings.data_dir, settings.log_dir) == (ROOT / ".data", ROOT / "logs")
    assert settings.columns == {column: column.value for column in Column}
    assert settings.loopback
    assert not settings.guarded


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AIRTABLE_REQUESTS_PER_SECOND", "0"),
        ("AIRTABLE_REQUESTS_PER_SECOND", "nan"),
        ("AIRTABLE_REQUESTS_PER_SECOND", "1e400"),
        ("AIRTABLE_PENALTY_SECONDS", "-1"),
        ("AIRTABLE_FIELD_FONE", "none"),
        ("DATABASE_URL", "mysql://host/name"),
        ("DATABASE_URL", "postgresql://user:word@host/name?no_such=1"),
        ("DATABASE_URL", "postgresql://user:word@host:port/name"),
        ("DATABASE_URL", "postgresql://user:%zz@host/name"),
        ("DATABASE_URL", f"postgresql://user:word@{'h' * 64}/name"),
        ("AIRTABLE_TABLE_NAME", "caf\udce9"),
        ("AIRTABLE_FIELD_NAME", "caf\udce9"),
        ("ALERT_URLS", "json://\udcff"),
        ("TIMEZONE", "Europe/\udcff"),
        ("SCHEDULE_HOURS", "\udcff"),
        ("BOOKING_YEARS", "\udcff"),
        ("API_TOKEN", "\udcff"),
        ("DATABASE_URL", "postgresql://\udcff"),
        ("DATA_DIR", "~nobody-of-this-name/data"),
        ("LOG_DIR", "~nobody-of-this-name/logs"),
        ("TIMEZONE", "Mars/Phobos"),
        ("TIMEZONE", "../../etc/passwd"),
        ("TIMEZONE", "Europe"),
        ("SCHEDULE_HOURS", "24"),
        ("SCHEDULE_HOURS", "6,6"),
        ("SCHEDULE_HOURS", ","),
        ("RECONCILE_DAY", "someday"),
        ("IMPORT_ON_STARTUP", "maybe"),
        ("BOOKING_YEARS", "25"),
        ("BOOKING_YEARS", ","),
        ("BOOKING_YEARS", "٢٠٢٥"),
        ("MAX_DELETE_PERCENT", "101"),
        ("EXPECTED_CONVERSATIONS", "many"),
        ("EXPECTED_BOOKINGS", "-1"),
        ("EXPECTED_AS_OF", "2025-02-30"),
        ("EXPECTED_AS_OF", "1700000000"),
        ("EXPECTED_TOLERANCE_PERCENT", "x"),
        ("API_TOKEN", "two words"),
        ("TRUSTED_USER_HEADER", "X Forwarded User"),
        ("HOST", "two words"),
        ("HOST", "[::1"),
        ("HOST", "-x"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "web"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_its_variable(variable: str, value: str) -> None:
    """Each fault is one line that begins with the variable's name."""
    (line,) = faults({variable: value})
    assert line.startswith(f"{variable}: ")
    assert line.endswith(".")


@pytest.mark.parametrize(
    ("value", "field", "expected"),
    [
        ({"IMPORT_ON_STARTUP": "No"}, "import_on_startup", False),
        ({"IMPORT_ON_STARTUP": "TRUE"}, "import_on_startup", True),
        ({"SCHEDULE_HOURS": "18, 6"}, "schedule_hours", (6, 18)),
        ({"RECONCILE_DAY": "Off"}, "reconcile_day", "off"),
        ({"BOOKING_YEARS": "2025, 2026,2025"}, "booking_years", ("2025", "2026")),
        ({"EXPECTED_LEADS": "OFF"}, "expected_leads", None),
        ({"EXPECTED_LEADS": "0"}, "expected_leads", 0),
        ({"OPERATORS": "ann, bob,,"}, "operators", ("ann", "bob")),
        ({"AIRTABLE_REQUESTS_PER_SECOND": "0.5"}, "airtable_requests_per_second", 0.5),
        ({"HOST": "[::1]"}, "host", "::1"),
        ({"HOST": "LocalHost"}, "host", "localhost"),
        ({"DATA_DIR": "/srv/data"}, "data_dir", Path("/srv/data")),
        ({"DATA_DIR": "data"}, "data_dir", ROOT / "data"),
    ],
)
def test_values_are_read_as_people_write_them(value: dict[str, str], field: str, expected: object) -> None:
    """Case, blanks and order of a value do not matter; relative folders start at the project's root."""
    assert getattr(load(value, NOWHERE), field) == expected


def test_every_fault_is_told_at_once() -> None:
    """A person mends all settings in one go: each fault has its line."""
    told = faults({"PORT": "x", "TIMEZONE": "y", "AIRTABLE_API_KEY": "pat", "AIRTABLE_FIELD_CLINIC": "none"})
    named = {line.partition(":")[0] for line in told}
    assert named == {"PORT", "TIMEZONE", "AIRTABLE_BASE_ID", "AIRTABLE_FIELD_CLINIC"}


@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_a_blank_value_is_not_set(blank: str) -> None:
    """A variable that is there and says nothing means its default."""
    names = set(variables(load({}, NOWHERE)))
    assert load(dict.fromkeys(names, blank), NOWHERE) == load({}, NOWHERE)


def test_the_environment_wins_over_the_file(env_file: Path) -> None:
    """What both name is the environment's; a blank there leaves the file's."""
    env_file.write_text("PORT=1111\nHOST=localhost\nexport BOOKING_YEARS='2026' # next year\n", "utf-8")
    settings = load({"PORT": "2222", "HOST": ""}, env_file)
    assert (settings.port, settings.host, settings.booking_years) == (2222, "localhost", ("2026",))


def test_a_file_from_a_windows_editor_is_read(env_file: Path) -> None:
    """A byte order mark and CRLF hide no variable: a hidden key would silently mean the demo."""
    env_file.write_bytes(b"\xef\xbb\xbfAIRTABLE_API_KEY=patX\r\nAIRTABLE_BASE_ID=appX\r\n")
    assert not load({}, env_file).demo


def test_a_file_is_not_interpolated(env_file: Path) -> None:
    """A dollar sign in a password is a dollar sign."""
    env_file.write_text("DASHBOARD_PASSWORD=a${PATH}b", "utf-8")
    held = load({}, env_file).dashboard_password
    assert held == SecretStr("a${PATH}b")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"DASHBOARD_PASSWORD=\xe9SECRET", ".env: cannot be read; it must be a text file in UTF-8."),
        (b"PORT=1\nAPI_TOKEN 'SECRET\n", ".env: not of the form NAME=value in line 2."),
    ],
)
def test_a_file_that_is_none_is_named(env_file: Path, content: bytes, said: str) -> None:
    """A file that cannot be read is refused by its name, without its content."""
    env_file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load({}, env_file)
    assert caught.value.message == said


def test_a_folder_in_the_files_place_is_named(env_file: Path) -> None:
    """What cannot be opened is refused by its name."""
    env_file.mkdir()
    with pytest.raises(SettingsError, match=r"^\.env: cannot be read"):
        load({}, env_file)


# Airtable


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"AIRTABLE_API_KEY": "pat"}, "AIRTABLE_BASE_ID"),
        ({"AIRTABLE_BASE_ID": "appX"}, "AIRTABLE_API_KEY"),
        ({"AIRTABLE_ENDPOINT_URL": "http://127.0.0.1:1"}, "AIRTABLE_API_KEY"),
        ({"AIRTABLE_API_KEY": "pat", "AIRTABLE_ENDPOINT_URL": "http://127.0.0.1:1"}, "AIRTABLE_BASE_ID"),
    ],
)
def test_half_a_connection_is_refused(given: dict[str, str], missing: str) -> None:
    """A key without a base, or base or endpoint without a key, names the missing one (spec, section 4)."""
    (line,) = faults(given)
    assert line.startswith(f"{missing}: missing; ")


@pytest.mark.parametrize(
    "value",
    [
        *("api.airtable.com", "ftp://host", "http://", "http://user:word@host", "http://host?x=1"),
        *("http://host:99999", "http://[host", "http://host/#part"),
    ],
)
def test_an_endpoint_that_is_no_address_is_refused(value: str) -> None:
    """An endpoint is http or https with a host, and nothing that does not belong there."""
    (line,) = faults(REAL | {"AIRTABLE_ENDPOINT_URL": value})
    assert line.startswith("AIRTABLE_ENDPOINT_URL: ")


@pytest.mark.parametrize("value", ["appX/tblY", "https://airtable.com/appX", "app X"])
def test_a_base_is_its_id_alone(value: str) -> None:
    """A part of Airtable's address that is more than the base's id is refused."""
    (line,) = faults(REAL | {"AIRTABLE_BASE_ID": value})
    assert line.startswith("AIRTABLE_BASE_ID: ")


def test_a_source_is_endpoint_base_table_and_view() -> None:
    """What a database is bound to names all four (spec, section 1)."""
    source = load(REAL | {"AIRTABLE_TABLE_NAME": "Chats", "AIRTABLE_VIEW": "All"}, NOWHERE).source
    assert source == "base appX, table Chats, view All at https://api.airtable.com"


# Columns


def test_a_column_may_be_renamed_or_absent() -> None:
    """A variable renames its column; `none` says that the table has none."""
    renamed = {"AIRTABLE_FIELD_CLINIC": "Practice", "AIRTABLE_FIELD_PHONE": "None"}
    settings = load(renamed, NOWHERE)
    expected = {column: column.value for column in Column if column is not Column.PHONE}
    assert settings.columns == expected | {Column.CLINIC: "Practice"}
    assert variables(settings)["AIRTABLE_FIELD_PHONE"] == "none"


@pytest.mark.parametrize("column", sorted(REQUIRED_COLUMNS))
def test_a_required_column_cannot_be_absent(column: Column) -> None:
    """Clinic and User ID are what a record is nothing without."""
    (line,) = faults({column_variable(column): "none"})
    assert line.startswith(f"{column_variable(column)}: ")


def test_field_ids_are_one_kind_for_all() -> None:
    """Names and field ids don't mix; each column of the rarer kind has its line."""
    ids = {column_variable(column): f"fld{number}" for number, column in enumerate(Column)}
    assert load(ids, NOWHERE).columns[Column.CLINIC] == "fld0"
    assert len(load(ids | {"AIRTABLE_FIELD_PHONE": "none"}, NOWHERE).columns) == len(Column) - 1
    named = {line.partition(":")[0] for line in faults(ids | {"AIRTABLE_FIELD_NAME": "", "PORT": "1"})}
    assert named == {"AIRTABLE_FIELD_NAME"}
    (line,) = faults({"AIRTABLE_FIELD_NAME": "fld2"})
    assert line.startswith("AIRTABLE_FIELD_NAME: ")


def test_a_column_is_named_once() -> None:
    """Two columns with one outside name are both told."""
    named = {line.partition(":")[0] for line in faults({"AIRTABLE_FIELD_NAME": "Email"})}
    assert named == {"AIRTABLE_FIELD_NAME", "AIRTABLE_FIELD_EMAIL"}


# The database


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("postgresql://u:p@h:5/db", "postgresql://u:p@h:5/db"),
        ("postgres://u:p@h/db", "postgresql://u:p@h/db"),
        ("POSTGRES://u@h/db", "postgresql://u@h/db"),
        ("postgresql+psycopg://u@h/db", "postgresql://u@h/db"),
        ("postgresql:///db?host=/run/postgresql", "postgresql:///db?host=/run/postgresql"),
        ("postgres://%2Frun%2Fpostgresql/db", "postgresql://%2Frun%2Fpostgresql/db"),
        ("postgresql://[::1]:5432/db?sslmode=require", "postgresql://[::1]:5432/db?sslmode=require"),
        ("postgresql://u:p?w@h/db", "postgresql://u:p?w@h/db"),
        ("postgresql://a:1,b:2/db", "postgresql://a:1,b:2/db"),
    ],
)
def test_a_database_is_any_libpq_uri(value: str, expected: str) -> None:
    """Every form of libpq's URI is taken, SQLAlchemy's too (libpq, Connection URIs)."""
    assert database_url(value) == expected


@pytest.mark.parametrize("password", ["SEC/RET", "12/SECRET", "SEC@RET", "SEC%RET", "SEC RET", "#/@"])
def test_a_password_that_is_not_escaped_is_not_shown(password: str) -> None:
    """What libpq takes for host, port or name of the database because of it is a part of the password."""
    (line,) = faults({"DATABASE_URL": f"postgresql://user:{password}@host/name"})
    assert line.startswith("DATABASE_URL: ")
    assert not re.search("SEC|RET", line)


# Guards


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *(("127.0.0.1", True), ("127.0.0.9", True), ("::1", True), ("LOCALHOST", True)),
        *(("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("example.com", False)),  # noqa: S104 (a value)
    ],
)
def test_who_can_reach_the_server(host: str, loopback: bool) -> None:
    """Only addresses of this machine alone count as loopback."""
    assert load({"HOST": host}, NOWHERE).loopback is loopback


@pytest.mark.parametrize("variable", ["API_TOKEN", "DASHBOARD_PASSWORD", "TRUSTED_USER_HEADER"])
def test_each_guard_guards(variable: str) -> None:
    """Any of the three makes the server a guarded one (spec, section 9)."""
    assert load({variable: "X-User"}, NOWHERE).guarded


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"DASHBOARD_VIEWER_PASSWORD": "a"}, "DASHBOARD_PASSWORD"),
        ({"DASHBOARD_VIEWER_PASSWORD": "a", "DASHBOARD_PASSWORD": "a"}, "DASHBOARD_VIEWER_PASSWORD"),
    ],
)
def test_viewers_have_a_password_of_their_own(given: dict[str, str], named: str) -> None:
    """A viewer's password needs an operator's, and another one."""
    (line,) = faults(given)
    assert line.startswith(f"{named}: ")


# Secrets


def test_no_representation_holds_a_secret() -> None:
    """No text that is made of the settings holds a secret; `variables` says only that one is set."""
    settings = load(SECRETS | {"AIRTABLE_BASE_ID": "appX"}, NOWHERE)
    shown = variables(settings)
    texts = [repr(settings), str(settings), settings.model_dump_json(), settings.source, repr(shown)]
    assert not any("SECRET" in text for text in texts)
    assert {shown[name] for name in SECRETS} == {"set"}


@given(st.dictionaries(st.sampled_from(sorted(variables(load({}, NOWHERE)))), st.text(max_size=40)))
def test_no_text_breaks_the_settings(values: dict[str, str]) -> None:
    """Whatever is in the environment ends as settings or as lines that each name a variable."""
    try:
        settings = load(values, NOWHERE)
    except SettingsError as error:
        named = {line.partition(":")[0] for line in re.split(r"\n(?=[A-Z_]+: )", error.message)}
        assert named <= set(variables(load({}, NOWHERE)))
    else:
        assert isinstance(settings, Settings)


@pytest.mark.parametrize("variable", sorted(SECRETS))
def test_no_error_holds_a_secret(variable: str) -> None:
    """A secret that is refused, or that stands beside a fault, is not in the error."""
    for value in (SECRETS[variable], f"SECRET é {SECRETS[variable]}"):
        with pytest.raises(SettingsError) as caught:
            load({variable: value, "PORT": "0"}, NOWHERE)
        assert "SECRET" not in caught.value.message
        assert caught.value.__cause__ is None


# The example


def test_the_example_lists_every_variable_with_its_default() -> None:
    """`.env.example` names each variable once with its default, and no other."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    listed = re.findall(r"^#?([A-Z_]+)=(.*)$", text, re.MULTILINE)
    shown = {
        name: "" if value == "not set" else value for name, value in variables(load({}, NOWHERE)).items()
    }
    relative = {"DATA_DIR": ".data", "LOG_DIR": "logs", "TIMEZONE": ""}
    numbers = {name: re.sub(r"\.0$", "", value) for name, value in (shown | relative).items()}
    booleans = {name: value.lower() if value == "True" else value for name, value in numbers.items()}
    assert dict(listed) == booleans | dict.fromkeys(COMPOSE_VARIABLES, "")
    assert len(listed) == len(booleans) + len(COMPOSE_VARIABLES)


def test_the_example_copied_unchanged_is_the_demo() -> None:
    """Copied as it is, `.env.example` changes nothing."""
    assert load({}, ROOT / ".env.example") == load({}, NOWHERE)
