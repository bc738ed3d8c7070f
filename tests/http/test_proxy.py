"""The documents' recipes for nginx, with the product's own servers behind it."""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import Popen
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.support.nginx import NAME, Nginx, running_nginx
from tests.support.server import server_process
from tests.support.standin import StandIn, conversations
from tests.support.waiting import DEADLINE_SECONDS, until

RECORDS = 137
SHOWN = f"28 of {RECORDS} conversations"
BUTTON = "Import changes"
PASSWORD = "press"  # noqa: S105 (opens nothing but these tests)
HERE = "127.0.0.1"
OWN = f"https://{NAME}"
FORM = "application/x-www-form-urlencoded"
# nginx tells visitors apart by the first three numbers of their addresses.
VISITORS = [f"127.0.{number}.1" for number in range(1, 9)]


@dataclass
class Site:
    """Servers behind nginx."""

    nginx: Nginx
    processes: dict[str, Popen[bytes]]
    """By the place where each listens."""

    def visitor(self, place: str) -> str:
        """The address of a visitor whom nginx leads to this server."""
        for source in VISITORS:
            self.nginx.ask("GET", "/health", source=source)
            if self.nginx.served(source) == {place}:
                return source
        raise AssertionError(f"nobody is led to {place}")

    def status(self, source: str, **headers: str) -> dict[str, Any]:
        """What the API says of imports."""
        answer = self.nginx.ask("GET", "/api/import/status", source=source, **headers)
        assert answer.status == 200
        found: dict[str, Any] = json.loads(answer.text)
        return found

    def trigger(self, source: str, **headers: str) -> int:
        """Ask for a full import; answers the status."""
        sent = {"Origin": OWN, "Content_Type": "application/json", **headers}
        body = json.dumps({"incremental": False})
        return self.nginx.ask("POST", "/api/import/trigger", source=source, body=body, **sent).status

    def page(self, source: str, page: str = "", more: Mapping[str, str] | None = None, **headers: str) -> str:
        """What a page shows a visitor, as the websocket brings it."""
        message, shown = BackMsg(), []
        message.rerun_script.page_name = page
        with (
            self.nginx.connect(source) as plain,
            connect(
                f"wss://{NAME}/_stcore/stream",
                sock=plain,
                ssl=self.nginx.trust,
                origin=Origin(OWN),
                additional_headers={**headers, **(more or {})},
                max_size=None,
            ) as session,
        ):
            session.send(message.SerializeToString())
            while True:
                answer = ForwardMsg.FromString(bytes(session.recv(DEADLINE_SECONDS, decode=False)))
                shown.append(str(answer))
                if answer.WhichOneof("type") == "script_finished":
                    return "".join(shown)


@dataclass(frozen=True, slots=True)
class Stage:
    """A database and a source, before any server reads them."""

    url: str
    source: StandIn
    folder: Path

    @contextmanager
    def behind_nginx(
        self, document: str, *places: str, others: Mapping[str, str] | None = None, **variables: str
    ) -> Iterator[Site]:
        """A server for each place that a document's recipe names, and nginx before them."""
        with ExitStack() as running:
            processes, own = {}, {}
            for number, place in enumerate(places):
                folder = self.folder / str(number)
                folder.mkdir()
                begun = server_process(self.url, self.source, folder, IMPORT_ON_STARTUP="false", **variables)
                process, address = running.enter_context(begun)
                own[place] = address.removeprefix("http://")
                processes[own[place]] = process
            nginx = running.enter_context(running_nginx(document, self.folder, {**own, **(others or {})}))
            yield Site(nginx, processes)


@pytest.fixture
def stage(database_url: str, tmp_path: Path) -> Iterator[Stage]:
    """Everything but servers."""
    with StandIn(conversations(RECORDS)) as source:
        yield Stage(database_url, source, tmp_path)


