"""What the pages show and do: the only core module that imports Streamlit.

The frame prepares a `View` for each run of a script; pages ask figures through `ask` (remembered until an
import changes data) and act only through this module's few actions.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st
from sqlalchemy import Connection

from core import export, figures, periods, reports, service, words
from core.charts import CONFIG
from core.errors import DatabaseError, ProductError
from core.figures import Filters, Standing
from core.freshness import Light, missed_slots, verdict
from core.importer import Order
from core.palette import RESULTS
from core.periods import Period
from core.queries import Totals
from core.rates import percent
from core.runs import Mode, Trigger
from core.settings import ROOT, Settings

TITLE = "JointChiro Data Dashboard"
FAVICON = ROOT / "assets" / "favicon.png"
PAGES = Path(__file__).resolve().parent.parent / "pages"

# How often live parts ask (seconds): while an import runs, otherwise, and while the database is down.
BUSY, IDLE, DOWN = 1.0, 10.0, 2.0
ROWS_SHOWN = 500
ALL_CLINICS, ALL_AUTOMATIONS = "All clinics", "All automations"

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
JOBS: Mapping[str, str] = {"import": "Import changes", "reconcile": "Import everything"}

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Person:
    """Who looks at the page, and whether they may act."""

    name: str
    operator: bool


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


def pages() -> dict[str, list[Any]]:
    """The pages of the menu, by section."""
    return {
        "Figures": [
            st.Page(PAGES / "overview.py", title="Overview", icon=":material/dashboard:", default=True),
            st.Page(PAGES / "rates.py", title="Rates", icon=":material/trending_up:"),
        ],
        "Data": [
            st.Page(PAGES / "imports.py", title="Imports", icon=":material/sync:"),
            st.Page(PAGES / "validation.py", title="Validation", icon=":material/fact_check:"),
        ],
    }


def frame(page: Any) -> None:  # noqa: ANN401 (Streamlit does not name the class that it returns)
    """Status line and filters around one page; a database that is down is what the page then shows."""
    st.session_state["_page"] = page.url_path or "overview"
    try:
        standing = _fresh_standing()
        st.session_state["_choices"] = _choices(standing)
        view = _look(standing)
        live(_status_line)
        _show_told()
        page.run()
    except DatabaseError as error:
        _show_down(error)
    else:
        _note_filters(view)


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


def live(show: Callable[[Standing], None]) -> None:
    """A part of the page that refreshes alone; when an import begins or ends, the whole page does."""
    before = view().standing

    def refresh() -> None:
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
    return Person("local", operator=True)


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
    first, last = st.columns(2)
    return Period(
        first.date_input("From", value=None, key="from", bind="query-params", format="YYYY-MM-DD"),
        last.date_input("To", value=None, key="to", bind="query-params", format="YYYY-MM-DD"),
    )


def _note_filters(view: View) -> None:
    with st.sidebar:
        if st.session_state["_page"] in {"imports", "validation"}:
            st.caption("This page counts all data. The filters apply to Overview and Rates.")
        st.caption(f"Days and times in {view.zone}.")


def address(**changes: str | None) -> dict[str, str]:
    """The query of a link that keeps the filters; `changes` replace some, null takes one away."""
    kept = {
        key: str(st.session_state[key])
        for key in ("period", "from", "to", "clinic", "automation")
        if st.session_state.get(key) is not None
    }
    defaults = {"period": next(iter(periods.PRESETS)), "clinic": ALL_CLINICS, "automation": ALL_AUTOMATIONS}
    merged = {**kept, **changes}
    return {key: value for key, value in merged.items() if value and defaults.get(key) != value}


def link(page: str, label: str, icon: str | None = None, **changes: str | None) -> None:
    """A link to a page that keeps the filters."""
    st.page_link(PAGES / f"{page}.py", label=label, icon=icon, query_params=address(**changes))


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
    missed = missed_slots(as_of, now, settings.schedule_hours, settings.timezone) if as_of else 0
    ended = standing.last_ended["status"] if standing.last_ended else None
    said = verdict(as_of, ended, missed)
    color, icon = LIGHTS[said.light]
    if as_of is None:
        st.badge(said.words, icon=icon, color=cast("Any", color))
        return
    told = f"Data as of {words.moment(as_of, settings.timezone)}, {words.age((now - as_of).total_seconds())}"
    st.badge(
        f"{said.words} · {told}",
        icon=icon,
        color=cast("Any", color),
        help="Everything that Airtable showed at this moment is in the figures.",
    )


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
    version: str,  # noqa: ARG001 (with `name` and `given` the key of what is remembered)
    name: str,  # noqa: ARG001
    given: tuple[object, ...],  # noqa: ARG001
    _question: Callable[[Connection], Any],
) -> Any:  # noqa: ANN401 (each question has its own answer)
    return service.current().ask(_question)


# Parts of pages


def heading(title: str, about: str) -> None:
    """The page's title, and the question that it answers."""
    st.title(title, anchor=False)
    told = view().filter_names
    st.caption(f"{about} Showing {words.listed(told)}." if told else about)


