"""A site for each test: a service with its source and database, and pages to visit."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import streamlit as st

from core.service import set_current
from tests.support.services import service_on
from tests.support.site import NOW, RECORDS, Site
from tests.support.standin import StandIn, conversations


@pytest.fixture
def make_site(database_url: str) -> Iterator[Callable[..., Site]]:
    """Build a site; variables of the environment replace or add to the service's."""
    with ExitStack() as stack:

        def build(records: int = RECORDS, **variables: str) -> Site:
            standin = stack.enter_context(StandIn(conversations(records)))
            service = stack.enter_context(service_on(database_url, standin, NOW, **variables))
            set_current(service)
            stack.callback(set_current, None)
            return Site(service, standin, database_url)

        st.cache_resource.clear()
        yield build


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """A site whose conversations are imported and as expected."""
    made = make_site(
        EXPECTED_CONVERSATIONS="200", EXPECTED_BOOKINGS="40", EXPECTED_LEADS="100", EXPECTED_ENGAGED="67"
    )
    assert made.import_all() == (1, "succeeded")
    return made
