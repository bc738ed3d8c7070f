"""The settings: read once from the environment and `.env`, checked as a whole, immutable afterwards.

The only module that knows the names of variables (spec, section 4).
"""

import os
import re
import warnings
from collections.abc import Callable, Mapping
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from dotenv.parser import parse_stream
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from tzlocal import get_localzone_name

from core.errors import SettingsError
from core.records import REQUIRED_COLUMNS, Column

ROOT = Path(__file__).resolve().parent.parent
AIRTABLE_URL = "https://api.airtable.com"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FIELD_ID = re.compile(r"fld[A-Za-z0-9]+")


def _list_of(read: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    def parts(value: str) -> tuple[Any, ...]:
        return tuple(read(part.strip()) for part in value.split(",") if part.strip())

    return parts


def _hour(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 23:  # noqa: PLR2004 (a day's last hour)
        raise ValueError(f"{text} is no hour from 0 to 23")
    return int(text)


def _hours(value: str) -> tuple[int, ...]:
    hours: tuple[int, ...] = _list_of(_hour)(value)
    if not hours or len(set(hours)) < len(hours):
        raise ValueError("name hours of the day, each once, such as 6,18")
    return tuple(sorted(hours))


def _year(text: str) -> str:
    if not re.fullmatch(r"[0-9]{4}", text):
        raise ValueError(f"{text} is no year of four digits")
    return text


def _years(value: str) -> tuple[str, ...]:
    years: tuple[str, ...] = _list_of(_year)(value)
    if not years:
        raise ValueError("name at least one year, such as 2025")
    return tuple(dict.fromkeys(years))


def _off_or(value: str) -> str | None:
    return None if value.lower() == "off" else value


def _flag(value: str) -> bool:
    words = {"true": True, "yes": True, "on": True, "1": True}
    words |= {"false": False, "no": False, "off": False, "0": False}
    if value.lower() not in words:
        raise ValueError("give true or false")
    return words[value.lower()]


def _weekday(value: str) -> str:
    if value.lower() not in {*WEEKDAYS, "off"}:
        raise ValueError("give a day of the week in English, such as sunday, or off")
    return value.lower()


def _date(value: str) -> date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("give a date such as 2025-12-31")
    return date.fromisoformat(value)


def _base(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", value):
        raise ValueError("give the base's id alone, such as appXXXXXXXXXXXXXX")
    return value


def _zone(value: str) -> ZoneInfo:
    try:
        return ZoneInfo(value)
    except (OSError, ValueError, KeyError):
        raise ValueError(f"{value} is no time zone; name one such as America/New_York") from None


def _url(value: str) -> str:
    parts = urlsplit(value)
    more = "@" in parts.netloc or parts.query or parts.fragment
    if parts.scheme not in {"http", "https"} or not parts.hostname or more or parts.port == 0:
        raise ValueError("give an address such as https://api.airtable.com, without user or query")
    return value.rstrip("/")


def _libpq(value: str) -> SecretStr:
    uri = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", value, flags=re.IGNORECASE)
    try:
        parts = conninfo_to_dict(uri)
    except (ProgrammingError, UnicodeError):  # their text may quote the password
        raise ValueError("is no libpq URI such as postgresql://user:password@host:5432/name") from None
    # A password with one of these unescaped is cut there, and its rest would be taken for a name to show.
    if any("@" in str(parts.get(part, "")) for part in ("host", "port", "dbname")):
        raise ValueError("write @, /, : and % in user and password as %40, %2F, %3A and %25")
    if not all(re.fullmatch(r"[0-9]{0,5}", port) for port in str(parts.get("port", "")).split(",")):
        raise ValueError("its port must be a number; write : and / in a password as %3A and %2F")
    if not all(_is_host(host) for host in str(parts.get("host", "")).split(",")):
        raise ValueError("its host is no name of a host")
    return SecretStr(uri)


def _is_host(name: str) -> bool:
    """Whether a host may be called so; a socket's folder may be called anything."""
    try:
        return name.startswith(("/", "@")) or name.encode("idna") is not None
    except UnicodeError:
        return False


def _folder(value: str) -> Path:
    try:
        return (ROOT / Path(value).expanduser()).resolve()
    except RuntimeError:
        raise ValueError(f"{value} names the home folder of nobody") from None


def _token(value: str) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", value):
        raise ValueError("has a character that no token has; copy it again")
    return SecretStr(value)


def _host(value: str) -> str:
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    try:
        return str(ip_address(bare))
    except ValueError:
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", bare):
            raise ValueError("give an address or a host's name, such as 127.0.0.1") from None
    return bare.lower()


def _header(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]+", value):
        raise ValueError("give the name of an HTTP header, such as X-Forwarded-User")
    return value


Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[Annotated[int, Field(ge=0)] | None, BeforeValidator(_off_or)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Folder = Annotated[Path, BeforeValidator(_folder)]


class Settings(BaseModel):
    """All settings; a field's alias is its variable's name (spec, section 4)."""

    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)

    airtable_api_key: Annotated[SecretStr, BeforeValidator(_token)] | None = Field(
        None, alias="AIRTABLE_API_KEY"
    )
    airtable_base_id: Annotated[str, BeforeValidator(_base)] | None = Field(None, alias="AIRTABLE_BASE_ID")
    airtable_table_name: str = Field("Conversations", alias="AIRTABLE_TABLE_NAME")
    airtable_view: str | None = Field(None, alias="AIRTABLE_VIEW")
    airtable_endpoint_url: Annotated[str, BeforeValidator(_url)] = Field(
        AIRTABLE_URL, alias="AIRTABLE_ENDPOINT_URL"
    )
    airtable_requests_per_second: Rate = Field(5.0, alias="AIRTABLE_REQUESTS_PER_SECOND")
    airtable_penalty_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        30.0, alias="AIRTABLE_PENALTY_SECONDS"
    )
    columns: dict[Column, str]
    database_url: Annotated[SecretStr, BeforeValidator(_libpq)] | None = Field(None, alias="DATABASE_URL")
    data_dir: Folder = Field(ROOT / ".data", alias="DATA_DIR")
    log_dir: Folder = Field(ROOT / "logs", alias="LOG_DIR")
    timezone: Annotated[ZoneInfo, BeforeValidator(_zone)] = Field(alias="TIMEZONE")
    schedule_hours: Annotated[tuple[int, ...], BeforeValidator(_hours)] = Field(
        (6, 18), alias="SCHEDULE_HOURS"
    )
    reconcile_day: Annotated[str, BeforeValidator(_weekday)] = Field("sunday", alias="RECONCILE_DAY")
    import_on_startup: Annotated[bool, BeforeValidator(_flag)] = Field(
        default=True, alias="IMPORT_ON_STARTUP"
    )
    booking_years: Annotated[tuple[str, ...], BeforeValidator(_years)] = Field(
        ("2025",), alias="BOOKING_YEARS"
    )
    max_delete_percent: Percent = Field(20.0, alias="MAX_DELETE_PERCENT")
    expected_conversations: Count = Field(20077, alias="EXPECTED_CONVERSATIONS")
    expected_bookings: Count = Field(3122, alias="EXPECTED_BOOKINGS")
    expected_leads: Count = Field(13908, alias="EXPECTED_LEADS")
    expected_engaged: Count = Field(7910, alias="EXPECTED_ENGAGED")
    expected_as_of: Annotated[date, BeforeValidator(_date)] | None = Field(None, alias="EXPECTED_AS_OF")
    expected_tolerance_percent: Percent = Field(0.0, alias="EXPECTED_TOLERANCE_PERCENT")
    alert_urls: SecretStr | None = Field(None, alias="ALERT_URLS")
    api_token: Annotated[SecretStr, BeforeValidator(_token)] | None = Field(None, alias="API_TOKEN")
    dashboard_password: SecretStr | None = Field(None, alias="DASHBOARD_PASSWORD")
    dashboard_viewer_password: SecretStr | None = Field(None, alias="DASHBOARD_VIEWER_PASSWORD")
    trusted_user_header: Annotated[str, BeforeValidator(_header)] | None = Field(
        None, alias="TRUSTED_USER_HEADER"
    )
    operators: Annotated[tuple[str, ...], BeforeValidator(_list_of(str))] = Field((), alias="OPERATORS")
    host: Annotated[str, BeforeValidator(_host)] = Field("127.0.0.1", alias="HOST")
    port: int = Field(8501, ge=1, le=65535, alias="PORT")

    @property
    def demo(self) -> bool:
        """Whether the made-up records are the source: where no key is set."""
        return self.airtable_api_key is None

    @property
    def source(self) -> str:
        """What a database holds, as the first import records it (spec, section 1)."""
        if self.demo:
            return "demo"
        view = f", view {self.airtable_view}" if self.airtable_view else ""
        return (
            f"base {self.airtable_base_id}, table {self.airtable_table_name}{view} "
            f"at {self.airtable_endpoint_url}"
        )

    @property
    def guarded(self) -> bool:
        """Whether people or programs must identify themselves (spec, section 9)."""
        return any((self.api_token, self.dashboard_password, self.trusted_user_header))

    @property
    def loopback(self) -> bool:
        """Whether the server is bound to this machine alone."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def load(environ: Mapping[str, str], env_file: Path = ROOT / ".env") -> Settings:
    """Read the settings from `environ`, then `env_file`; a blank value is not set.

    Raises:
        SettingsError: one line for each fault, all faults at once, each naming its variable; those of values
            that are no text come alone, for nothing else can be said of these.
    """
    values = _values(environ, env_file)
    if unreadable := _not_text(values):
        raise SettingsError("\n".join(unreadable))
    columns, faults = _columns(values)
    faults += _together(values) + _misspelt(values)
    if "TIMEZONE" not in values:
        values["TIMEZONE"] = _machine_zone()
    try:
        settings = Settings.model_validate({**values, "columns": columns})
    except ValidationError as error:
        faults = [_line(fault["loc"][0], fault["msg"]) for fault in error.errors()] + faults
    if faults:
        raise SettingsError("\n".join(faults))
    return settings


def from_environment() -> Settings:
    """The settings of this process; raises as `load` does."""
    return load(os.environ)


def variables(settings: Settings) -> dict[str, str]:
    """The settings in force by variable name, as text for people; secrets say only that they are set."""
    shown = {
        field.alias: _shown(getattr(settings, name), "not set" if field.default is None else "off")
        for name, field in Settings.model_fields.items()
        if field.alias
    }
    fields = {column_variable(column): settings.columns.get(column, "none") for column in Column}
    return shown | fields


def column_variable(column: Column) -> str:
    """The variable that renames a column."""
    return f"AIRTABLE_FIELD_{column.name}"


def _machine_zone() -> str:
    try:
        with warnings.catch_warnings(action="ignore"):
            return get_localzone_name() or "UTC"
    except (OSError, ValueError, LookupError):
        return "UTC"


def _values(environ: Mapping[str, str], env_file: Path) -> dict[str, Any]:
    """Every value that is set, trimmed; the environment wins over the file."""
    merged: dict[str, Any] = {}
    for values in (_file(env_file), environ):
        merged |= {name: value.strip() for name, value in values.items() if value and value.strip()}
    return merged


def _file(env_file: Path) -> dict[str, str | None]:
    """What `.env` says, in the shell's own form; empty where there is none.

    Raises:
        SettingsError: it is no such file; of its content only the line's number is told.
    """
    try:
        with env_file.open(encoding="utf-8") as stream:
            bindings = list(parse_stream(stream))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{env_file.name}: cannot be read; it must be a text file in UTF-8.") from None
    wrong = [str(binding.original.line) for binding in bindings if binding.error]
    if wrong:
        raise SettingsError(f"{env_file.name}: not of the form NAME=value in line {', '.join(wrong)}.")
    return {binding.key: binding.value for binding in bindings if binding.key}


def _columns(values: Mapping[str, str]) -> tuple[dict[Column, str], list[str]]:
    """The outside name of each column that the table has, and what is wrong with them."""
    named = {column: values.get(column_variable(column), column.value) for column in Column}
    columns = {column: name for column, name in named.items() if name.lower() != "none"}
    faults = [
        _line(column_variable(column), "the table must have this column; name it")
        for column in sorted(REQUIRED_COLUMNS - columns.keys())
    ]
    faults += _mixed(columns)
    for column, name in columns.items():
        if list(columns.values()).count(name) > 1:
            faults.append(_line(column_variable(column), f"the column {name} is named twice"))
    return columns, faults


def _mixed(columns: Mapping[Column, str]) -> list[str]:
    """Names and field ids beside each other: those of the rarer kind, which are the likelier slip."""
    ids = [column for column, name in columns.items() if FIELD_ID.fullmatch(name)]
    names = [column for column in columns if column not in ids]
    if len(ids) < len(names):
        told, fault = ids, "other columns are given as names; give this one's name too, or all field ids"
    else:
        told, fault = names, "other columns are given as field ids; give this one's id too"
    return [_line(column_variable(column), fault) for column in told]


def _together(values: Mapping[str, str]) -> list[str]:
    """Faults that show only when several settings are seen together."""
    faults = []
    if "AIRTABLE_API_KEY" in values and "AIRTABLE_BASE_ID" not in values:
        faults.append(_line("AIRTABLE_BASE_ID", "missing; AIRTABLE_API_KEY is set, so name the base (app…)"))
    if "AIRTABLE_API_KEY" not in values:
        faults += [
            _line(
                "AIRTABLE_API_KEY", f"missing; {name} is set, so give a token, or remove {name} for the demo"
            )
            for name in ("AIRTABLE_BASE_ID", "AIRTABLE_ENDPOINT_URL")
            if name in values
        ]
    if "DASHBOARD_VIEWER_PASSWORD" in values and "DASHBOARD_PASSWORD" not in values:
        faults.append(_line("DASHBOARD_PASSWORD", "missing; DASHBOARD_VIEWER_PASSWORD is set"))
    elif "DASHBOARD_PASSWORD" in values and values["DASHBOARD_PASSWORD"] == values.get(
        "DASHBOARD_VIEWER_PASSWORD"
    ):
        faults.append(_line("DASHBOARD_VIEWER_PASSWORD", "must differ from DASHBOARD_PASSWORD"))
    return faults


def _misspelt(values: Mapping[str, str]) -> list[str]:
    """A column's variable that does not exist would leave the column as it was, unnoticed."""
    known = {column_variable(column) for column in Column}
    unknown = sorted(name for name in values if name.startswith("AIRTABLE_FIELD_") and name not in known)
    return [_line(name, "there is no such variable; .env.example lists them") for name in unknown]


def _not_text(values: Mapping[str, str]) -> list[str]:
    """Bytes that are no UTF-8 would fail where the value is first used; only a folder may be called so."""
    fields = Settings.model_fields.values()
    ours = {field.alias for field in fields if field.alias and field.annotation is not Path}
    ours |= {column_variable(column) for column in Column}
    wrong = sorted(name for name in ours & values.keys() if not _is_text(values[name]))
    return [_line(name, "is no text in UTF-8") for name in wrong]


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _line(variable: str | int, message: str) -> str:
    text = message.removeprefix("Value error, ").replace("Input should", "should")
    return f"{variable}: {text}."


def _shown(value: object, missing: str) -> str:
    if isinstance(value, SecretStr):
        return "set"
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    return missing if value is None else str(value)
