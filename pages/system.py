"""System: is every part at work, with which settings, and what do the logs say?"""

import streamlit as st

from core import __version__, actions, grids, live, logviewer, panels, questions, readable, visit, words
from core.settings import variables
from core.standing import Standing


def health(standing: Standing) -> None:
    """Each part, whether it works, and what there is to know of it."""
    st.table(readable.parts(questions.health(), standing, view.told), border="horizontal", hide_index=True)


def connection() -> None:
    """Ask Airtable for one page, and check each column."""
    st.header(f"Connection to {view.source}", anchor=False)
    # As plain text: in Markdown its address would become a link.
    st.text(f"Source: {view.settings.source}")
    report = actions.connection_test()
    if report is None:
        return
    if report.ok:
        latency = words.duration((report.latency_ms or 0) / 1000)
        who = f"{view.source[0].upper()}{view.source[1:]}"
        st.success(f"{who} answered in {latency}; every column is there.", icon=":material/check_circle:")
    else:
        st.error(words.plain(report.message or ""), icon=":material/error:")
    if report.fields or report.missing_fields:
        columns = readable.columns(view.settings.columns, report)
        st.table(columns, border="horizontal", hide_index=True)


view = visit.view()
panels.heading("System", "Is every part at work, and what do the logs say?")
live.show(health)
connection()
logviewer.draw(view.settings, database_up=True)

st.header("Settings in force", anchor=False)
st.caption(
    f"Version {__version__}. From the environment and .env; secrets say only that they are set. "
    "A change takes effect at the next start."
)
known = readable.settings(variables(view.settings))
grids.draw("Settings in force", known)
grids.save("Settings in force", known)