def asked(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Ask the database directly."""
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def signed_in(site: Site, source: str) -> str:
    """The cookie of somebody who has signed in at whichever server nginx chose."""
    form = urlencode({"name": "Ann", "password": PASSWORD, "next": "/"})
    answer = site.nginx.ask("POST", "/sign-in", source=source, body=form, Origin=OWN, Content_Type=FORM)
    cookie, *attributes = str(answer.headers["set-cookie"]).split("; ")
    assert "Secure" in attributes
    return cookie


def test_two_servers_are_one_dashboard_and_one_may_die(stage: Stage) -> None:
    """The recipe of docs/scale.md: a sign-in and an import at one are the other's too, and outlast it."""
    places = ("10.0.0.11:8501", "10.0.0.12:8501")
    with stage.behind_nginx("scale.md", *places, DASHBOARD_PASSWORD=PASSWORD) as site:
        one, other = (site.visitor(place) for place in site.processes)
        cookie = signed_in(site, one)
        assert site.trigger(one, Cookie=cookie, Origin="https://elsewhere.example") == 403
        assert site.trigger(one, Cookie=cookie) == 202
        until(lambda: site.status(other, Cookie=cookie)["lastCompleted"] is not None, "the import's end")
        assert asked(stage.url, "SELECT status, triggered_by FROM import_logs") == [("succeeded", "Ann")]
        assert asked(stage.url, "SELECT count(*) FROM scheduler_heartbeats") == [(2,)]
        for visitor in (one, other):
            assert SHOWN in site.page(visitor, Cookie=cookie)
        first, second = site.processes
        site.processes[first].kill()
        assert SHOWN in site.page(one, Cookie=cookie)
        assert site.status(one, Cookie=cookie)["lastCompleted"]["totalProcessed"] == RECORDS
        assert site.nginx.served(other) == {second}


class SignIn(BaseHTTPRequestHandler):
    """What oauth2-proxy answers nginx: who has signed in, by a cookie that names them."""

    def do_GET(self) -> None:
        """Answer `/oauth2/auth`, and `/oauth2/sign_in`: off to where people sign in."""
        who = re.fullmatch("who=(.+)", self.headers.get("Cookie", ""))
        if self.path == "/oauth2/sign_in":
            self.send_response(302)
            self.send_header("Location", f"/provider?{self.headers['X-Auth-Request-Redirect']}")
        else:
            self.send_response(202 if who else 401)
        if who is not None:
            self.send_header("X-Auth-Request-Email", who[1])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (http.server's own name)
        """Say nothing."""


@pytest.fixture
def sign_in() -> Iterator[str]:
    """Where the stand-in for oauth2-proxy listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SignIn) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_proxy_signs_people_in(stage: Stage, sign_in: str) -> None:
    """The recipe of docs/operations.md: strangers are sent to sign in, and nobody chooses a name.

    They come back to the very address that they asked for; a monitor needs neither sign-in nor token.
    """
    ann, token = "ann@example.com", {"Authorization": "Bearer programs"}
    with stage.behind_nginx(
        "operations.md",
        "127.0.0.1:8501",
        others={"127.0.0.1:4180": sign_in},
        TRUSTED_USER_HEADER="X-Forwarded-User",
        OPERATORS=ann,
        API_TOKEN="programs",  # noqa: S106 (opens nothing but this test)
    ) as site:
        asked = "/imports?run=1&rows=20"
        stranger = site.nginx.ask("GET", asked, Host=NAME, X_Forwarded_User=ann)
        assert (stranger.status, stranger.headers["location"]) == (302, f"/provider?{asked}")
        monitor = site.nginx.ask("GET", "/health", X_Forwarded_User=ann)
        assert (monitor.status, set(json.loads(monitor.text))) == (200, {"status", "version"})
        assert site.trigger(HERE, X_Forwarded_User=ann, Cookie=f"who={ann}") == 401
        assert site.trigger(HERE, **token) == 202
        until(lambda: site.status(HERE, **token)["lastCompleted"] is not None, "the import's end")
        assert BUTTON in site.page(HERE, "imports", Cookie=f"who={ann}")
        for spoofed in ("X-Forwarded-User", "X_Forwarded_User", "X-FORWARDED-USER"):
            seen = site.page(HERE, "imports", {spoofed: ann}, Cookie="who=bob@example.com")
            assert str(RECORDS) in seen
            assert BUTTON not in seen
