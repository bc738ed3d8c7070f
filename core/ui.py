"""What the pages show and do: the only core module that imports Streamlit.

The frame prepares a `View` for each run of a script; pages ask figures through `ask` (remembered until an
import changes data) and act only through this module's few actions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st
from sqlalchemy import Connection

from core import charts, export, figures, periods, readable, reports, service, words
from core.errors import DatabaseError, ProductError
from core.figures import Filters, Standing
from core.freshness import Light, missed_slots, verdict
from core.importer import Order
from core.log import Log
from core.palette import RATES, RESULTS
from core.people import Person
from core.periods import Period, Unit
from core.probe import ConnectionReport
from core.queries import Totals
from core.rates import percent
from core.runs import Mode, Trigger
from core.settings import ROOT, Settings
from core.timetable import Timetable

TITLE = "JointChiro Data Dashboard"
FAVICON = ROOT / "assets" / "favicon.png"
PAGES = Path(__file__).resolve().parent.parent / "pages"

# How often live parts ask (seconds): while an import runs, otherwise, and while the database is down.
BUSY, IDLE, DOWN = 1.0, 10.0, 2.0
ROWS_SHOWN = 500
TABLE_WIDTH = 620  # pixels; less on a narrow screen
JOBS: Mapping[str, str] = {"import": "Changes", "reconcile": "Everything"}
SLOTS = frozenset({"missed", "paused"})
ALL_CLINICS, ALL_AUTOMATIONS = "All clinics", "All automations"
SHOW, HERE = "show-", "show-here"
UNFILTERED = frozenset({"imports", "validation", "quality", "system"})
OPENED, TESTED, RECORD = "_opened", "_tested", "record"
AGAIN = "Tries rejected records again."
# The filters' names in the address, with what stands for no filter.
DEFAULTS: Mapping[str, str | None] = {
    "period": next(iter(periods.PRESETS)),
    "from": None,
    "to": None,
    "clinic": ALL_CLINICS,
    "automation": ALL_AUTOMATIONS,
}

LIGHTS: Mapping[Light, tuple[str, str]] = {
    Light.GREEN: ("green", ":material/check_circle:"),
    Light.AMBER: ("orange", ":material/warning:"),
    Light.RED: ("red", ":material/error:"),
    Light.NONE: ("gray", ":material/hourglass_empty:"),
}
RESULT_BADGES: Mapping[str, tuple[str, str]] = {
    "succeeded": ("green", ":material/check_circle:"),
    "partial": ("orange", ":material/warning:"),
    "failed": ("red", ":material/error:"),
    "cancelled": ("gray", ":material/cancel:"),
    "interrupted": ("violet", ":material/power_off:"),
    "running": ("blue", ":material/sync:"),
}

log = Log("server")
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class View:
    """What the frame has found out for this run of the script."""

    settings: Settings
    now: datetime
    standing: Standing
    filters: Filters
    filter_names: tuple[str, ...]
    """The filters in words, for headings and file names; empty where nothing is filtered."""
    person: Person

    @property
    def zone(self) -> ZoneInfo:
        """The zone that every moment is told in."""
        return self.settings.timezone

    @property
    def today(self) -> date:
        """The day that it is there."""
        return self.now.astimezone(self.zone).date()

    @property
    def as_of_day(self) -> date:
        """The day that the data are as of; today where there are none."""
        return (self.standing.as_of or self.now).astimezone(self.zone).date()


# The frame


def pages() -> list[Any]:
    """The pages of the menu."""
    return [
        st.Page(PAGES / "overview.py", title="Overview", icon=":material/dashboard:", default=True),
        st.Page(PAGES / "imports.py", title="Imports", icon=":material/sync:"),
        st.Page(PAGES / "rates.py", title="Rates", icon=":material/trending_up:"),
        st.Page(PAGES / "clinics.py", title="Clinics", icon=":material/storefront:"),
        st.Page(PAGES / "validation.py", title="Validation", icon=":material/fact_check:"),
        st.Page(PAGES / "quality.py", title="Data quality", icon=":material/rule:"),
        st.Page(PAGES / "system.py", title="System", icon=":material/settings:"),
    ]


def frame(page: Any) -> None:  # noqa: ANN401 (Streamlit does not name the class that it returns)
    """Status line and filters around one page; a database that is down is what the page then shows."""
    st.session_state["_page"] = page.url_path or "overview"
    if st.query_params.get(RECORD) != st.session_state.get(OPENED):
        st.session_state.pop(OPENED, None)
    if not person().may_look:
        _show_signed_out()
        return
    try:
        standing = _fresh_standing()
        st.session_state["_choices"] = _choices(standing)
        looked = _look(standing)
        _note_filters(looked)
        live(_status_line)
        _show_told()
        page.run()
    except DatabaseError as error:
        _show_down(error)


def view() -> View:
    """What the frame has found out."""
    return cast("View", st.session_state["_view"])


def _fresh_standing() -> Standing:
    server = service.current()
    return server.ask(lambda connection: figures.standing(connection, server.settings, server.clock.now()))


def _look(standing: Standing) -> View:
    server = service.current()
    now = server.clock.now()
    filters, names = _filters(now.astimezone(server.settings.timezone).date())
    looked = View(server.settings, now, standing, filters, names, person())
    st.session_state["_view"] = looked
    return looked


def _show_down(error: DatabaseError) -> None:
    """Say that the database is down, and come back when it is up again."""
    if "_choices" in st.session_state:
        _filters(service.current().clock.now().date())  # a filter that is not drawn would leave the address
    st.title("The database cannot be reached")
    st.error(error.message, icon=":material/database_off:")
    folder = service.current().settings.log_dir
    st.write(
        "Figures and imports need the database. This page tries again every two seconds and comes back by "
        f"itself. `error.log` in `{folder.name}` has more."
    )

    def retry() -> None:
        try:
            _fresh_standing()
        except DatabaseError:
            return
        st.rerun()

    st.fragment(retry, run_every=DOWN)()


def _show_signed_out() -> None:
    """An open page outlives its sign-in: from then on it shows nothing."""
    st.title("Your sign-in has ended")
    st.info("Reload the page to sign in again.", icon=":material/lock:")


def live(show: Callable[[Standing], None]) -> None:
    """A part of the page that refreshes alone; when an import begins or ends, the whole page does."""
    before = view().standing

    def refresh() -> None:
        if not person().may_look:
            st.rerun()
        try:
            standing = _fresh_standing()
        except DatabaseError:
            st.rerun()
        if _mark(standing) != _mark(before):
            st.rerun()
        show(standing)

    st.fragment(refresh, run_every=BUSY if before.running else IDLE)()


def _mark(standing: Standing) -> tuple[object, ...]:
    """What makes the whole page another one when it changes."""
    running, ended = standing.running, standing.last_ended
    return (
        running["id"] if running else None,
        ended["id"] if ended else None,
        bool(standing.beat["paused"]),
    )


def person() -> Person:
    """Who looks at the page."""
    return service.current().people.person(st.context.headers, st.context.cookies)


# Filters


def _choices(standing: Standing) -> tuple[dict[str, int], dict[str, int]]:
    """Clinics and automations by name."""
    return (
        _remembered(standing.version, "clinics", (), figures.clinics),
        _remembered(standing.version, "automations", (), figures.automations),
    )


def _filters(today: date) -> tuple[Filters, tuple[str, ...]]:
    """The sidebar's filters, which live in the address; answers them, and in words."""
    clinics, automations = st.session_state["_choices"]
    _follow_link()
    with st.sidebar:
        preset = st.selectbox("Period", [*periods.PRESETS, periods.CUSTOM], key="period", bind="query-params")
        custom = _custom_period() if preset == periods.CUSTOM else Period()
        clinic = st.selectbox("Clinic", [ALL_CLINICS, *clinics], key="clinic", bind="query-params")
        automation = st.selectbox(
            "Automation", [ALL_AUTOMATIONS, *automations], key="automation", bind="query-params"
        )
    period = periods.chosen(preset, today, custom)
    names = (
        words.span(period) if period != periods.ALL_TIME else "",
        clinic if clinic in clinics else "",
        automation if automation in automations else "",
    )
    return (
        Filters(period, clinics.get(clinic), automations.get(automation)),
        tuple(name for name in names if name),
    )


