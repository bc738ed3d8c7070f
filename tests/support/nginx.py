"""nginx with a recipe from the documents, as it stands there but for a test's own places."""

import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPSConnection
from pathlib import Path

import pytest

from tests.support.server import free_port
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
VARIABLE = "NGINX"
"""Names the program where it is not on the path."""
CONNECT_SECONDS = 30
NAME = "dashboard.example.com"
AROUND = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    log_format seen '$remote_addr $upstream_addr $status $request_uri';
    access_log {folder}/access.log seen;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/recipe.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: HTTPMessage
    text: str


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running one, and how visitors reach it."""

    port: int
    folder: Path

    @property
    def trust(self) -> ssl.SSLContext:
        """What believes its certificate."""
        return ssl.create_default_context(cafile=str(self.folder / "dashboard.pem"))

    def connect(self, source: str) -> socket.socket:
        """A connection, without TLS yet, of a visitor whose address this is (any of 127.0.0.0/8)."""
        return socket.create_connection(("127.0.0.1", self.port), CONNECT_SECONDS, (source, 0))

    def ask(
        self, method: str, path: str, *, source: str = "127.0.0.1", body: str = "", **headers: str
    ) -> Answer:
        """Send one request; header names with `_` for `-`."""
        connection = HTTPSConnection(NAME)
        connection.sock = self.trust.wrap_socket(self.connect(source), server_hostname=NAME)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body or None, named)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def served(self, source: str) -> set[str]:
        """Which servers have answered this visitor."""
        lines = (self.folder / "access.log").read_text(encoding="utf-8").splitlines()
        return {line.split()[1] for line in lines if line.startswith(f"{source} ")}


def recipe(document: str) -> str:
    """The nginx block of a document."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    (block,) = re.findall(r"^```nginx\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(block)


@contextmanager
def running_nginx(document: str, folder: Path, places: Mapping[str, str]) -> Iterator[Nginx]:
    """Serve a document's recipe, each of these places replaced, over TLS by a certificate of its own."""
    port = free_port()
    _certify(folder)
    own = {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/ssl/dashboard.pem": f"{folder}/dashboard.pem",
        "/etc/ssl/dashboard.key": f"{folder}/dashboard.key",
    }
    text = recipe(document)
    for old, new in {**own, **places}.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "recipe.conf").write_text(text, encoding="utf-8")
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder), encoding="utf-8")
    command = [
        _program(),
        "-p",
        str(folder),
        "-c",
        str(folder / "nginx.conf"),
        "-e",
        str(folder / "error.log"),
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: process.poll() is not None or _listens(port), "nginx's answer")
            assert process.poll() is None, (folder / "error.log").read_text(encoding="utf-8")
            yield Nginx(port, folder)
        finally:
            process.kill()


def _program() -> str:
    given = os.environ.get(VARIABLE, "nginx")
    found = shutil.which(given, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.fail(
            f"No nginx was found: install the package nginx, or let {VARIABLE} name one.", pytrace=False
        )
    return found


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _certify(folder: Path) -> None:
    command = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    names = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", "-days", "2"]
    files = ["-out", str(folder / "dashboard.pem"), "-keyout", str(folder / "dashboard.key")]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