def chart(title: str, figure: Any, frame: pd.DataFrame, about: str = "", **options: Any) -> Any:  # noqa: ANN401 (untyped)
    """A chart under its title, with a table of the same numbers one click away."""
    _titled(title, frame)
    if about:
        st.caption(about)
    return st.plotly_chart(figure, config={**CONFIG}, alt=title, width="stretch", **options)


def _titled(title: str, frame: pd.DataFrame) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader(title, anchor=False, width="content")
        with st.popover("Table", icon=":material/table_chart:", type="tertiary", key=f"table {title}"):
            st.dataframe(frame, hide_index=True, alt=title)
            save(title, frame)


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


def table(title: str, frame: pd.DataFrame, limit: int = ROWS_SHOWN, **options: Any) -> Any:  # noqa: ANN401
    """A table under its title with its CSV; says where there are more rows than it shows."""
    if frame.empty:
        st.caption("Nothing here.")
        return None
    state = st.dataframe(frame, hide_index=True, alt=title, **options)
    if len(frame) >= limit:
        st.caption(f"The newest {words.number(limit)} are shown.")
    save(title, frame)
    return state


def empty(view: View) -> bool:
    """Whether there is nothing to show here; if so, says why and what to do."""
    if view.standing.last_success is None and not ask(figures.totals, Filters()).conversations:
        _show_unfilled(view)
        return True
    if ask(figures.totals, view.filters).conversations:
        return False
    _show_empty_period(view)
    return True


def _show_unfilled(view: View) -> None:
    if view.standing.running is not None:
        st.info("The first import is running. Figures appear as it goes on.", icon=":material/sync:")
    elif view.standing.last_ended is not None and view.standing.last_ended["errors"]:
        message = view.standing.last_ended["errors"][-1]["message"]
        st.error(f"No import has brought data yet. {message}", icon=":material/error:")
        link("imports", "See what happened", ":material/arrow_forward:")
    else:
        st.info("Nothing is imported yet. Press *Import everything* to begin.", icon=":material/info:")


def _show_empty_period(view: View) -> None:
    last = ask(figures.extent, view.filters.within(periods.ALL_TIME)).last
    if last is None:
        st.info("There are no conversations with these filters at any time.", icon=":material/info:")
        link("overview", "Show all conversations", period=None, clinic=None, automation=None, **NO_DATES)
        return
    month = periods.whole_month(last)
    st.info(
        f"There are no conversations in this period ({words.span(view.filters.period)}). "
        f"The last one was on {words.day(last)}.",
        icon=":material/event_busy:",
    )
    ends = {"from": str(month.first), "to": str(month.last)}
    link(
        st.session_state["_page"],
        f"Show {words.span(month)}",
        ":material/arrow_forward:",
        period=periods.CUSTOM,
        **ends,
    )


NO_DATES: Mapping[str, str | None] = {"from": None, "to": None}


def result_words(status: str) -> str:
    """An import's result with its icon, for tables and headings."""
    return f"{RESULT_BADGES[status][1]} {RESULTS[status].label}"


def result_badge(status: str) -> None:
    """An import's result as a badge."""
    color, icon = RESULT_BADGES[status]
    st.badge(RESULTS[status].label, icon=icon, color=cast("Any", color))