def _custom_period() -> Period:
    return Period(
        st.date_input("From", value=None, key="from", bind="query-params", format="YYYY-MM-DD"),
        st.date_input("To", value=None, key="to", bind="query-params", format="YYYY-MM-DD"),
    )


def _note_filters(view: View) -> None:
    with st.sidebar:
        if st.session_state["_page"] in UNFILTERED:
            st.caption("This page counts all data. The filters apply to Overview, Rates and Clinics.")
        st.caption(f"Days and times in {view.zone}.")


def address(**others: str) -> dict[str, str]:
    """The query of a link that keeps the filters, with others beside them."""
    kept = {key: str(st.session_state[key]) for key in DEFAULTS if st.session_state.get(key) is not None}
    return {key: value for key, value in kept.items() if DEFAULTS[key] != value} | others


def link(page: str, label: str, icon: str | None = None, **others: str) -> None:
    """A link to a page that keeps the filters.

    A link within a page does not reach the browser's address: `HERE` makes the page put it there.
    """
    here = {HERE: "1"} if page == st.session_state["_page"] else {}
    st.page_link(PAGES / f"{page}.py", label=label, icon=icon, query_params=address(**others) | here)


def link_to(page: str, label: str, icon: str | None = None, **filters: str) -> None:
    """A link to a page that changes filters.

    What a drawn filter shows outweighs its name in the address, and one not drawn yet takes its value from
    there alone: so the link says both `clinic=…` and `show-clinic=…`.
    """
    merged = {**address(), **filters}
    named = {key: value for key, value in merged.items() if DEFAULTS[key] != value}
    wanted = {f"{SHOW}{key}": value for key, value in filters.items()}
    st.page_link(PAGES / f"{page}.py", label=label, icon=icon, query_params=named | wanted)


