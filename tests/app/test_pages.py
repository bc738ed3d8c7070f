"""Every page in every state, without a browser."""

import json
import math
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection
from streamlit.proto.Metric_pb2 import Metric as MetricProto
from streamlit.testing.v1 import AppTest

from core import grids, questions, visit
from core.control import Control
from core.errors import DatabaseUnavailableError
from core.importer import Order
from core.links import ALL_AUTOMATIONS, ALL_CLINICS
from core.people import ANONYMOUS, Person, Role
from core.runs import Mode, Trigger
from core.service import set_current
from tests.support.services import ended
from tests.support.site import NOW, RECORDS, Site, said
from tests.support.standin import unauthorized
from tests.support.waiting import until

PAGES = ("overview", "imports", "rates", "clinics", "validation", "quality", "system")
TITLES = {page: page.capitalize() for page in PAGES} | {"quality": "Data quality"}
WITH_BUTTONS = frozenset({"overview", "imports"})
VIEWER = Person("vera", Role.VIEWER)


def labels(app: AppTest) -> list[str]:
    """What there is to press on the page itself."""
    return [button.label for button in app.main.button]


def person_told(app: AppTest) -> str:
    """What the sidebar says below its filters of who is signed in."""
    parts = [str(element.value) for element in app.sidebar.caption]
    parts += [element.proto.body for element in app.sidebar.get("html")]
    return "\n".join(part for part in parts if "sign" in part.lower())


def press(app: AppTest, label: str) -> AppTest:
    """Press a button."""
    next(button for button in app.button if button.label == label).click()
    return app.run()


@pytest.mark.parametrize("page", PAGES)
def test_a_first_visit_by_link_shows_the_frame(site: Site, page: str) -> None:
    """Title, status line, filters: a page never stands alone."""
    app = site.visit(page)
    assert [title.value for title in app.title] == [TITLES[page]]
    assert "Data as of today 06:55 EST, 1 hour ago" in said(app)
    assert [box.label for box in app.sidebar.selectbox] == ["Period", "Clinic", "Automation"]


@pytest.mark.parametrize("page", sorted({*PAGES} - {"system"}))
def test_an_empty_database_says_so(make_site: Callable[..., Site], page: str) -> None:
    """Before the first import there is a sentence and a button, not a traceback or a zero."""
    app = make_site().visit(page)
    assert "Nothing is imported yet" in said(app)
    assert page not in WITH_BUTTONS or "Import everything" in labels(app)


