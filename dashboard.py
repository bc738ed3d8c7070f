"""The app: one process and one port for dashboard, API and scheduler."""

from pathlib import Path

import streamlit as st
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route

from core import access, api, emptiness, frame, panels, questions, server  # noqa: F401 (what pages import is loaded before the first visitor)


def address() -> server.Address:
    """Where Streamlit's server listens; without an address it listens everywhere."""
    return server.Address(st.get_option("server.address") or "0.0.0.0", st.get_option("server.port"))  # noqa: S104 (recognised, not bound)


def overview(request: Request) -> RedirectResponse:
    """The default page's own name: Streamlit serves that page at the root alone."""
    return RedirectResponse(str(request.url.replace(path="/", scheme="", netloc="")))


app = st.App(
    Path(__file__).resolve().parent / "pages" / "_frame.py",
    routes=[Route("/overview", overview)],
    lifespan=server.lifespan(address, questions.renew),
    middleware=[*access.middleware(), *api.middleware()],
)

if __name__ == "__main__":
    app.run()