def go(page: str, filters: Mapping[str, str] | None = None, **others: str) -> None:
    """Go to a page at once, with these filters changed; a filter's own name may not be set by a program."""
    wanted = {f"{SHOW}{key}": value for key, value in (address() | dict(filters or {})).items()}
    st.switch_page(st.Page(PAGES / f"{page}.py"), query_params=wanted | others)


def _follow_link() -> None:
    """Set the filters that a link wants, before they are drawn; a value that does not exist is ignored."""
    if HERE in st.query_params:
        del st.query_params[HERE]
    clinics, automations = st.session_state["_choices"]
    known = {
        "period": {*periods.PRESETS, periods.CUSTOM},
        "clinic": {ALL_CLINICS, *clinics},
        "automation": {ALL_AUTOMATIONS, *automations},
    }
    for key in DEFAULTS:
        wanted = st.query_params.get(f"{SHOW}{key}")
        if wanted is None:
            continue
        del st.query_params[f"{SHOW}{key}"]
        if key not in known:
            st.session_state[key] = periods.day_or_none(wanted)
        elif wanted in known[key]:
            st.session_state[key] = wanted


# The status line


def _status_line(standing: Standing) -> None:
    """Is it fresh, how did the last import end, when is the next, what runs (ui: every page)."""
    now = service.current().clock.now()
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key="status"):
        _freshness_badge(standing, now)
        if standing.last_ended is not None:
            color, icon = RESULT_BADGES[standing.last_ended["status"]]
            label = RESULTS[standing.last_ended["status"]].label.lower()
            st.badge(f"Last import {label}", icon=icon, color=cast("Any", color))
        _schedule_badge(standing, now)
        if view().settings.demo:
            st.badge("Demo data", icon=":material/science:", color="violet", help=DEMO_HELP)
    if standing.running is not None:
        _progress_bar(standing)


