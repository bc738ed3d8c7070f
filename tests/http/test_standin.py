import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from pyairtable import Api
from pyairtable import Table as ApiTable

from core.demo.table import Table
from tests.support import standin as s
from tests.support.standin import StandIn, conversations
from tests.support.waiting import until


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """A stand-in with 250 plain conversations."""
    with StandIn(conversations(250)) as running:
        yield running


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """One client's connections."""
    with requests.Session() as opened:
        yield opened


def get(standin: StandIn, session: requests.Session, timeout: float = 5, **params: str) -> requests.Response:
    """Ask for one page."""
    return session.get(
        f"{standin.url}/v0/{standin.base_id}/{standin.table.name}",
        params=params,
        headers={"Authorization": f"Bearer {standin.token}"},
        timeout=timeout,
    )


def reader(standin: StandIn, session: requests.Session) -> ApiTable:
    """The stand-in's table through pyairtable, over the given session."""
    api = Api(standin.token, endpoint_url=standin.url, retry_strategy=None, timeout=(5, 5))
    session.headers.update(api.session.headers)
    api.session.close()
    api.session = session
    return api.table(standin.base_id, standin.table.name)


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        (
            s.unauthorized(),
            401,
            {"error": {"type": "AUTHENTICATION_REQUIRED", "message": "as the test says"}},
        ),
        (s.not_found(), 404, {"error": "NOT_FOUND"}),
        (s.server_error(), 500, {"error": {"type": "SERVER_ERROR", "message": "as the test says"}}),
        (s.empty_object(), 200, {}),
        (
            s.rate_limit(),
            429,
            {
                "errors": [
                    {"error": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded. Please try again later"}
                ]
            },
        ),
    ],
)
def test_errors_have_airtables_three_shapes(
    standin: StandIn, session: requests.Session, fault: s.Fault, status: int, body: dict[str, Any]
) -> None:
    """Airtable's errors: typed, bare and listed; the request after the fault is served again."""
    standin.fail(fault, on=1)
    answer = get(standin, session)
    assert (answer.status_code, answer.json()) == (status, body)
    assert len(get(standin, session).json()["records"]) == 100


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (s.forbidden(), 403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"),
        (s.expired_iterator(), 422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"),
        (s.billing_limit(), 429, "PUBLIC_API_BILLING_LIMIT_EXCEEDED"),
        (s.bad_gateway(), 502, "Bad Gateway"),
        (s.unavailable(), 503, "SERVICE_UNAVAILABLE"),
    ],
)
def test_errors_name_their_kind(
    standin: StandIn, session: requests.Session, fault: s.Fault, status: int, kind: str
) -> None:
    """Each error that a reader must tell apart carries what tells it apart."""
    standin.fail(fault, on=s.is_page)
    answer = get(standin, session)
    assert answer.status_code == status
    assert kind in answer.text


def test_retry_after_is_a_header(standin: StandIn, session: requests.Session) -> None:
    """503 may say how many seconds to wait."""
    standin.fail(s.unavailable(retry_after=7), on=1)
    assert get(standin, session).headers["Retry-After"] == "7"


def test_html_comes_as_html(standin: StandIn, session: requests.Session) -> None:
    """A proxy's page says that it is one."""
    standin.fail(s.bad_gateway(), on=1)
    assert get(standin, session).headers["Content-Type"] == "text/html"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (s.reset(), requests.ConnectionError),
        (s.silence(), requests.ReadTimeout),
        (s.cut_short(), requests.exceptions.ChunkedEncodingError),
        (s.not_json(), requests.exceptions.JSONDecodeError),
    ],
)
def test_broken_answers_break_as_on_the_wire(
    standin: StandIn, session: requests.Session, fault: s.Fault, expected: type[Exception]
) -> None:
    """A client meets the same exception as from a broken network, and a new request is served."""
    standin.fail(fault, on=1)
    with pytest.raises(expected):
        get(standin, session, timeout=0.5).json()
    assert get(standin, session).status_code == 200


def test_a_reset_is_a_reset(standin: StandIn, session: requests.Session) -> None:
    """Not a polite end of the connection: the client's system reports a reset by the peer."""
    standin.fail(s.reset(), on=1)
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        get(standin, session)


def test_pages_can_be_wrong_inside(standin: StandIn, session: requests.Session) -> None:
    """A page without its records keeps its offset; malformed records come among good ones."""
    standin.fail(s.page_without_records(), on=1)
    standin.fail(s.with_records({"id": "recBad"}, 7), on=2)
    assert get(standin, session).json().keys() == {"offset"}
    assert get(standin, session).json()["records"][-2:] == [{"id": "recBad"}, 7]


