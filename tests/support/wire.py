"""Pages as they travel to the browser: every byte of the websocket, and every file that a page offers.

with visit(address, "quality", state="Resolved") as page:
    page.press("Show contact data")
    page.bytes        # everything that was sent, tables and figures included
    page.downloads()  # what *Save as CSV* brings
"""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

SECONDS = 30.0


class Page:
    """One open page, with all that it was sent so far."""

    def __init__(self, address: str, websocket: ClientConnection, name: str, query: str) -> None:
        """Nothing is asked yet."""
        self.bytes = b""
        self.elements: list[Any] = []
        self._address = address
        self._websocket = websocket
        self._name = name
        self._query = query
        self._session = ""

    def run(self, **states: Any) -> None:  # noqa: ANN401 (any value of a widget's state)
        """Let the script run, with one widget in this state, until it has ended."""
        asked = BackMsg()
        asked.rerun_script.query_string = self._query
        asked.rerun_script.page_name = self._name
        if states:
            asked.rerun_script.widget_states.widgets.add(**states)
        self._websocket.send(asked.SerializeToString())
        self.elements = []
        while not self._received().HasField("script_finished"):
            pass

    def press(self, label: str) -> None:
        """Press the button with this label."""
        button = next(found for found in self.of("button") if found.label == label)
        self.run(id=button.id, trigger_value=True)

    def select_first_point(self, chart: Any) -> None:  # noqa: ANN401 (a chart's message)
        """Press the first point of a chart, as far as its place and its own data tell a page."""
        trace = json.loads(chart.spec)["data"][0]
        named = {key: trace[key][0] for key in ("x", "y", "customdata") if isinstance(trace.get(key), list)}
        chosen = {"points": [named], "point_indices": [0], "box": [], "lasso": []}
        self.run(id=chart.id, string_value=json.dumps({"selection": chosen}))

    def of(self, kind: str) -> list[Any]:
        """The elements of a kind that the last run drew, by Streamlit's name for it."""
        return [getattr(element, kind) for element in self.elements if element.WhichOneof("type") == kind]

    def downloads(self) -> list[bytes]:
        """The content of every file that the page offers."""
        return [self._download(button) for button in self.of("download_button")]

    def _received(self) -> ForwardMsg:
        got = self._websocket.recv(timeout=SECONDS)
        assert isinstance(got, bytes)
        self.bytes += got
        message: ForwardMsg = ForwardMsg.FromString(got)
        if message.HasField("new_session"):
            self._session = message.new_session.initialize.session_id
        if message.HasField("delta") and message.delta.HasField("new_element"):
            self.elements.append(message.delta.new_element)
        return message

    def _download(self, button: Any) -> bytes:  # noqa: ANN401 (a button's message)
        url = button.url
        if button.HasField("deferred_file_id"):
            asked = BackMsg()
            asked.backend_operation_request.request_id = button.id
            asked.backend_operation_request.session_id = self._session
            asked.backend_operation_request.deferred_file.file_id = button.deferred_file_id
            self._websocket.send(asked.SerializeToString())
            while not (got := self._received()).HasField("backend_operation_response"):
                pass
            url = got.backend_operation_response.deferred_file.url
        assert url, "the page offers a file that it does not give"
        with urllib.request.urlopen(f"{self._address}{url}") as answer:  # noqa: S310 (our own address)
            body: bytes = answer.read()
        return body


@contextmanager
def visit(address: str, name: str, *, cookie: str = "", **query: str) -> Iterator[Page]:
    """A first visit to a page, as a browser makes it, with somebody's cookie where one is given."""
    stream = f"{address.replace('http', 'ws', 1)}/_stcore/stream"
    headers = {"Cookie": cookie} if cookie else {}
    with connect(stream, max_size=None, additional_headers=headers) as websocket:
        page = Page(address, websocket, name, urlencode(query))
        page.run()
        yield page
