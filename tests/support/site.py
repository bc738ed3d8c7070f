"""Pages without a browser: Streamlit's AppTest on a real service, database and stand-in."""

from dataclasses import dataclass
from datetime import timedelta

import psycopg
from streamlit.testing.v1 import AppTest

from core.importer import Order
from core.runs import Mode, Trigger
from core.service import Service
from core.settings import ROOT
from tests.support.services import ended
from tests.support.standin import START, StandIn

RECORDS = 200
NOW = START + timedelta(hours=1)


@dataclass(slots=True)
class Site:
    """A service with its source and database, and visits to its pages."""

    service: Service
    standin: StandIn
    url: str

    def visit(self, page: str = "overview", **query: str) -> AppTest:
        """A first visit by link; a traceback on the page is the test's failure."""
        app = AppTest.from_file(str(ROOT / "pages" / "_frame.py"), default_timeout=20)
        app.query_params.update(query)
        if page != "overview":
            app.switch_page(f"{page}.py")
        return self.look(app.run())

    def look(self, app: AppTest) -> AppTest:
        """Make sure that the page shows no traceback."""
        assert [error.message for error in app.exception] == []
        return app

    def import_all(self, mode: Mode = Mode.FULL, *, allow: bool = False) -> tuple[int, str]:
        """An import run to its end: its id and status."""
        order = Order(mode, Trigger.MANUAL, "cli:test", allow_mass_delete=allow)
        import_id = self.service.start_import(order)
        return import_id, ended(self.service, import_id)

    def ask(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Ask the database directly."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def change(self, statement: str, *values: object) -> None:
        """Change the database directly."""
        with psycopg.connect(self.url) as connection:
            connection.execute(statement.encode(), values)


def said(app: AppTest) -> str:
    """Every text on the page, the sidebar apart."""
    page = app.main
    texts = (page.title, page.header, page.subheader, page.markdown, page.caption)
    boxes = (page.info, page.error, page.warning, page.success)
    parts = [str(element.value) for elements in (*texts, *boxes) for element in elements]
    return "\n".join(parts + [link.proto.label for link in page.page_link])