def test_an_offset_can_repeat(standin: StandIn, session: requests.Session) -> None:
    """A listing that never ends: every page sends the reader to the same next one."""
    standin.fail(s.repeated_offset(), on=s.is_page, times=None)
    first = get(standin, session).json()["offset"]
    assert get(standin, session, offset=first).json()["offset"] == first


def test_faults_hit_as_often_as_planned(standin: StandIn, session: requests.Session) -> None:
    """By condition as often as `times` says, for ever with None, no more after `heal`."""
    standin.fail(s.server_error(), on=s.is_next_page, times=2)
    offset = get(standin, session).json()["offset"]
    assert [get(standin, session, offset=offset).status_code for _ in range(3)] == [500, 500, 200]
    standin.fail(s.server_error(), on=s.is_page, times=None)
    assert [get(standin, session).status_code for _ in range(3)] == [500] * 3
    standin.heal()
    assert get(standin, session).status_code == 200


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda table: table.delete(table.records()[240].id), 249),
        (lambda table: table.create({"Clinic": "late"}, at=s.START), 250),
    ],
)
def test_edits_happen_between_two_pages(
    standin: StandIn, session: requests.Session, edit: Callable[[Table], object], expected: int
) -> None:
    """After the page that was named and before the next one, once."""
    standin.after_page(2, edit)
    assert len(reader(standin, session).all()) == expected
    assert len(reader(standin, session).all()) == len(standin.table) != 250


def test_requests_are_recorded(standin: StandIn, session: requests.Session) -> None:
    """Method, path, parameters, status and time of each, pages told from other calls."""
    table = reader(standin, session)
    table.all(fields=["Clinic", "Booking"], page_size=100)
    table.schema()
    table.all(formula="OR(" + ",".join(["FALSE()"] * 3_000) + ")")
    assert [seen.method for seen in standin.pages()] == ["GET", "GET", "GET", "POST"]
    assert standin.seen[0].params == {"fields[]": ["Clinic", "Booking"], "pageSize": "100"}
    assert "offset" in standin.seen[1].params
    assert standin.seen[3].path.startswith("/v0/meta/")
    assert standin.seen[4].params["filterByFormula"].startswith("OR(")
    assert [seen.status for seen in standin.seen] == [200] * 5
    assert [seen.number for seen in standin.seen] == [1, 2, 3, 4, 5]
    assert sorted(seen.at for seen in standin.seen) == [seen.at for seen in standin.seen]


def test_the_clock_is_the_tests(standin: StandIn, session: requests.Session) -> None:
    """The Date header is the stand-in's time: it stands still and moves when told."""
    assert get(standin, session).headers["Date"] == "Mon, 05 Jan 2026 12:00:00 GMT"
    assert standin.advance(90) == s.START + timedelta(seconds=90)
    assert get(standin, session).headers["Date"] == "Mon, 05 Jan 2026 12:01:30 GMT"
    standin.set_clock(s.START + timedelta(days=1))
    assert get(standin, session).headers["Date"] == "Tue, 06 Jan 2026 12:00:00 GMT"


def test_latency_passes_before_each_answer(session: requests.Session) -> None:
    """A reader that waits on the wire can be tested with a slow one."""
    with StandIn(latency_seconds=0.1) as standin:
        assert get(standin, session).elapsed.total_seconds() >= 0.1


def test_listings_expire_on_demand(standin: StandIn, session: requests.Session) -> None:
    """Every open listing is refused at once, for real and not by one planned answer."""
    offset = get(standin, session).json()["offset"]
    standin.expire_listings()
    assert [get(standin, session, offset=offset).status_code for _ in range(2)] == [422, 422]


def test_a_silent_request_holds_up_nobody(session: requests.Session) -> None:
    """Others are served while one client waits in vain, and stopping the stand-in lets it go."""
    errors: list[Exception] = []

    def wait(url: str) -> None:
        try:
            requests.get(url, timeout=30)
        except requests.RequestException as error:
            errors.append(error)

    with StandIn() as standin:
        standin.fail(s.silence(), on=1)
        thread = threading.Thread(target=wait, args=(standin.url,))
        thread.start()
        until(lambda: standin.seen, "the silent request")
        assert get(standin, session).status_code == 200
        assert thread.is_alive()
    thread.join(5)
    assert [type(error) for error in errors] == [requests.ConnectionError]
