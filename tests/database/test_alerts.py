"""Alerts: a receiver gets one message a cause and one when it is well again, whatever happens between."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

import psycopg
import pytest
from sqlalchemy import Connection

from core.alerts import WELL, Alerts, Cause, Due, LastRun, addresses, causes, due, last_run, unreadable
from core.control import Control
from core.database import IMPORT_LOCK, OWNER
from core.errors import SettingsError
from core.importer import Order
from core.queries import import_lock_held
from core.runs import Mode, Status, Trigger
from core.server import require_receivers
from core.service import Service
from core.settings import load
from core.validation import Metric
from tests.support import standin as faults
from tests.support.imports import CLOCK, Importing
from tests.support.schedule import HOUR
from tests.support.services import NO_FILE, service_on
from tests.support.standin import START, StandIn, conversations, is_page
from tests.support.waiting import until

# Python 3.11 and 3.12 still have the module that apprise looks for first.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

T = TypeVar("T")
GOOD = Metric("conversations", 20, 20, 0, 0.0, ok=True)
OFF = Metric("leads", 1000, 990, -10, -1.0, ok=False)
FULL = Order(Mode.FULL, Trigger.MANUAL, "api")
EXPECTING_NOTHING = {
    f"EXPECTED_{total}": "off" for total in ("CONVERSATIONS", "BOOKINGS", "LEADS", "ENGAGED")
}


class Receiver:
    """A service that takes messages over HTTP; apprise's `json://` posts to it."""

    def __init__(self) -> None:
        self.got: list[str] = []
        """The messages that it took."""
        self.refuses = False
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not receiver.refuses:
                    receiver.got.append(json.loads(body)["message"])
                self.send_response(500 if receiver.refuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep requests off the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://user:alertSECRET@127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Somebody who wants to be told."""
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def second_receiver() -> Iterator[Receiver]:
    """Somebody else."""
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """An Airtable with 60 conversations."""
    with StandIn(conversations(60)) as running:
        yield running


def writing(product: Importing) -> Callable[[Callable[[Connection], T]], T]:
    """What makes changes in a transaction of their own, as `Service.write` does."""

    def write(change: Callable[[Connection], T]) -> T:
        with product.plant.engine.begin() as connection:
            return change(connection)

    return write


def started(product: Importing, *receivers: Receiver) -> Alerts:
    """The alerts of a process that has just started."""
    return Alerts(writing(product), [one.url for one in receivers], CLOCK)


def known(product: Importing) -> dict[Cause, str | None]:
    """What the newest run says."""
    with product.plant.engine.connect() as connection:
        return causes(last_run(connection), [GOOD], missed_slots=0)


def test_one_message_a_failure_over_five_runs_and_a_restart(
    product: Importing, standin: StandIn, receiver: Receiver
) -> None:
    """Three failed runs with restarts between are one message, two good ones one, a new failure one more."""
    alerts = started(product, receiver)
    for fault in (faults.unauthorized(), faults.not_found(), faults.forbidden(), None, None):
        standin.heal()
        if fault is not None:
            standin.fail(fault, on=is_page)
        ended = product.full()
        assert ended.status is (Status.FAILED if fault else Status.SUCCEEDED)
        for _ in range(3):
            alerts.check(known(product))
        if ended.import_id % 2 == 0:
            alerts = started(product, receiver)  # the server was restarted
    assert receiver.got == [
        "Import 1 failed. Airtable refuses the token. Check it, or make a new one (AIRTABLE_API_KEY).",
        WELL[Cause.IMPORT],
    ]
    standin.fail(faults.billing_limit(), on=is_page)
    product.full()
    alerts.check(known(product))
    assert len(receiver.got) == 3
    assert "month" in receiver.got[2]


def test_a_refused_mass_deletion_is_told_until_it_is_allowed(
    product: Importing, standin: StandIn, receiver: Receiver
) -> None:
    """One message of its own, and well once a person has allowed it; no import of changes ends it."""
    alerts = started(product, receiver)
    product.full()
    for record in standin.table.records()[:30]:
        standin.table.delete(record.id)
    for run in (product.full, product.full, product.incremental):
        run()
        alerts.check(known(product))
    (refused,) = receiver.got
    assert refused.startswith("Import 2 deleted nothing. Airtable no longer shows 30 of 60 records")
    product.full(allow_mass_delete=True)
    alerts.check(known(product))
    assert receiver.got[1:] == [WELL[Cause.MASS_DELETION]]


def test_totals_are_told_when_no_import_runs(database_url: str, standin: StandIn, receiver: Receiver) -> None:
    """Not before one has succeeded, nor while one changes them with every batch."""
    expected = EXPECTING_NOTHING | {"EXPECTED_LEADS": "1"}
    with service_on(database_url, standin, START, ALERT_URLS=receiver.url, **expected) as service:
        service.check_alerts()
        service.begin_import(FULL, Control()).run()
        with psycopg.connect(database_url) as another:
            another.execute("SELECT pg_advisory_lock(%s, %s)", [OWNER, IMPORT_LOCK])
            service.check_alerts()
        assert receiver.got == []
        until(lambda: not service.ask(import_lock_held), "the end of the other import")
        service.look_after()
    assert receiver.got == ["Totals left their tolerance: leads 30 (expected 1)."]


PRESSED: Sequence[Callable[[Service], None]] = (
    lambda service: service.pause_scheduler("Ann"),
    lambda service: service.resume_scheduler("Ann"),
    Service.reset,
)


def test_missing_slots_are_told_until_an_import_brings_data(
    database_url: str, standin: StandIn, receiver: Receiver
) -> None:
    """At the second one, once; no word while the schedule rests, nor before any import."""

    @contextmanager
    def hours_later(hours: int) -> Iterator[Service]:
        now = START + hours * HOUR  # from seven in the morning in New York
        standin.set_clock(now)
        with service_on(database_url, standin, now, ALERT_URLS=receiver.url, **EXPECTING_NOTHING) as service:
            yield service
            service.check_alerts()

    with hours_later(0) as service:
        service.begin_import(FULL, Control()).run()
    with hours_later(12) as service:
        service.check_alerts()
        service.pause_scheduler("Ann")
    with hours_later(24) as service:
        service.check_alerts()
        assert receiver.got == []
        service.resume_scheduler("Ann")
    for pressed in (*PRESSED, None):
        with hours_later(24) as service:
            service.check_alerts()
            if pressed is not None:
                pressed(service)
    (told,) = receiver.got
    assert told.startswith("2 scheduled imports brought no data.")
    with hours_later(24) as service:
        service.begin_import(FULL, Control()).run()
    assert receiver.got[1:] == [WELL[Cause.SLOTS]]


def test_a_receiver_that_is_away_is_told_later(
    product: Importing, receiver: Receiver, second_receiver: Receiver
) -> None:
    """What could not be sent is tried again at the next check; who got it already does not get it twice."""
    second_receiver.refuses = True
    bad: dict[Cause, str | None] = {Cause.VALIDATION: "Totals left their tolerance."}
    for _ in range(3):
        started(product, receiver, second_receiver).check(bad)
    second_receiver.refuses = False
    for _ in range(2):
        started(product, receiver, second_receiver).check(bad)
    assert receiver.got == second_receiver.got == ["Totals left their tolerance."]


def test_what_nobody_was_told_is_not_told_to_be_over(product: Importing, receiver: Receiver) -> None:
    """A cause that was well again before its message arrived sends nothing."""
    receiver.refuses = True
    started(product, receiver).check({Cause.SLOTS: "Two are missing."})
    receiver.refuses = False
    started(product, receiver).check({Cause.SLOTS: None})
    assert receiver.got == []


def test_two_processes_tell_once(product: Importing, receiver: Receiver) -> None:
    """Of processes that check at the same instant one tells."""
    barrier = threading.Barrier(4)

    def check() -> None:
        alerts = started(product, receiver)
        barrier.wait()
        alerts.check({Cause.SLOTS: "Two are missing."})

    threads = [threading.Thread(target=check) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert receiver.got == ["Two are missing."]


def test_a_receiver_that_is_no_longer_set_is_forgotten(
    product: Importing, receiver: Receiver, second_receiver: Receiver
) -> None:
    """Who was taken out of ALERT_URLS and comes back is told anew."""
    bad: dict[Cause, str | None] = {Cause.SLOTS: "Two are missing."}
    started(product, receiver, second_receiver).check(bad)
    started(product, receiver).check(bad)
    started(product, receiver, second_receiver).check(bad)
    assert len(receiver.got) == 1
    assert len(second_receiver.got) == 2


def test_no_secret_of_an_address_is_told(
    product: Importing,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Addresses hold secrets: neither log, terminal nor database shows any of them, whatever fails."""
    urls = ["nosuch://alertSECRET@host", "json://alertSECRET:x@127.0.0.1:9/", receiver.url]
    Alerts(writing(product), urls, CLOCK).check({Cause.SLOTS: "Two are missing."})
    assert receiver.got == ["Two are missing."]
    assert caplog.text.count("alert_not_sent") == 2
    told = product.rows("SELECT * FROM alerts")
    seen = caplog.text + str([record.__dict__ for record in caplog.records]) + str((told, capfd.readouterr()))
    assert "SECRET" not in seen
    assert "127.0.0.1" not in seen


def test_a_cancelled_run_says_nothing(product: Importing, standin: StandIn) -> None:
    """The verdict on the data is that of the newest run that had one."""
    assert known(product)[Cause.SLOTS] is None
    assert Cause.IMPORT not in known(product)
    standin.fail(faults.unauthorized(), on=is_page)
    product.full()
    product.execute(
        "INSERT INTO import_logs (trigger, triggered_by, mode, status, started_at, completed_at, errors)"
        " VALUES ('manual', 'api', 'full', 'cancelled', now(), now(), '[{}]')"
    )
    assert "failed" in (known(product)[Cause.IMPORT] or "")


# Pure

REFUSED = {"code": "mass_deletion_refused", "message": "Too many."}


@pytest.mark.parametrize(
    ("run", "metrics", "missed", "expected"),
    [
        (None, None, None, {}),
        (None, None, 0, {Cause.SLOTS: None}),
        (None, None, 1, {Cause.SLOTS: None}),
        (
            None,
            None,
            2,
            {Cause.SLOTS: "2 scheduled imports brought no data. Check that the server and its schedule run."},
        ),
        (
            LastRun(7, "full", "succeeded", []),
            [GOOD],
            0,
            {Cause.IMPORT: None, Cause.MASS_DELETION: None, Cause.VALIDATION: None, Cause.SLOTS: None},
        ),
        (LastRun(7, "incremental", "succeeded", []), None, 0, {Cause.IMPORT: None, Cause.SLOTS: None}),
        (
            LastRun(7, "full", "partial", [{"code": "count_mismatch", "message": "Off."}]),
            [GOOD, OFF],
            0,
            {
                Cause.IMPORT: "Import 7 is partial. Off.",
                Cause.VALIDATION: "Totals left their tolerance: leads 990 (expected 1,000).",
                Cause.SLOTS: None,
            },
        ),
        (
            LastRun(7, "full", "partial", [REFUSED]),
            None,
            0,
            {Cause.MASS_DELETION: "Import 7 deleted nothing. Too many.", Cause.SLOTS: None},
        ),
    ],
)
def test_what_there_is_to_tell(
    run: LastRun | None, metrics: list[Metric] | None, missed: int | None, expected: dict[Cause, str | None]
) -> None:
    """A cause holds, is well, or is unknown: then nothing is said of it."""
    assert causes(run, metrics, missed) == expected


def test_who_is_told_what() -> None:
    """Told is what holds and was not told, or is well and was told to hold; the rest is silence."""
    told = {("import", "a"), ("validation", "a"), ("slots", "b")}
    said: dict[Cause, str | None] = {Cause.IMPORT: "Failed.", Cause.SLOTS: None}
    assert due(said, told, ["a", "b"]) == [Due(Cause.IMPORT, "b", "Failed."), Due(Cause.SLOTS, "b", None)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", ()),
        ("json://a", ("json://a",)),
        (" json://a,json://b\n json://c , json://a", ("json://a", "json://b", "json://c")),
        ("mailto://u:p@h?to=a@x,b@x, json://c", ("mailto://u:p@h?to=a@x,b@x", "json://c")),
    ],
)
def test_addresses_are_separated(written: str, expected: tuple[str, ...]) -> None:
    """Commas and white space separate addresses; a comma within one belongs to it."""
    assert addresses(written) == expected


def test_an_address_of_no_service_is_named_by_its_place() -> None:
    """What apprise cannot read is found before it is needed."""
    assert unreadable(["json://host", "nonsense", "nosuch://host"]) == [2, 3]


def test_a_server_names_the_address_that_it_cannot_use() -> None:
    """By its place alone, before it starts: an address holds a secret."""
    known = load({"ALERT_URLS": "json://host, nosuch://alertSECRET@host"}, NO_FILE)
    with pytest.raises(SettingsError, match=r"ALERT_URLS: address 2 names no service") as raised:
        require_receivers(known)
    assert "SECRET" not in raised.value.message
    require_receivers(load({"ALERT_URLS": "json://host"}, NO_FILE))