DEMO_HELP = "Made-up records. Set AIRTABLE_API_KEY and AIRTABLE_BASE_ID to see your own."


def _freshness_badge(standing: Standing, now: datetime) -> None:
    settings = view().settings
    as_of = standing.as_of
    missed = missed_slots(as_of, now, _timetable(settings)) if as_of else 0
    ended = standing.last_ended["status"] if standing.last_ended else None
    said = verdict(as_of, ended, missed)
    color, icon = LIGHTS[said.light]
    st.badge(said.words, icon=icon, color=cast("Any", color))
    if as_of is not None:
        told = words.moment(as_of, settings.timezone)
        st.badge(
            f"Data as of {told}, {words.age((now - as_of).total_seconds())}",
            icon=":material/database:",
            color=cast("Any", color),
            help="Everything that Airtable showed at this moment is in the figures.",
        )


def _timetable(settings: Settings) -> Timetable:
    return Timetable(settings.timezone, settings.schedule_hours, settings.reconcile_day)


def _schedule_badge(standing: Standing, now: datetime) -> None:
    if standing.beat["paused"]:
        st.badge("Schedule paused", icon=":material/pause_circle:", color="orange")
    elif standing.report.scheduler.next_run is not None:
        told = words.soon(standing.report.scheduler.next_run, now, view().zone)
        st.badge(f"Next import {told}", icon=":material/schedule:", color="gray")
    else:
        st.badge("No import is scheduled", icon=":material/schedule:", color="gray")


def _progress_bar(standing: Standing) -> None:
    assert standing.running is not None  # noqa: S101 (asked by the callers)
    st.progress(progress_share(standing), text=f"Import {standing.running['id']}: {progress_words(standing)}")


def progress_share(standing: Standing) -> float:
    """How much of a running import is done, 0 where nobody can know."""
    progress = standing.report.progress
    return progress.fraction or 0.0 if progress else 0.0


def progress_words(standing: Standing) -> str:
    """What a running import does, and how far it is."""
    progress = standing.report.progress
    if progress is None:
        return "Starting."
    parts = [
        progress.message,
        f"{words.number(progress.records)} records",
        f"{words.number(round(progress.records_per_second))} a second" if progress.records else "",
        f"about {words.duration(round(progress.seconds_left))} left" if progress.seconds_left else "",
        f"waiting until {words.soon(progress.waiting_until, service.current().clock.now(), view().zone)}"
        if progress.waiting_until
        else "",
    ]
    return words.listed(parts)


# Figures


