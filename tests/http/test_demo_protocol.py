import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

import pytest
import requests
from airtable import Airtable
from hypothesis import given
from hypothesis import strategies as st
from pyairtable import Api
from pyairtable import Table as ApiTable
from pyairtable.formulas import FIND, IS_AFTER, LAST_MODIFIED_TIME, NOT, OR, RECORD_ID, RIGHT, Formula

from core.demo import DEMO_BASE_ID, DEMO_TABLE_NAME, DEMO_TOKEN
from core.demo.protocol import Protocol, Request, Response
from core.demo.server import DemoServer, demo_server
from core.demo.table import Table
from core.records import Column
from tests.support.standin import conversations

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
PATH = f"/v0/{DEMO_BASE_ID}/{DEMO_TABLE_NAME}"
GIVEN_HEADERS = {"authorization": f"Bearer {DEMO_TOKEN}"}
SMALL = Protocol(conversations(3), base_id=DEMO_BASE_ID, token=DEMO_TOKEN)


@pytest.fixture(scope="module")
def demo_url() -> Iterator[str]:
    """The demo itself, served."""
    with demo_server(lambda: NOW) as url:
        yield url


@pytest.fixture(scope="module")
def demo(demo_url: str) -> Iterator[ApiTable]:
    """The demo through pyairtable."""
    api = Api(DEMO_TOKEN, endpoint_url=demo_url, retry_strategy=None, timeout=(5, 5))
    with api.session:
        yield api.table(DEMO_BASE_ID, DEMO_TABLE_NAME)


@pytest.fixture
def table() -> Table:
    """A small table: 250 plain conversations."""
    return conversations(250)


@pytest.fixture
def protocol(table: Table) -> Protocol:
    """The protocol over the small table, without HTTP."""
    return Protocol(table, base_id=DEMO_BASE_ID, token=DEMO_TOKEN)


def get(protocol: Protocol, target: str) -> Response:
    """The answer to a GET with the right token."""
    return protocol.answer(Request("GET", target, GIVEN_HEADERS), NOW)


def post(protocol: Protocol, body: object) -> Response:
    """The answer to a listing by POST with the right token."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return protocol.answer(Request("POST", f"{PATH}/listRecords", GIVEN_HEADERS, payload), NOW)


def page(response: Response) -> dict[str, Any]:
    """The page that a good answer holds."""
    assert response.status == 200
    answer: dict[str, Any] = json.loads(response.payload())
    return answer


def error_type(response: Response) -> str:
    """The kind of error, from either shape."""
    error = json.loads(response.payload())["error"]
    return str(error if isinstance(error, str) else error["type"])


def listed(protocol: Protocol, query: str = "") -> list[str]:
    """Every record id of a listing, read page by page."""
    ids: list[str] = []
    offset = ""
    while True:
        answer = page(get(protocol, f"{PATH}?{query}{offset}"))
        ids += [record["id"] for record in answer["records"]]
        if "offset" not in answer:
            return ids
        offset = f"&offset={quote(answer['offset'])}"


def check_totals(records: list[dict[str, Any]]) -> None:
    """The demo's four totals, counted from the cells alone (spec, sections 2 and 4)."""
    cells = [record["fields"] for record in records]
    assert len({record["id"] for record in records}) == len(records) == 20_077
    assert sum("2025" in row.get("Booking", "") for row in cells) == 3_122
    assert sum(row.get("Lead Created") in (True, "Yes") for row in cells) == 13_908
    assert sum(row.get("Engaged", "").lower() == "yes" for row in cells) == 7_910


def test_pyairtable_reads_the_whole_demo(demo: ApiTable) -> None:
    """The library that the product's reader uses gets every record once, in 201 pages."""
    pages = list(demo.iterate())
    assert [len(records) for records in pages] == [100] * 200 + [77]
    check_totals([dict(record) for records in pages for record in records])