@pytest.mark.parametrize("page", PAGES)
def test_a_database_that_is_down_is_all_that_a_page_shows(
    site: Site, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly that, what to do, and on System the logs; when it is back, so is the page, with its filters."""
    visits = site.visit(page, clinic="Clinic 3")
    with monkeypatch.context() as patched:

        def refuse(_: object) -> None:
            raise DatabaseUnavailableError("The database cannot be reached. Start PostgreSQL.")

        patched.setattr(site.service, "ask", refuse)
        down = site.look(visits.run())
        assert [title.value for title in down.title] == ["The database cannot be reached"]
        assert "Start PostgreSQL" in said(down)
        assert labels(down) == []
    back = site.look(visits.run())
    assert [title.value for title in back.title] == ["Clinic 3" if page == "clinics" else TITLES[page]]
    assert back.sidebar.selectbox[1].value == "Clinic 3"


def test_a_first_visit_may_find_the_database_down(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """No filters are known yet, and none are shown."""

    def refuse(_: object) -> None:
        raise DatabaseUnavailableError("The database cannot be reached. Start PostgreSQL.")

    monkeypatch.setattr(site.service, "ask", refuse)
    down = site.visit("rates")
    assert [title.value for title in down.title] == ["The database cannot be reached"]
    assert list(down.sidebar.selectbox) == []


@pytest.mark.parametrize("page", PAGES)
def test_a_running_import_is_shown_everywhere(site: Site, page: str) -> None:
    """Its number, what it does, and cancel instead of a second start."""
    run = site.service.begin_import(Order(Mode.FULL, Trigger.MANUAL, "ada"), Control())
    app = site.visit(page)
    (bar,) = app.main.get("progress")
    assert f"Import {run.import_id}" in f"{bar.proto.text} {said(app)}"
    assert "Import everything" not in labels(app)
    if page in WITH_BUTTONS:
        press(app, "Cancel import")
        assert site.ask("SELECT cancel_requested_by FROM import_logs WHERE status = 'running'") == [
            ("local",)
        ]
    run.run()
    assert "Import everything" in labels(site.look(app.run())) or page not in WITH_BUTTONS


@pytest.mark.parametrize("page", PAGES)
def test_a_failed_import_is_told_in_words(site: Site, page: str) -> None:
    """Red is never all there is."""
    site.standin.fail(unauthorized(), on=lambda _: True, times=None)
    assert site.import_all()[1] == "failed"
    text = said(site.visit(page))
    assert ":red-badge[:material/error: Changes may be missing" in text
    assert "Last import failed" in text


def test_totals_on_their_way_are_no_fault(make_site: Callable[..., Site]) -> None:
    """Half of a first import is not half of the records missing."""
    site = make_site()
    run = site.service.begin_import(Order(Mode.FULL, Trigger.MANUAL, "ada"), Control())
    site.standin.after_page(2, lambda _: seen.append((said(site.visit()), said(site.visit("validation")))))
    seen: list[tuple[str, str]] = []
    run.run()
    ((overview, validation),) = seen
    assert "They are compared once the first import has succeeded." in overview
    # A link does not wrap: on a phone it holds some 45 characters.
    assert all(len(line) <= 45 for line in overview.splitlines() if "look odd" in line)
    assert "First import" in overview
    assert "totals are still on their way" in validation
    assert "ot as expected" not in overview + validation


@pytest.fixture
def broken_off(make_site: Callable[..., Site]) -> Site:
    """A site whose first import broke off after its first page."""
    site = make_site()
    refuse = partial(site.standin.fail, unauthorized(), on=lambda _: True, times=None)
    site.standin.after_page(1, lambda _: refuse())
    assert site.import_all() == (1, "failed")
    assert site.ask("SELECT count(*) FROM conversations")[0][0] not in {0, RECORDS}
    site.standin.heal()
    return site


@pytest.mark.parametrize("page", PAGES)
def test_a_first_import_that_broke_off_leaves_incomplete_data(broken_off: Site, page: str) -> None:
    """Not 'no data' beside conversations, no totals compared; and what completes them."""
    text = said(broken_off.visit(page))
    assert ":red-badge[:material/error: Data incomplete" in text
    assert "**The figures are incomplete.**" in text
    assert "To complete them, import everything." in text
    assert "No data yet" not in text
    assert "ot as expected" not in text


def test_a_first_import_that_runs_again_is_not_told_as_failed(broken_off: Site) -> None:
    """How an earlier try ended would contradict what the status line says."""
    run = broken_off.service.begin_import(Order(Mode.FULL, Trigger.MANUAL, "ada"), Control())
    text = said(broken_off.visit())
    assert "First import" in text
    assert "failed" not in text.partition("Last imports")[0]
    assert "incomplete" not in text
    run.run()
    assert "Up to date" in said(broken_off.visit())


def test_a_first_import_that_runs_is_said_so(make_site: Callable[..., Site]) -> None:
    """Nothing is there yet, and it is on its way."""
    site = make_site()
    run = site.service.begin_import(Order(Mode.FULL, Trigger.MANUAL, "ada"), Control())
    assert "The first import is running." in said(site.visit("rates"))
    run.run()


def test_the_view_of_another_import_shows_the_running_one_too(site: Site) -> None:
    """Its bar is left out only where the page itself has one."""
    run = site.service.begin_import(Order(Mode.FULL, Trigger.MANUAL, "ada"), Control())
    for shown, told in (("1", f"Import {run.import_id}: "), (str(run.import_id), "")):
        (bar,) = site.visit("imports", run=shown).main.get("progress")
        assert bar.proto.text.startswith(told or "Starting")
    run.run()


def test_a_running_import_that_has_told_nothing_is_starting(site: Site) -> None:
    """Between its row and its first word."""
    run = site.service.begin_import(Order(Mode.FULL, Trigger.MANUAL, "ada"), Control())
    site.change("UPDATE import_logs SET progress = NULL WHERE id = %s", run.import_id)
    for page, told in (("rates", f"Import {run.import_id}: Starting"), ("imports", "Starting")):
        assert [bar.proto.text for bar in site.visit(page).main.get("progress")] == [told]
    run.run()


def test_a_first_import_of_which_nothing_could_be_taken_leads_to_why(make_site: Callable[..., Site]) -> None:
    """A table whose records all lack something is not an empty one."""
    site = make_site(records=0)
    site.standin.table.create({"User ID": "lost"}, at=NOW)
    assert site.import_all()[1] == "succeeded"
    app = site.visit()
    assert "1 record was read, and none could be taken." in said(app)
    assert "See why" in [link.proto.label for link in app.main.page_link]


def test_the_demo_says_that_it_is_one(make_site: Callable[..., Site]) -> None:
    """On every page, so that nobody takes its figures for their own."""
    names = ("AIRTABLE_API_KEY", "AIRTABLE_BASE_ID", "AIRTABLE_ENDPOINT_URL")
    app = make_site(**dict.fromkeys(names, "")).visit("imports")
    assert "Demo data" in said(app)


def test_a_first_import_that_failed_says_why(make_site: Callable[..., Site]) -> None:
    """Without data the overview shows the error and leads to the import."""
    site = make_site()
    site.standin.fail(unauthorized(), on=lambda _: True, times=None)
    site.import_all()
    text = said(site.visit()).replace("\\", "")
    assert "There are no data yet" in text
    assert "AIRTABLE_API_KEY" in text
    assert "See what happened" in text


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (0, ":green-badge[:material/check_circle: Up to date"),
        (11, ":orange-badge[:material/warning: One scheduled import missing"),
        (23, ":red-badge[:material/error: 2 scheduled imports missing"),
    ],
)
def test_old_data_are_told_by_colour_word_and_icon(site: Site, hours: int, words: str) -> None:
    """Amber after one missed slot, red after two."""
    moment = NOW - timedelta(hours=hours)
    site.change("UPDATE import_logs SET watermark = %s", moment - timedelta(minutes=5))
    assert words in said(site.visit())


# Overview


def test_the_cards_show_the_true_totals(site: Site) -> None:
    """The same as SQL that joins the tables."""
    app = site.visit(clinic="Clinic 3")
    truth = site.ask(
        """SELECT count(*), count(b.id), count(l.id), count(*) FILTER (WHERE v.engaged) FROM conversations v
           JOIN clients c ON c.id = v.client_id LEFT JOIN bookings b ON b.conversation_id = v.id
           LEFT JOIN leads l ON l.conversation_id = v.id WHERE c.name = 'Clinic 3'"""
    )
    assert tuple(int(metric.value) for metric in app.metric) == truth[0]
    assert "Showing Clinic 3." in said(app)


def test_rates_stand_beside_their_counts(site: Site) -> None:
    """`20.0 %` alone says nothing about how many."""
    text = said(site.visit())
    assert "**20.0 %** booking rate" in text
    assert "40 of 200 conversations" in text


@pytest.mark.parametrize(
    ("earlier", "count", "delta", "arrow"),
    [
        ([0], "150", "+200.0 %", MetricProto.UP),
        ([1, 2, 3], "50", "−66.7 %", MetricProto.DOWN),
        ([0, 2], "100", "0.0 %", MetricProto.NONE),
    ],
)
def test_a_bounded_period_is_compared_with_the_one_before(
    site: Site, earlier: list[int], count: str, delta: str, arrow: int
) -> None:
    """The change, which way it went, and the dates that it is from."""
    moved = "UPDATE conversations SET local_date = DATE '2025-12-05' WHERE mod(id, 4) = ANY(%s)"
    site.change(moved, earlier)
    app = site.visit(period="Custom", **{"from": "2025-12-06", "to": "2025-12-06"})
    assert "Changes are from 5 Dec 2025." in said(app)
    card = app.metric[0]
    assert (card.value, card.delta, card.proto.direction) == (count, delta, arrow)


def test_an_empty_period_leads_to_the_last_conversation(site: Site) -> None:
    """It says when that was, and the link goes there, whatever the filters show."""
    app = site.visit(period="Last 7 days")
    assert "The last one was on 6 Dec 2025." in said(app)
    (link,) = app.main.page_link
    assert "from=2025-12-01&to=2025-12-31" in link.proto.query_string
    assert "show-period=Custom" in link.proto.query_string


def test_filters_that_nothing_ever_fits_lead_to_everything(site: Site) -> None:
    """There is no last conversation to lead to."""
    site.change("INSERT INTO automations (name, name_key) VALUES ('Unused', 'unused')")
    app = site.visit(automation="Unused")
    assert "There are no conversations with these filters at any time." in said(app)
    (link,) = app.main.page_link
    assert "show-automation=All+automations" in link.proto.query_string


def test_a_link_sets_the_filters(site: Site) -> None:
    """What the drawn filters show gives way to what a link asks for; what does not exist is ignored."""
    wanted = {"show-period": "Custom", "show-from": "2025-12-01", "show-to": "x", "show-clinic": "Clinic 2"}
    app = site.visit("rates", **wanted, **{"show-automation": "Nothing of ours"})
    assert [box.value for box in app.sidebar.selectbox] == ["Custom", "Clinic 2", ALL_AUTOMATIONS]
    assert [str(box.value) for box in app.sidebar.date_input] == ["2025-12-01", "None"]


def test_a_filter_in_the_address_that_does_not_exist_is_dropped(site: Site) -> None:
    """A bad value falls back to the default."""
    app = site.visit(clinic="Nowhere", period="Next year")
    assert [box.value for box in app.sidebar.selectbox] == ["All time", ALL_CLINICS, ALL_AUTOMATIONS]


def test_few_clinics_are_ranked_once(site: Site) -> None:
    """No clinic is both among the highest and the lowest; each leads to its own rates."""
    links = [link for link in site.visit().page_link if " of 40 · Clinic" in link.proto.label]
    ranked = [link.proto.label.rpartition(" · ")[2] for link in links]
    assert sorted(ranked) == [f"Clinic {number}" for number in range(5)]
    assert links[0].proto.label == "**100.0 %** · 40 of 40 · Clinic 0"
    assert "show-clinic=Clinic+0" in links[0].proto.query_string


# Who may


def test_a_viewer_finds_nothing_to_press(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a viewer may not do is not there."""
    monkeypatch.setattr(visit, "person", lambda: VIEWER)
    for page in PAGES:
        assert labels(site.visit(page)) == []


def test_a_viewer_who_sends_a_press_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was an operator when the page was drawn: the right is asked again."""
    app = site.visit()
    monkeypatch.setattr(visit, "person", lambda: VIEWER)
    assert "Only operators may do this" in said(press(app, "Import changes"))
    assert site.ask("SELECT count(*) FROM import_logs") == [(1,)]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_outlives_its_sign_in_without_a_figure(
    site: Site, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A browser that was left open shows nothing once the sign-in has ended."""
    app = site.visit(page)
    monkeypatch.setattr(visit, "person", lambda: ANONYMOUS)
    assert said(site.look(app.run())) == "Your sign-in has ended\nReload the page to sign in again."


@pytest.mark.parametrize("page", ["overview", "imports"])
def test_a_viewer_is_not_told_to_do_what_operators_may(
    broken_off: Site, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """What is to be done is said with who does it."""
    monkeypatch.setattr(visit, "person", lambda: VIEWER)
    text = said(broken_off.visit(page, run="1"))
    assert "ask an operator to import everything" in text
    assert "AIRTABLE_API_KEY" not in text.replace("\\", "") or "ask an operator to see to it" in text


@pytest.mark.parametrize("page", PAGES)
def test_who_is_signed_in_reads_as_whom_and_how_to_leave(
    site: Site, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """In one place on all pages; a proxy's sign-in is not ours to end."""
    assert person_told(site.visit(page)) == ""
    monkeypatch.setattr(visit, "person", lambda: VIEWER)
    assert person_told(site.visit(page)) == (
        "Signed in as **vera** (viewer, may look only).\nTo sign out, do so where you signed in."
    )
    monkeypatch.setattr(visit, "may_sign_out", lambda: True)
    assert "Signed in as **vera** (viewer, may look only).\n<a href=" in person_told(site.visit(page))


# Imports


def test_a_pressed_button_imports(site: Site) -> None:
    """By whom, and how, stands in the run's row."""
    app = press(site.visit("imports"), "Import changes")
    ended(site.service, 2)
    assert [toast.value for toast in app.toast] == ["Import 2 has started."]
    rows = site.ask("SELECT mode, trigger, triggered_by, status FROM import_logs WHERE id = 2")
    assert rows == [("incremental", "manual", "local", "succeeded")]


def test_a_second_import_is_refused_in_words(site: Site) -> None:
    """Two people press at once: the second reads which one runs."""
    app = site.visit("imports")
    run = site.service.begin_import(Order(Mode.FULL, Trigger.MANUAL, "ada"), Control())
    assert str(run.import_id) in press(app, "Import everything").error[0].value
    run.run()


def test_the_schedule_is_paused_and_resumed(site: Site) -> None:
    """Who did it is told to everybody."""
    app = press(site.visit("imports"), "Pause")
    assert "The schedule is paused" in said(app)
    assert "By local, " in said(app)
    assert "Schedule paused" in said(site.visit())
    assert "The schedule is paused" not in said(press(app, "Resume"))


def test_a_missed_slot_stands_in_the_timeline(site: Site) -> None:
    """What did not run is as visible as what did."""
    site.change(
        "INSERT INTO scheduler_slots (slot_at, job, state, recorded_at) VALUES (%s, 'import', 'missed', %s)",
        NOW - timedelta(hours=2),
        NOW,
    )
    app = site.visit("imports")
    spec = json.loads(app.main.get("plotly_chart")[0].proto.spec)
    assert [trace["name"] for trace in spec["data"]] == ["Succeeded", "Missed"]
    assert "Scheduled imports that did not run (1)" in [box.label for box in app.expander]


def test_what_the_status_line_misses_stands_in_the_timeline(site: Site) -> None:
    """Also where no server ran to record it; what an import took is no missed slot, whatever it became."""
    site.change("UPDATE import_logs SET watermark = %s", NOW - timedelta(hours=23, minutes=5))
    app = site.visit("imports")
    assert "2 scheduled imports missing" in said(app)
    assert "Scheduled imports that did not run (2)" in [box.label for box in app.expander]
    site.change(
        "INSERT INTO scheduler_slots (slot_at, job, state, import_id, recorded_at)"
        " VALUES (%s, 'import', 'taken', 1, %s)",
        NOW - timedelta(hours=2),
        NOW,
    )
    assert "Scheduled imports that did not run (1)" in [box.label for box in site.visit("imports").expander]


def test_imports_are_filtered_by_link(site: Site) -> None:
    """A link shows the same rows."""
    site.import_all(Mode.INCREMENTAL)
    tables = [table.value for table in site.visit("imports", mode="Changes").dataframe]
    assert list(tables[-1]["Import"]) == [2]


def test_an_import_has_a_view_of_its_own(site: Site) -> None:
    """Counters, what it changed in the totals, who started it, its log lines."""
    app = site.visit("imports", run="1")
    text = said(app)
    assert [title.value for title in app.title] == ["Import 1"]
    assert "Started by: test (command line)" in text.replace("\\", "")
    records, totals = (table.value for table in app.table)
    assert dict(zip(records.iloc[:, 0], records.iloc[:, 1], strict=True))["New"] == "200"
    assert list(totals["Change"]) == ["+200", "+40", "+100", "+67"]


@pytest.mark.parametrize("run", ["99", "999999999999999999999"])
def test_an_import_that_does_not_exist_is_said_so(site: Site, run: str) -> None:
    """A stale link is no traceback."""
    told = said(site.visit("imports", run=run))
    assert f"Import {run}\n" in told
    assert "There is no such import." in told


def test_a_failed_imports_view_says_why(site: Site) -> None:
    """The error in words for people."""
    site.standin.fail(unauthorized(), on=lambda _: True, times=None)
    import_id, _ = site.import_all()
    assert "AIRTABLE_API_KEY" in site.visit("imports", run=str(import_id)).error[0].value.replace("\\", "")


def test_a_failed_import_leads_to_why_and_is_run_again(site: Site) -> None:
    """The overview says what is wrong, one press leads to the import, one more runs it again and shows it."""
    site.standin.fail(unauthorized(), on=lambda _: True, times=None)
    assert site.import_all(Mode.INCREMENTAL) == (2, "failed")
    overview = site.visit()
    assert "**Import 2 failed**, today 08:00 EST. Airtable refuses the token" in said(overview)
    links = [link.proto for link in overview.main.page_link if "run=2" in link.proto.query_string]
    assert [link.label for link in links[:2]] == ["See why", "See what happened, run it again"]
    site.standin.heal()
    again = site.look(press(site.visit("imports", run="2"), "Run it again"))
    assert again.query_params["run"] == "3"
    assert ended(site.service, 3) == "succeeded"
    assert site.ask("SELECT mode, triggered_by FROM import_logs WHERE id = 3") == [("incremental", "local")]
    old = site.visit("imports", run="2")
    assert "Import 3 has succeeded since" in said(old)
    assert labels(old) == []
    assert "Import 2 failed" not in said(site.visit())


def test_trying_rejected_records_again_may_be_run_again(site: Site) -> None:
    """It reads those alone, as the first time."""
    site.standin.table.create({"User ID": "lost"}, at=NOW)
    site.import_all()
    site.standin.fail(unauthorized(), on=lambda _: True, times=None)
    press(site.visit("quality"), "Try again")
    assert ended(site.service, 3) == "failed"
    press(site.visit("imports", run="3"), "Run it again")
    ended(site.service, 4)
    assert site.ask("SELECT only_rejected FROM import_logs WHERE id = 4") == [(True,)]


def test_a_running_imports_view_shows_it_and_cancels_it(site: Site) -> None:
    """No counters that stand still, no `took –`."""
    run = site.service.begin_import(Order(Mode.FULL, Trigger.MANUAL, "ada"), Control())
    app = site.visit("imports", run=str(run.import_id))
    assert labels(app) == ["Cancel import"]
    assert list(app.table) == []
    assert "took" not in said(app)
    run.run()


def test_more_records_are_a_press_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is cut says so, and shows the rest."""
    monkeypatch.setattr(grids, "ROWS_SHOWN", 10)
    app = site.visit("clinics", clinic="Clinic 0")
    assert "The newest 10 are shown; the CSV file holds up to 50,000." in said(app)
    assert len(app.dataframe[-1].value) == 10
    app = site.look(press(app, "Show up to 100"))
    assert len(app.dataframe[-1].value) == 40
    assert "The newest" not in said(app)


def test_a_table_that_a_browser_could_not_hold_is_cut(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says how to come by the rest, where there is no more to press."""
    monkeypatch.setattr(grids, "ROWS_SHOWN", 10)
    monkeypatch.setattr(grids, "MOST_ROWS", 10)
    app = site.visit("clinics", clinic="Clinic 0")
    assert "The newest 10 are shown and saved. Filters narrow them down." in said(app)
    assert [label for label in labels(app) if label.startswith("Show up to")] == []


def test_a_refused_mass_deletion_shows_what_would_go_and_may_be_allowed(site: Site) -> None:
    """The records, and a button that imports everything once more and lets them go."""
    for record in site.standin.table.records()[:150]:
        site.standin.table.delete(record.id)
    import_id, status = site.import_all()
    app = site.visit("imports", run=str(import_id))
    assert status == "partial"
    assert "Airtable no longer shows 150 records" in said(app)
    assert len(app.dataframe[0].value) == 150
    press(app, "Import everything and allow the deletion")
    ended(site.service, import_id + 1)
    assert site.ask("SELECT count(*) FROM conversations WHERE deleted_at IS NULL") == [(50,)]
    assert "Import everything and allow the deletion" not in labels(site.visit("imports", run=str(import_id)))


# Rates


@pytest.mark.parametrize("by", ["Automatic", "Day", "Week", "Month"])
def test_rates_are_drawn_by_each_unit(site: Site, by: str) -> None:
    """The choice lies in the address too."""
    app = site.visit("rates", by=by)
    unit = "day" if by == "Automatic" else by.lower()
    assert f"Rates by {unit}, in percent of conversations" in [header.value for header in app.header]


def test_the_rates_of_a_clinic_are_its_own(site: Site) -> None:
    """The funnel counts what the filters leave."""
    app = site.visit("rates", clinic="Clinic 0")
    spec = json.loads(app.main.get("plotly_chart")[1].proto.spec)
    assert spec["data"][0]["text"] == ["40 · 100.0 %", "20 · 50.0 %", "14 · 35.0 %", "40 · 100.0 %"]


# Validation


def test_totals_as_expected_are_said_so(site: Site) -> None:
    """One sentence, and two decimals in the table."""
    app = site.visit("validation")
    assert app.success[0].value == "All totals are as expected."
    assert list(app.table[0].value["Of conversations"]) == ["100.00 %", "20.00 %", "50.00 %", "33.50 %"]


def test_totals_that_differ_are_named(make_site: Callable[..., Site]) -> None:
    """By how many, and by how much of what was expected."""
    site = make_site(
        EXPECTED_CONVERSATIONS="250", EXPECTED_BOOKINGS="off", EXPECTED_LEADS="100", EXPECTED_ENGAGED="67"
    )
    site.import_all()
    app = site.visit("validation")
    assert app.warning[0].value == "Not as expected: conversations."
    row = app.table[0].value.iloc[0]
    assert (row["Difference"], row["Difference (%)"]) == ("−50", "−20.00 %")
    overview = said(site.visit())
    assert "Totals not as expected" in overview
    assert "Differences: Conversations −50" in overview


def test_without_expectations_it_says_how_to_set_one(make_site: Callable[..., Site]) -> None:
    """No verdict over nothing."""
    names = ("CONVERSATIONS", "BOOKINGS", "LEADS", "ENGAGED")
    site = make_site(**{f"EXPECTED_{name}": "off" for name in names})
    site.import_all()
    assert "No expected totals are set" in said(site.visit("validation"))


def test_what_is_odd_comes_with_its_records(site: Site) -> None:
    """The count, and once it is opened a table of as many rows."""

    def box(app: AppTest) -> Any:  # noqa: ANN401 (Streamlit's own)
        return next(box for box in app.expander if "Leads without engagement" in box.label)

    app = site.visit("validation")
    assert len(box(app).dataframe) == 0
    app.session_state["odd leads_without_engagement"] = True
    opened = box(site.look(app.run()))
    assert len(opened.dataframe[0].value) == int(opened.label.split("**")[1])


def test_what_is_odd_in_counts_alone_has_no_records(site: Site) -> None:
    """Where source and database disagree, nobody can say about which records."""
    site.change("UPDATE import_logs SET processed = processed + 2, created = created + 2")
    app = site.visit("validation")
    (box,) = [box for box in app.expander if "source and database disagree" in box.label]
    assert "**2**" in box.label
    assert list(box.dataframe) == []


# What is remembered


@pytest.fixture
def asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every question that reaches the site's database, those apart that follow an import by themselves."""
    reached: list[object] = []
    ask = site.service.ask

    def noted(question: Callable[[Connection], object]) -> object:
        if not threading.current_thread().name.startswith("import-"):
            reached.append(question)
        return ask(question)

    monkeypatch.setattr(site.service, "ask", noted)
    # However long a page takes here, it asks once how things stand.
    monkeypatch.setattr("core.recent.REMEMBER_SECONDS", math.inf)
    return reached


def counted(asked: list[object], work: Callable[[], object]) -> int:
    """How many questions the work asks."""
    before = len(asked)
    work()
    return len(asked) - before


def test_a_visit_after_an_import_shows_what_it_brought(site: Site) -> None:
    """Neither figures nor verdict are those that were remembered before."""

    def shown() -> tuple[str, bool]:
        return site.visit().metric[1].value, len(site.visit("validation").success) > 0

    assert shown() == ("40", True)
    table, at = site.standin.table, site.standin.advance(60)
    table.update(table.records()[1].id, {"Booking": "March 3, 2025"}, at=at)
    assert site.import_all()[1] == "succeeded"
    assert shown() == ("41", False)


def test_nobody_waits_who_looks_first_after_an_import(site: Site, asked: list[object]) -> None:
    """What a page asked before is asked anew in the background: the visit finds its figures as any other."""
    site.visit("rates")
    warm = counted(asked, lambda: site.visit("rates"))
    table, at = site.standin.table, site.standin.advance(60)
    table.update(table.records()[0].id, {"Booking": "March 3, 2025"}, at=at)
    assert site.import_all()[1] == "succeeded"
    site.service.follow(questions.renew)
    site.service.look_after()
    assert counted(asked, lambda: site.visit("rates")) == warm


def test_figures_are_asked_anew_once_for_each_version(site: Site) -> None:
    """And not while an import runs: its every batch changes them."""
    renewed: list[str] = []
    site.service.follow(renewed.append)
    for _ in range(2):
        site.service.look_after()
    assert len(renewed) == 1
    table, at = site.standin.table, site.standin.advance(60)
    table.update(table.records()[0].id, {"Booking": "March 3, 2025"}, at=at)

    def look_after(_: object) -> None:
        running = "SELECT 1 FROM import_logs WHERE status = 'running' AND changed_data"
        until(lambda: site.ask(running), "the batch that changes data")
        site.service.look_after()
        during.append(len(renewed))

    during: list[int] = []

    site.standin.after_page(4, look_after)  # before the second of this import is sent: the fixture's had two
    assert site.import_all()[1] == "succeeded"
    until(lambda: len(renewed) == 2, "the new version")
    site.service.look_after()
    assert during == [1]
    assert len(set(renewed)) == len(renewed) == 2


def test_the_health_counts_what_each_import_leaves(site: Site) -> None:
    """The count is remembered no longer than the data stay as they are."""
    assert site.service.health().data.conversations == RECORDS
    site.standin.table.delete(site.standin.table.records()[0].id)
    assert site.import_all()[1] == "succeeded"
    assert site.service.health().data.conversations == RECORDS - 1


def test_figures_that_cannot_be_asked_anew_are_left(site: Site) -> None:
    """An outage ends nothing but this try; the next one asks."""
    renewed: list[str] = []

    def refuse(_: str) -> None:
        site.service.follow(renewed.append)
        raise DatabaseUnavailableError("The database cannot be reached. Start PostgreSQL.")

    site.service.follow(refuse)
    for _ in range(2):
        site.service.look_after()
    assert len(renewed) == 1


# Privacy


@pytest.mark.parametrize("page", PAGES)
def test_no_contact_is_on_any_page(site: Site, page: str) -> None:
    """Names, addresses and numbers stay in the database."""
    app = site.visit(page)
    everything = said(app) + "".join(table.value.to_csv() for table in app.dataframe)
    assert "Person 1" not in everything
    assert "@example.com" not in everything
    assert "555-01" not in everything


def test_a_page_whose_server_has_gone_ends_quietly(site: Site) -> None:
    """A page that is being drawn while the server stops leaves no traceback on the terminal."""
    app = site.visit()
    set_current(None)
    site.look(app.run())