def ask(question: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
    """One question to the database, remembered until an import changes data.

    Raises:
        DatabaseError: PostgreSQL cannot be reached; the frame shows it.
    """
    given = (*arguments, *named.items())
    return _remembered(
        view().standing.version,
        question.__name__,
        given,
        lambda connection: question(connection, *arguments, **named),
    )


def ask_now(question: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
    """One question about imports, which change without changing data: never remembered."""
    return service.current().ask(lambda connection: question(connection, *arguments, **named))


def _remembered(version: str, name: str, given: tuple[object, ...], question: Callable[[Connection], T]) -> T:
    return cast("T", _cached(version, name, given, question))


@st.cache_data(show_spinner=False, max_entries=500)
def _cached(
    version: str,  # noqa: ARG001 (a part of the key)
    name: str,  # noqa: ARG001 (a part of the key)
    given: tuple[object, ...],  # noqa: ARG001 (a part of the key)
    _question: Callable[[Connection], Any],
) -> Any:  # noqa: ANN401 (each question has its own answer)
    return service.current().ask(_question)


# Parts of pages


def heading(title: str, about: str, compared: str = "") -> None:
    """The page's title, the question that it answers, and what it shows."""
    looked = view()
    told = f"Showing {words.listed(looked.filter_names)}." if looked.filter_names else ""
    with st.container(gap=None):
        st.title(title, anchor=False)
        st.caption(" ".join(part for part in (about, told, compared) if part))


def chart(title: str, figure: Any, frame: pd.DataFrame, about: str = "", **options: Any) -> Any:  # noqa: ANN401 (untyped)
    """A chart under its title, with a table of the same numbers one click away."""
    with st.container(gap=None):
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", wrap=False
        ):
            st.header(title, anchor=False)
            popover = st.popover(
                "Table", icon=":material/table_chart:", type="tertiary", key=f"table {title}"
            )
        with popover, st.container(width=TABLE_WIDTH):
            grid(title, frame)
            save(title, frame)
        if about:
            st.caption(about)
        return st.plotly_chart(figure, config={**charts.CONFIG}, alt=title, width="stretch", **options)


def grid(
    title: str,
    frame: pd.DataFrame,
    columns: Mapping[str, Any] | None = None,
    **options: Any,  # noqa: ANN401 (Streamlit's own)
) -> Any:  # noqa: ANN401 (Streamlit's own)
    """A table that scrolls by itself: counts with thousands separated, rates with two decimals.

    `columns` are drawn otherwise: as links or lines.
    """
    formats: dict[str, Any] = {
        name: st.column_config.NumberColumn(
            format="localized" if pd.api.types.is_integer_dtype(frame[name]) else "%.2f"
        )
        for name in frame.columns
        if pd.api.types.is_numeric_dtype(frame[name]) and name != "Import"
    }
    formats |= columns or {}
    return st.dataframe(frame, hide_index=True, alt=title, column_config=formats, **options)


def save(title: str, frame: pd.DataFrame) -> None:
    """A button that saves a table as CSV, with filters and the data's moment in the file's name."""
    looked = view()
    as_of = looked.standing.as_of
    name = export.file_name(title, looked.filter_names, as_of.astimezone(looked.zone) if as_of else None)
    st.download_button(
        "Save as CSV",
        lambda: export.csv(frame),
        file_name=name,
        mime="text/csv",
        key=f"save {title}",
        icon=":material/download:",
        on_click="ignore",
    )


def records(title: str, frame: pd.DataFrame) -> None:
    """Records of whatever kind as a table with its CSV; says where there are more than it shows."""
    if frame.empty:
        st.caption("There are none.")
        return
    shown = readable.records(frame, told_moment)
    pick(title, shown, list(frame["external_id"]))


def pick(
    title: str, shown: pd.DataFrame, ids: Sequence[str], columns: Mapping[str, Any] | None = None
) -> None:
    """A table of records with its CSV; a pressed row opens the record with that Airtable id."""
    st.caption("Press a row's box to open the record.")
    options = {"on_select": "rerun", "selection_mode": "single-row", "key": f"pick {title}"}
    picked = grid(title, shown, columns, **options)
    if len(ids) >= ROWS_SHOWN:
        st.caption(f"The newest {words.number(ROWS_SHOWN)} are shown.")
    save(title, shown)
    for index in picked.selection.rows:
        go("quality", **{RECORD: ids[index]})


def behind(title: str, filters: Filters, only: str) -> None:
    """The newest conversations behind a figure; contact data stay hidden."""
    with st.container(border=True):
        st.header(title, anchor=False)
        records(title, ask(figures.conversations, filters, only, ROWS_SHOWN))


def unfinished(frame: pd.DataFrame, unit: Unit) -> set[date]:
    """The starts of those buckets that are not over yet, or that the period cuts."""
    looked = view()
    return {
        start
        for start in frame["start"]
        if periods.unfinished(start, unit, looked.as_of_day)
        or periods.cut(start, unit, looked.filters.period)
    }


def empty(view: View) -> bool:
    """Whether there is nothing to show here; if so, says why and what to do."""
    if ask(figures.totals, view.filters).conversations:
        return False
    if not unfilled(view):
        _show_empty_period(view)
    return True


def unfilled(view: View) -> bool:
    """Whether no import has brought any data yet; if so, says why and what to do."""
    if ask(figures.totals, Filters()).conversations:
        return False
    ended = view.standing.last_ended
    if view.standing.running is not None:
        st.info("The first import is running. Figures appear as it goes on.", icon=":material/sync:")
    elif ended is not None and ended["errors"]:
        st.error(f"There are no data yet. {ended['errors'][-1]['message']}", icon=":material/error:")
        link("imports", "See what happened", ":material/arrow_forward:", run=str(ended["id"]))
    elif ended is not None and ended["rejected"]:
        _show_all_rejected(ended["rejected"])
    elif ended is not None:
        st.info("The table in Airtable holds no conversations.", icon=":material/info:")
    else:
        st.info("Nothing is imported yet. *Import everything* begins.", icon=":material/info:")
    return True


def _show_all_rejected(count: int) -> None:
    read = "1 record was" if count == 1 else f"{words.number(count)} records were"
    st.warning(f"{read} read, and none could be taken.", icon=":material/block:")
    link("quality", "See why", ":material/arrow_forward:")


def _show_empty_period(view: View) -> None:
    last = ask(figures.extent, view.filters.within(periods.ALL_TIME)).last
    if last is None:
        st.info("There are no conversations with these filters at any time.", icon=":material/info:")
        link_to("overview", "Show all conversations", clinic=ALL_CLINICS, automation=ALL_AUTOMATIONS)
        return
    month = periods.whole_month(last)
    st.info(
        f"There are no conversations in this period ({words.span(view.filters.period)}). "
        f"The last one was on {words.day(last)}.",
        icon=":material/event_busy:",
    )
    ends = {"from": str(month.first), "to": str(month.last)}
    page = st.session_state["_page"]
    link_to(page, f"Show {words.span(month)}", ":material/arrow_forward:", period=periods.CUSTOM, **ends)


def result_badge(status: str) -> None:
    """An import's result as a badge."""
    color, icon = RESULT_BADGES[status]
    st.badge(RESULTS[status].label, icon=icon, color=cast("Any", color))


# Actions


def import_buttons() -> None:
    """*Import changes* and *Import everything*, or *Cancel import* while one runs; nothing for viewers."""
    if not view().person.may_press:
        return
    if view().standing.running is not None:
        _cancel_button()
        return
    st.button(
        "Import changes",
        icon=":material/sync:",
        type="primary",
        help="Reads what changed in Airtable since the last import.",
        on_click=start_import,
        args=(Mode.INCREMENTAL,),
    )
    st.button(
        "Import everything",
        icon=":material/cloud_download:",
        help="Reads all records, and removes what Airtable no longer has.",
        on_click=start_import,
        args=(Mode.FULL,),
    )


def _cancel_button() -> None:
    st.button(
        "Cancel import",
        icon=":material/cancel:",
        help="Stops at the next batch. What is already imported stays.",
        on_click=cancel_import,
    )


def start_import(mode: Mode, allow_mass_delete: bool = False) -> None:
    """Begin an import by the person who looks at the page."""
    _act(
        lambda who: service.current().start_import(
            Order(mode, Trigger.MANUAL, who, allow_mass_delete=allow_mass_delete)
        ),
        "Import {} has started.",
    )


def cancel_import() -> None:
    """Ask the running import to stop."""
    _act(lambda who: service.current().cancel_import(who), "Import {} was asked to stop.")


def try_again_button() -> None:
    """Reads the open rejected records once more; nothing for viewers, and while an import runs."""
    if view().person.may_press and view().standing.running is None:
        st.button(
            "Try again",
            icon=":material/replay:",
            help="Reads the open rejected records from Airtable once more, and nothing else.",
            on_click=try_again,
        )


def try_again() -> None:
    """Begin an import of the open rejected records alone."""
    order = partial(Order, Mode.INCREMENTAL, Trigger.MANUAL, notes=AGAIN, only_rejected=True)
    _act(lambda who: service.current().start_import(order(who)), "Import {} has started.")


def opened_contact(external_id: str) -> bool:
    """Whether an operator has opened this record's contact data; if not, the button that opens them."""
    if not view().person.may_press:
        return False
    if st.session_state.get(OPENED) == external_id:
        return True
    st.button(
        "Show contact data",
        icon=":material/visibility:",
        help="Who opened which record is logged.",
        on_click=open_contact,
        args=(external_id,),
    )
    return False


def open_contact(external_id: str) -> None:
    """Let an operator see one record's contact data, until the page shows something else; logs who."""

    def note(who: str) -> str:
        log.info("record_opened", record=external_id, by=who)
        st.session_state[OPENED] = external_id
        return external_id

    _act(note, "Opened. It is logged that you did.")


def connection_test() -> ConnectionReport | None:
    """The button that asks Airtable for one page, and what came of it; no button for viewers."""
    if view().person.may_press and st.button("Test the connection", icon=":material/lan:"):
        with st.spinner("Asking Airtable."):
            st.session_state[TESTED] = service.current().test_connection()
    return cast("ConnectionReport | None", st.session_state.get(TESTED))


def health() -> reports.HealthReport:
    """Whether every part works, as `/health` tells it."""
    return service.current().health()


def pause_schedule() -> None:
    """Let no scheduled import start, until somebody resumes the schedule."""
    _act(lambda who: service.current().pause_scheduler(who), "Scheduled imports are paused.")


def resume_schedule() -> None:
    """Let scheduled imports start again."""
    _act(lambda who: service.current().resume_scheduler(who), "Scheduled imports are resumed.")


def _act(action: Callable[[str], object], done: str) -> None:
    """Let an operator act, and tell at the top of the page what came of it."""
    who = person()
    if not who.may_press:
        _tell("Only operators may do this. Sign in as one.", good=False)
        return
    try:
        answer = action(who.name)
    except ProductError as error:
        _tell(error.message, good=False)
    else:
        _tell(done.format(answer), good=True)


def _tell(said: str, *, good: bool) -> None:
    st.session_state["_told"] = (said, good)


def _show_told() -> None:
    said, good = st.session_state.pop("_told", (None, True))
    if said is None:
        return
    if good:
        st.toast(said, icon=":material/check_circle:")
    else:
        st.error(said, icon=":material/error:")


def told_moment(moment: datetime | None) -> str:
    """A moment in the zone that is shown."""
    return words.moment(moment, view().zone)


def selected_points(state: Any) -> Sequence[Mapping[str, Any]]:  # noqa: ANN401 (Streamlit's chart state)
    """The points that a person picked in a chart."""
    return cast("Sequence[Mapping[str, Any]]", state["selection"]["points"]) if state else ()


def card(measure: str, total: Totals, earlier: Totals | None, course: pd.DataFrame, unit: Unit) -> None:
    """One of the four totals with its rate, its change against the period before, and its course."""
    name = readable.COUNT_NAMES[measure]
    count, then = getattr(total, measure), getattr(earlier, measure) if earlier else None
    changed = words.change(count, then) if then is not None else None
    with st.container(border=True, height="stretch", key=f"card-{measure}", gap="xsmall"):
        st.metric(
            name,
            words.number(count),
            delta=changed,
            delta_description=f"from {words.number(then)}" if changed else None,
            delta_color="off",
        )
        if len(course) > 1:
            spark = charts.spark(course, measure, unit)
            st.plotly_chart(spark, config={**charts.CONFIG}, key=f"spark-{measure}", alt=f"{name} by {unit}")
        if then == 0:
            st.caption("There were none in the period before.")
        if measure in RATES:
            _rate_caption(measure, total, earlier)
        else:
            _extent_caption()


def _extent_caption() -> None:
    looked = view()
    extent = ask(figures.extent, looked.filters)
    clinics = len(ask(figures.by_clinic, looked.filters))
    st.markdown(f"**{words.number(clinics)}** {'clinic' if clinics == 1 else 'clinics'}")
    st.caption(f"First to last: {words.span(extent)}")


def _rate_caption(measure: str, total: Totals, earlier: Totals | None) -> None:
    count, of = getattr(total, measure), total.conversations
    points = ""
    if earlier is not None and earlier.conversations and of:
        then = percent(getattr(earlier, measure), earlier.conversations, 1)
        points = f"{words.signed(percent(count, of, 1) - then, 1)} points"
    st.markdown(f"**{words.rate(count, of)}** {RATES[measure].lower()}")
    st.caption(words.listed((f"{words.share(count, of)} conversations", points)))


def import_link(run: Mapping[str, Any]) -> None:
    """One line of an import that leads to its own view."""
    took = readable.seconds(run)
    when = words.soon(run["started_at"], view().now, view().zone)
    told = words.listed(
        (
            f"**{run['id']}** {RESULTS[run['status']].label.lower()}",
            when,
            f"{words.number(run['processed'])} records",
            words.duration(took) if took is not None else "",
        )
    )
    link("imports", told, RESULT_BADGES[run["status"]][1], run=str(run["id"]))


def validation() -> reports.Validation:
    """The totals against their expectations, and what is odd; remembered like a figure."""
    settings = view().settings
    return _remembered(
        view().standing.version,
        "validation",
        (),
        lambda connection: reports.validation(connection, settings),
    )


def validation_line() -> None:
    """The validation in one line, with a link to its page."""
    report = validation()
    off = [metric for metric in report.metrics if not metric.ok]
    found = len(report.inconsistencies)
    if not report.metrics:
        told, icon = "No totals are expected", ":material/help:"
    elif off:
        names = ", ".join(
            f"{readable.COUNT_NAMES[metric.metric].lower()} {words.signed(metric.difference)}"
            for metric in off
        )
        told, icon = f"Totals not as expected: {names}", ":material/warning:"
    else:
        told, icon = "Totals as expected", ":material/verified:"
    odd = f"{found} {'things look' if found != 1 else 'thing looks'} odd" if found else "nothing odd"
    link("validation", words.listed((told, odd)), icon)


def ranking(clinics: pd.DataFrame) -> None:
    """Clinics by booking rate, each leading to its rates."""
    for row in readable.rows(clinics):
        told = f"**{words.rate(row.bookings, row.conversations)}**"
        counts = words.share(row.bookings, row.conversations)
        link_to("rates", f"{told} · {counts} · {plain(row.name)}", clinic=row.name)


def plain(text: str) -> str:
    """Text from the data, so that no character of it is taken for Markdown."""
    return "".join(f"\\{mark}" if mark in MARKDOWN else mark for mark in text)


MARKDOWN = frozenset("\\`*_{}[]<>()#+-.!|~$:&\"'")


def results() -> list[str]:
    """The results of imports that a person wants to see."""
    ended = {name: ink.label for name, ink in RESULTS.items() if name not in SLOTS}
    return several("Result", ended, "result")


def several(label: str, options: Mapping[str, str], key: str) -> list[str]:
    """A choice of several, kept in the address; nothing chosen means all."""
    picked = st.multiselect(
        label,
        list(options),
        placeholder="All",
        format_func=options.__getitem__,
        key=key,
        bind="query-params",
    )
    return picked or list(options)


def schedule_button(*, paused: bool) -> None:
    """The schedule's switch; nothing for viewers."""
    if not view().person.may_press:
        return
    if paused:
        st.button("Resume", icon=":material/play_arrow:", on_click=resume_schedule, key="resume")
    else:
        st.button("Pause", icon=":material/pause:", on_click=pause_schedule, key="pause")


def allow_deletion_button() -> None:
    """A full import that may delete whatever Airtable no longer has; nothing for viewers."""
    if view().person.may_press and view().standing.running is None:
        st.button(
            "Import everything and allow the deletion",
            icon=":material/delete_sweep:",
            on_click=start_import,
            args=(Mode.FULL, True),
        )