def local(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The frame with these columns' moments in words, in the zone that is shown."""
    zone = view().zone
    return frame.assign(
        **{
            name: [words.moment(None if pd.isna(value) else value, zone) for value in frame[name]]
            for name in columns
        }
    )


# Actions


def import_buttons(*, allow_mass_delete: bool = False) -> None:
    """*Import changes* and *Import everything*, or *Cancel import* while one runs; nothing for viewers."""
    if not view().person.operator:
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
        args=(Mode.FULL, allow_mass_delete),
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


def _act(action: Callable[[str], object], done: str) -> None:
    """Let an operator act, and tell at the top of the page what came of it."""
    who = person()
    if not who.operator:
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


def conversations_table(title: str, filters: Filters, only: str) -> None:
    """The newest conversations behind a figure; contact data stay hidden."""
    frame = ask(figures.conversations, filters, only, ROWS_SHOWN)
    shown = local(frame, "occurred_at", "booked_for").rename(
        columns={
            "external_id": "Airtable record",
            "occurred_at": "When",
            "clinic": "Clinic",
            "automation": "Automation",
            "engaged": "Engaged",
            "lead_created": "Lead",
            "booked": "Booking",
            "booked_for": "Booked for",
            "contact": "Contact on file (hidden)",
        }
    )
    yes_no = {name: shown[name].map({True: "Yes", False: "No"}) for name in ("Engaged", "Lead", "Booking")}
    table(title, shown.assign(**yes_no))


def counted(frame: pd.DataFrame, names: Mapping[str, str], rates: Iterable[str]) -> pd.DataFrame:
    """A frame of counts as people read it: columns by name, each rate in percent beside its count."""
    shown = frame.rename(columns={**names, **COUNT_NAMES})
    for measure in rates:
        label = RATE_NAMES[measure]
        shown[label] = [
            words.rate(int(count), int(of))
            for count, of in zip(frame[measure], frame["conversations"], strict=True)
        ]
    wanted = [*names.values(), *COUNT_NAMES.values(), *(RATE_NAMES[measure] for measure in rates)]
    return shown[wanted]


COUNT_NAMES: Mapping[str, str] = {
    "conversations": "Conversations",
    "engaged": "Engaged",
    "leads": "Leads",
    "bookings": "Bookings",
}
RATE_NAMES: Mapping[str, str] = {
    "bookings": "Booking rate",
    "leads": "Lead rate",
    "engaged": "Engagement rate",
}


def told_moment(moment: datetime) -> str:
    """A moment in the zone that is shown."""
    return words.moment(moment, view().zone)


def selected_points(state: Any) -> Sequence[Mapping[str, Any]]:  # noqa: ANN401 (Streamlit's chart state)
    """The points that a person picked in a chart."""
    return cast("Sequence[Mapping[str, Any]]", state["selection"]["points"]) if state else ()


def card(
    measure: str, total: Totals, earlier: Totals | None, compared: Period | None, course: pd.DataFrame
) -> None:
    """One of the four totals with its rate, its change against the period before, and its course."""
    count, then = getattr(total, measure), getattr(earlier, measure) if earlier else None
    changed = words.change(count, then) if then is not None else None
    against = f"{words.number(then)} in {words.span(compared)}" if compared else ""
    with st.container(border=True, height="stretch", key=f"card-{measure}"):
        st.metric(
            COUNT_NAMES[measure],
            words.number(count),
            delta=changed,
            delta_description=f"from {against}" if changed else None,
            chart_data=list(course[measure]) if len(course) > 1 else None,
            delta_color="off" if changed is None else "normal",
        )
        if against and changed is None:
            st.caption(f"Nothing to compare with: {against}.")
        if measure in RATE_NAMES:
            _rate_caption(measure, total, earlier)


def _rate_caption(measure: str, total: Totals, earlier: Totals | None) -> None:
    count, of = getattr(total, measure), total.conversations
    told = f"{RATE_NAMES[measure]} **{words.rate(count, of)}**, {words.share(count, of)}"
    if earlier is not None and earlier.conversations and of:
        then = percent(getattr(earlier, measure), earlier.conversations, 1)
        told += f" ({words.signed(percent(count, of, 1) - then, 1)} points)"
    st.caption(told)


def import_link(run: Mapping[str, Any]) -> None:
    """One line of an import that leads to its own view."""
    ended = run["completed_at"]
    told = words.listed(
        (
            f"{RESULTS[run['status']].label}",
            f"{run['mode']}, {words.number(run['processed'])} records",
            words.duration((ended - run["started_at"]).total_seconds()) if ended else "",
        )
    )
    when = told_moment(run["started_at"])
    link("imports", f"**{run['id']}** · {when} · {told}", RESULT_BADGES[run["status"]][1], run=str(run["id"]))


def validation_line() -> None:
    """The validation in one line, with a link to its page."""
    report = service.current().ask(lambda connection: reports.validation(connection, view().settings))
    off = [metric for metric in report.metrics if not metric.ok]
    found = len(report.inconsistencies)
    if not report.metrics:
        told, icon = "No expectation is set for the totals", ":material/help:"
    elif off:
        names = ", ".join(
            f"{COUNT_NAMES[metric.metric].lower()} {words.signed(metric.difference)}" for metric in off
        )
        told, icon = f"Totals differ from what is expected: {names}", ":material/warning:"
    else:
        told, icon = "All totals are as expected", ":material/verified:"
    kinds = f"{found} {'kinds' if found != 1 else 'kind'} of inconsistency to look at" if found else ""
    link("validation", words.listed((told, kinds or "no inconsistencies")), icon)


def ranking(clinics: pd.DataFrame) -> None:
    """Clinics by booking rate, each leading to its rates."""
    for row in clinics.itertuples(index=False):
        name = str(row.name)
        told = (
            f"{words.rate(row.bookings, row.conversations)}, {words.share(row.bookings, row.conversations)}"  # type: ignore[arg-type]  # a frame's columns
        )
        link("rates", f"{plain(name)} · {told}", clinic=name)


def plain(text: str) -> str:
    """Text from the data, so that no character of it is taken for Markdown."""
    return "".join(f"\\{mark}" if mark in MARKDOWN else mark for mark in text)


MARKDOWN = frozenset("\\`*_{}[]<>()#+-.!|~$:&\"'")
