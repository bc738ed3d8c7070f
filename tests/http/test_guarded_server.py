"""A guarded server that really runs: strangers reach nothing, and whoever may look presses nothing."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest
from websockets.exceptions import InvalidStatus

from tests.support.postgres import Postgres
from tests.support.server import running_server
from tests.support.standin import StandIn, conversations
from tests.support.waiting import until
from tests.support.wire import visit

TOKEN, OPERATOR, VIEWER = "token-for-tests", "operators-password", "viewers-password"
# Everything that a server of Streamlit's has an address for, and our own.
PLACES = (
    *("/", "/overview", "/imports", "/quality?record=x", "/index.html", "/manifest.json", "/favicon.png"),
    *("/static/", "/static/js/index.js", "/media/x.csv", "/component/x/index.html", "/app/static/x"),
    *(
        "/_stcore/health",
        "/_stcore/host-config",
        "/_stcore/metrics",
        "/_stcore/stream",
        "/_stcore/upload_file/x/y",
    ),
    *("/_stcore/script-health-check", "/_stcore/bidi-components/x", "/st-metrics", "/healthz", "/nothing"),
    *("/api", "/api/import/status", "/api/openapi.json", "//api/import/status", "/%61pi/import/status"),
)


@dataclass(slots=True)
class Guarded:
    """A server with a token and both passwords, and what it has imported."""

    address: str
    cookies: dict[str, str]

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """Status and body of one request."""
        connection = HTTPConnection(self.address.removeprefix("http://"), timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def imports(self) -> list[dict[str, object]]:
        """Every import, by a program with the token."""
        request = urllib.request.Request(  # noqa: S310 (our own address)
            f"{self.address}/api/import/history", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310 (our own address)
            found: list[dict[str, object]] = json.load(answer)["imports"]
        return found


def signed_in(address: str, password: str) -> str:
    """The cookie of somebody who signed in."""
    connection = HTTPConnection(address.removeprefix("http://"), timeout=30)
    form = urlencode({"name": "Vera Stone", "password": password})
    connection.request("POST", "/sign-in", form, {"Content-Type": "application/x-www-form-urlencoded"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status == 303
    return str(answer.headers["set-cookie"]).partition(";")[0]


@pytest.fixture(scope="module")
def guarded(
    postgres: Postgres, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    """The server, after its startup import."""
    folder: Path = tmp_path_factory.mktemp("guarded")
    guard = {"API_TOKEN": TOKEN, "DASHBOARD_PASSWORD": OPERATOR, "DASHBOARD_VIEWER_PASSWORD": VIEWER}
    with (
        postgres.database(template_database) as url,
        StandIn(conversations(50)) as standin,
        running_server(url, standin, folder, **guard) as address,
    ):
        cookies = {name: signed_in(address, name) for name in (OPERATOR, VIEWER)}
        made = Guarded(address, cookies)
        until(lambda: [run["status"] for run in made.imports()] == ["succeeded"], "the startup import")
        yield made


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
def test_strangers_reach_nothing(guarded: Guarded, method: str, path: str) -> None:
    """401 or the way to the form; not even which pages, files and calls there are."""
    status, body = guarded.ask(method, path)
    assert status == 401, body
    assert b"Conversations" not in body


def test_strangers_reach_the_health_and_the_form(guarded: Guarded) -> None:
    """Status and version alone."""
    status, body = guarded.ask("GET", "/health")
    assert (status, set(json.loads(body))) == (200, {"status", "version"})
    assert guarded.ask("GET", "/sign-in")[0] == 200
    page = guarded.ask("GET", "/quality?record=x", Accept="text/html")
    assert page[0] == 303


def test_strangers_open_no_page(guarded: Guarded) -> None:
    """The websocket is refused before a page's script runs, also with a cookie that nobody signed."""
    for cookie in ("", "jointchiro_session=forged"):
        with pytest.raises(InvalidStatus), visit(guarded.address, "overview", cookie=cookie):
            pass


@pytest.mark.parametrize("label", ["Import changes", "Import everything", "Pause"])
def test_a_viewer_presses_nothing_by_a_forged_message(guarded: Guarded, label: str) -> None:
    """The button is not there; its id, learnt from an operator's page, presses nothing either."""
    with visit(guarded.address, "imports", cookie=guarded.cookies[OPERATOR]) as page:
        wanted = next(button.id for button in page.of("button") if button.label == label)
    with visit(guarded.address, "imports", cookie=guarded.cookies[VIEWER]) as page:
        assert page.of("button") == []
        page.run(id=wanted, trigger_value=True)
        assert page.of("exception") == []
    assert len(guarded.imports()) == 1
    status = guarded.ask("GET", "/api/import/status", Authorization=f"Bearer {TOKEN}")
    assert json.loads(status[1])["scheduler"]["running"]


@pytest.mark.parametrize("path", ["trigger", "cancel", "scheduler/stop", "scheduler/start"])
def test_a_viewer_presses_nothing_by_the_api(guarded: Guarded, path: str) -> None:
    """Where a token is set, its holders alone call the API."""
    headers = {"Cookie": guarded.cookies[VIEWER], "Content-Type": "application/json"}
    assert guarded.ask("POST", f"/api/import/{path}", b"{}", **headers)[0] == 401
    assert len(guarded.imports()) == 1