def test_another_client_reads_the_whole_demo(demo_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is Airtable's protocol, not pyairtable's habits: an unrelated client gets the same."""
    monkeypatch.setattr(Airtable, "API_URL", f"{demo_url}/v0")
    monkeypatch.setattr(Airtable, "API_LIMIT", 0)
    client = Airtable(DEMO_BASE_ID, DEMO_TABLE_NAME, DEMO_TOKEN, timeout=5)
    with client.session:
        check_totals(client.get_all())
        (found,) = client.get_all(formula="{User ID}='JC-100000'", fields=["Clinic"])
        assert client.get(found["id"])["fields"]["User ID"] == "JC-100000"


def test_shards_together_are_the_table(demo: ApiTable) -> None:
    """A filter on the last character of the id and its complement cut the table in two (Airtable's API)."""
    shard = FIND(RIGHT(RECORD_ID(), 1), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcde")
    parts = [{record["id"] for record in demo.all(formula=part, fields=[])} for part in (shard, NOT(shard))]
    assert len(parts[0] | parts[1]) == len(parts[0]) + len(parts[1]) == 20_077
    assert min(map(len, parts)) > 9_000


def test_the_modified_time_filters(demo: ApiTable) -> None:
    """An incremental reading gets the newest records alone, and none once all are older."""
    since = datetime(2025, 12, 1, tzinfo=UTC)
    some = demo.all(formula=OR(IS_AFTER(LAST_MODIFIED_TIME(), since), RECORD_ID().eq("recNone")))
    assert 800 < len(some) < 1_000
    assert demo.all(formula=IS_AFTER(LAST_MODIFIED_TIME(), NOW)) == []


def test_a_long_formula_goes_by_post(protocol: Protocol, table: Table) -> None:
    """Over 16,000 characters pyairtable turns to POST …/listRecords; pages and fields work there too."""
    unknown = [f"recUnknown{number:07}" for number in range(300)]
    ids = [record.id for record in table.records()[:240]]
    formula = OR(*[RECORD_ID().eq(record_id) for record_id in ids + unknown])
    methods = []

    def answer(request: Request) -> Response:
        methods.append(request.method)
        return protocol.answer(request, NOW)

    with DemoServer(answer, lambda: NOW) as url:
        api = Api(DEMO_TOKEN, endpoint_url=url, retry_strategy=None, timeout=(5, 5))
        with api.session:
            found = api.table(DEMO_BASE_ID, table.name).all(formula=formula, fields=["User ID"], page_size=60)
    assert [record["id"] for record in found] == ids
    assert all(record["fields"].keys() == {"User ID"} for record in found)
    assert methods == ["POST"] * 4


def test_fields_by_id(demo: ApiTable) -> None:
    """Columns may be asked for by id, and come back under their ids (spec, section 1)."""
    by_name = {known.name: known.id for known in demo.schema().fields}
    wanted = [by_name["Clinic"], by_name["Booking"]]
    records = demo.all(fields=wanted, use_field_ids=True, max_records=300)
    assert len(records) == 300
    assert Counter(key for record in records for key in record["fields"])[by_name["Clinic"]] == 300
    assert {key for record in records for key in record["fields"]} <= set(wanted)


def test_schema_and_identity(demo: ApiTable) -> None:
    """The schema names every column and the views; whoami tells the token's scopes."""
    schema = demo.schema()
    assert [known.name for known in schema.fields] == [column.value for column in Column]
    assert schema.primary_field_id == schema.fields[0].id
    assert [view.name for view in schema.views] == ["Grid view"]
    assert "data.records:read" in demo.api.whoami()["scopes"]


def test_a_wrong_request_is_an_http_error_for_pyairtable(demo: ApiTable) -> None:
    """A refused formula reaches the client as 422 with its type."""
    with pytest.raises(requests.HTTPError, match="INVALID_FILTER_BY_FORMULA") as caught:
        demo.all(formula=Formula("TODAY()"))
    assert caught.value.response.status_code == 422


@pytest.mark.parametrize(
    ("target", "status", "kind"),
    [
        ("/v0/appOther000000000/Conversations", 403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"),
        (f"/v0/{DEMO_BASE_ID}/Other", 403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"),
        ("/v0/meta/bases/appOther000000000/tables", 403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"),
        (f"/v0/{DEMO_BASE_ID}", 404, "NOT_FOUND"),
        ("/v0/meta/bases", 404, "NOT_FOUND"),
        ("/v1/anything", 404, "NOT_FOUND"),
        ("/", 404, "NOT_FOUND"),
        (f"{PATH}/recNothere0000000", 404, "NOT_FOUND"),
        (f"{PATH}?fields[]=Clinic&fields[]=Nonsense", 422, "UNKNOWN_FIELD_NAME"),
        (f"{PATH}?view=Nonsense", 422, "VIEW_NAME_NOT_FOUND"),
        (f"{PATH}?filterByFormula=NONSENSE()", 422, "INVALID_FILTER_BY_FORMULA"),
        (f"{PATH}?offset=itrNothere0000000/100", 422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"),
        (f"{PATH}?offset=nonsense", 422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"),
        (f"{PATH}?pageSize=101", 422, "INVALID_REQUEST_UNKNOWN"),
        (f"{PATH}?pageSize=0", 422, "INVALID_REQUEST_UNKNOWN"),
        (f"{PATH}?maxRecords=many", 422, "INVALID_REQUEST_UNKNOWN"),
        (f"{PATH}?returnFieldsByFieldId=perhaps", 422, "INVALID_REQUEST_UNKNOWN"),
        (f"{PATH}?sort[0][field]=Clinic", 422, "INVALID_REQUEST_UNKNOWN"),
    ],
)
def test_what_is_wrong_is_refused(protocol: Protocol, target: str, status: int, kind: str) -> None:
    """Each fault has Airtable's status and type; what the demo does not do it does not pretend to."""
    response = get(protocol, target)
    assert (response.status, error_type(response)) == (status, kind)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"{broken", 400, "INVALID_REQUEST_BODY"),
        (b"[" * 100_000, 400, "INVALID_REQUEST_BODY"),
        ([], 400, "INVALID_REQUEST_BODY"),
        ({"fields": ["Nonsense"]}, 422, "UNKNOWN_FIELD_NAME"),
        ({"fields": [7]}, 422, "UNKNOWN_FIELD_NAME"),
        ({"fields": "Clinic"}, 422, "INVALID_REQUEST_UNKNOWN"),
        ({"pageSize": True}, 422, "INVALID_REQUEST_UNKNOWN"),
        ({"view": 7}, 422, "INVALID_REQUEST_UNKNOWN"),
        ({"sort": [{"field": "Clinic"}]}, 422, "INVALID_REQUEST_UNKNOWN"),
    ],
)
def test_a_wrong_body_is_refused(protocol: Protocol, body: object, status: int, kind: str) -> None:
    """A listing by POST is checked like one by GET, and a body that is no object answers 400."""
    response = post(protocol, body)
    assert (response.status, error_type(response)) == (status, kind)


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer wrong"}, {"authorization": DEMO_TOKEN}, {"authorization": "Bearer \xff"}],
)
@pytest.mark.parametrize("target", [PATH, "/v0/meta/whoami", "/nonsense"])
def test_the_token_is_checked_first(protocol: Protocol, target: str, headers: dict[str, str]) -> None:
    """Without the right token every path answers 401, so that nothing can be probed."""
    response = protocol.answer(Request("GET", target, headers), NOW)
    assert (response.status, error_type(response)) == (401, "AUTHENTICATION_REQUIRED")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_written(protocol: Protocol, table: Table, method: str) -> None:
    """The demo is read-only over HTTP: writing methods are unknown paths."""
    before = table.records()
    response = protocol.answer(Request(method, PATH, GIVEN_HEADERS, b'{"fields": {}}'), NOW)
    assert (response.status, error_type(response)) == (404, "NOT_FOUND")
    assert table.records() == before


@pytest.mark.parametrize(
    ("query", "sizes"),
    [
        ("", [100, 100, 50]),
        ("pageSize=100", [100, 100, 50]),
        ("pageSize=50", [50] * 5),
        ("pageSize=99&maxRecords=100", [99, 1]),
        ("maxRecords=100", [100]),
        ("maxRecords=3", [3]),
        ("filterByFormula=FALSE()", [0]),
    ],
)
def test_pages(protocol: Protocol, query: str, sizes: list[int]) -> None:
    """Pages hold up to pageSize records; an offset comes only when more remain (Airtable's API)."""
    seen = []
    offset = ""
    for _ in sizes:
        answer = page(get(protocol, f"{PATH}?{query}{offset}"))
        seen.append(len(answer["records"]))
        offset = f"&offset={answer.get('offset')}"
    assert seen == sizes
    assert "offset" not in answer


def test_get_and_post_list_the_same(protocol: Protocol, table: Table) -> None:
    """Both ways to ask give the same records, by the table's name or id."""
    by_post = page(
        post(protocol, {"pageSize": 30, "fields": ["Clinic"], "filterByFormula": "{Lead Created}"})
    )
    query = "pageSize=30&fields[]=Clinic&filterByFormula={Lead Created}"
    by_get = page(get(protocol, f"/v0/{DEMO_BASE_ID}/{table.id}?{query}"))
    assert by_get["records"] == by_post["records"]
    assert len(by_get["records"]) == 30


def test_a_listing_is_a_snapshot_of_ids(protocol: Protocol, table: Table) -> None:
    """Between pages: deleted records vanish, edits show, new ones wait for the next listing."""
    first = page(get(protocol, f"{PATH}?pageSize=100"))
    records = table.records()
    table.delete(records[150].id)
    table.delete(records[0].id)
    table.update(records[151].id, {"Clinic": "Moved"}, at=NOW)
    created = table.create({"Clinic": "New", "User ID": "u"}, at=NOW)
    second = page(get(protocol, f"{PATH}?pageSize=100&offset={first['offset']}"))
    third = page(get(protocol, f"{PATH}?pageSize=100&offset={second['offset']}"))
    later = [record["id"] for record in second["records"] + third["records"]]
    assert later == [record.id for record in records[100:] if record.id != records[150].id]
    assert second["records"][50]["fields"]["Clinic"] == "Moved"
    assert created.id in listed(protocol)


def test_a_page_can_be_asked_for_again(protocol: Protocol) -> None:
    """A client that lost an answer repeats its request and gets the same page."""
    first = page(get(protocol, PATH))
    target = f"{PATH}?offset={first['offset']}"
    assert page(get(protocol, target)) == page(get(protocol, target))


def test_listings_do_not_disturb_each_other(protocol: Protocol) -> None:
    """Several readers at once each have an iterator of their own."""
    one, two = page(get(protocol, f"{PATH}?pageSize=10")), page(get(protocol, f"{PATH}?pageSize=20"))
    assert one["offset"] != two["offset"]
    assert (
        page(get(protocol, f"{PATH}?offset={one['offset']}"))["records"][0]["id"] == two["records"][10]["id"]
    )


def test_an_expired_listing_is_refused(protocol: Protocol) -> None:
    """After expiry the offset answers 422 and a new listing works (Airtable's API)."""
    first = page(get(protocol, PATH))
    protocol.listings.expire()
    response = get(protocol, f"{PATH}?offset={first['offset']}")
    assert (response.status, error_type(response)) == (422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE")
    assert len(listed(protocol)) == 250


def test_abandoned_listings_are_forgotten(protocol: Protocol) -> None:
    """Memory stays bounded: of many open listings the oldest expires, the newest goes on."""
    offsets = [page(get(protocol, PATH))["offset"] for _ in range(40)]
    assert get(protocol, f"{PATH}?offset={offsets[0]}").status == 422
    assert get(protocol, f"{PATH}?offset={offsets[-1]}").status == 200


def test_a_view_shows_its_records_alone(protocol: Protocol, table: Table) -> None:
    """A view is chosen by name or id, and a formula narrows it further."""
    view = table.add_view("First clinic", lambda record: record.cells["Clinic"] == "Clinic 0")
    assert len(listed(protocol, "view=First clinic&")) == len(listed(protocol, f"view={view.id}&")) == 50
    assert len(listed(protocol, "view=First clinic&filterByFormula={Lead Created}&")) == 25
    assert len(listed(protocol, "view=Grid view&")) == 250


def test_empty_cells_are_left_out(protocol: Protocol, table: Table) -> None:
    """No key for empty text, an empty list, None or an unticked box; 0 is a value (Airtable's API)."""
    cells = {"Clinic": 0, "Name": "", "Email": None, "Lead Created": False, "Phone": []}
    record = table.create(cells, at=NOW)
    assert page(get(protocol, f"{PATH}/{record.id}")) == {
        "id": record.id,
        "createdTime": "2026-01-05T12:00:00.000Z",
        "fields": {"Clinic": 0},
    }


def test_odd_cells_travel_unchanged(protocol: Protocol, table: Table) -> None:
    """NUL, a lone surrogate, lists and error objects are what a real table may hold (Airtable's API)."""
    cells = {"Name": "a\0b", "Email": "\ud800", "Phone": ["1", "2"], "Booking": {"error": "#ERROR!"}}
    record = table.create(cells, at=NOW)
    assert page(get(protocol, f"{PATH}/{record.id}"))["fields"] == cells


def test_edits_move_the_modified_time_unless_computed(table: Table) -> None:
    """An edit counts as modified at its moment; a computed cell's change does not (Airtable's API)."""
    record = table.records()[0]
    assert table.update(record.id, {"Clinic": "Computed"}, at=None).modified_at == record.modified_at
    edited = table.update(record.id, {"Name": None}, at=NOW)
    assert (edited.modified_at, edited.created_at) == (NOW, record.created_at)
    kept = {name: value for name, value in record.cells.items() if name != "Name"}
    assert edited.cells == kept | {"Clinic": "Computed"}


@given(
    st.lists(
        st.sampled_from(
            ["v0", "meta", "bases", "tables", DEMO_BASE_ID, DEMO_TABLE_NAME, "%FF", "listRecords", ""]
        )
    ),
    st.text(max_size=30),
    st.sampled_from(["GET", "POST", "PATCH"]),
    st.binary(max_size=20),
)
def test_every_request_has_an_answer(segments: list[str], query: str, method: str, body: bytes) -> None:
    """Whatever arrives, the answer is a JSON object with a status, never an exception."""
    request = Request(method, f"/{'/'.join(segments)}?{query}", GIVEN_HEADERS, body)
    response = SMALL.answer(request, NOW)
    assert response.status in {200, 400, 403, 404, 422}
    assert isinstance(json.loads(response.payload()), dict)


def test_one_connection_serves_many_requests(protocol: Protocol) -> None:
    """Keep-alive with a Date of the given clock on good answers and on errors; each answer arrives whole."""
    with DemoServer(lambda request: protocol.answer(request, NOW), lambda: NOW) as url:
        connection = HTTPConnection(url.removeprefix("http://"), timeout=5)
        sockets = set()
        for target, status in ((PATH, 200), ("/nonsense", 404), (PATH, 200)):
            connection.request("GET", target, headers=GIVEN_HEADERS)
            sockets.add(connection.sock)
            answer = connection.getresponse()
            assert (answer.status, answer.getheader("Date")) == (status, "Mon, 05 Jan 2026 12:00:00 GMT")
            json.loads(answer.read())
        connection.close()
    assert len(sockets) == 1


def test_head_and_body_leave_in_one_packet(protocol: Protocol) -> None:
    """A small answer comes with the first read: a second packet would wait for the first one's receipt."""
    with DemoServer(lambda request: protocol.answer(request, NOW), lambda: NOW) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(b"GET /nonsense HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\r\n")
            received = connection.recv(65_536)
    assert received.startswith(b"HTTP/1.1 401 ")
    assert received.endswith(b"}")


def test_one_record_takes_no_listings_parameters(protocol: Protocol, table: Table) -> None:
    """What would be passed over is refused."""
    response = get(protocol, f"{PATH}/{table.records()[0].id}?pageSize=1")
    assert (response.status, error_type(response)) == (422, "INVALID_REQUEST_UNKNOWN")


def test_a_table_refuses_what_it_cannot_hold(table: Table) -> None:
    """A second record of the same id, a column that it does not have."""
    with pytest.raises(ValueError, match="exists already"):
        table.create({}, at=NOW, record_id=table.records()[0].id)
    with pytest.raises(ValueError, match="no such column: Colour"):
        table.create({"Colour": "red"}, at=NOW)


def test_any_status_can_be_answered() -> None:
    """Also one that HTTP has no words for."""
    with DemoServer(lambda _: Response(599, {}), lambda: NOW) as url:
        answer = requests.get(url, timeout=5)
    assert (answer.status_code, answer.reason) == (599, "Unknown")


def test_a_fault_of_the_servers_own_is_seen(capfd: pytest.CaptureFixture[str]) -> None:
    """Clients that go away are nobody's fault; anything else stands on the terminal."""

    def fail(_: Request) -> Response:
        raise LookupError("a mistake")

    with DemoServer(fail, lambda: NOW) as url, pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)
    assert "LookupError: a mistake" in capfd.readouterr().err


@pytest.mark.parametrize("sent", [b"NONSENSE / HTTP/1.1\r\n\r\n", b"\xff\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
def test_what_is_no_request_disturbs_nobody(
    protocol: Protocol, capfd: pytest.CaptureFixture[str], sent: bytes
) -> None:
    """It is answered with an error, and the terminal stays quiet."""
    with DemoServer(lambda request: protocol.answer(request, NOW), lambda: NOW) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(sent)
            received = connection.makefile("rb").read()
    assert b"Error" in received
    assert capfd.readouterr() == ("", "")


def test_a_stopped_server_leaves_nothing(protocol: Protocol, capfd: pytest.CaptureFixture[str]) -> None:
    """Stopping ends idle connections, their threads and the port; nothing was written to the terminal."""
    before = set(threading.enumerate())
    server = DemoServer(lambda request: protocol.answer(request, NOW), lambda: NOW)
    url = server.start()
    with requests.Session() as session:
        assert session.get(f"{url}{PATH}", headers=GIVEN_HEADERS, timeout=5).status_code == 200
        server.stop()
        server.stop()
        with pytest.raises(requests.ConnectionError):
            session.get(f"{url}{PATH}", headers=GIVEN_HEADERS, timeout=5)
    assert set(threading.enumerate()) <= before  # a thread of a test before may end meanwhile
    assert capfd.readouterr() == ("", "")
