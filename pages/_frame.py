"""The frame around every page: menu, status line, filters."""

import streamlit as st

from core import ui

# Before the menu: a menu of icons makes the browser fetch one from a font host, unless there is one of ours.
st.set_page_config(page_icon=str(ui.FAVICON), layout="wide")
page = st.navigation(ui.pages())
st.set_page_config(page_title=f"{page.title} – {ui.TITLE}")
st.logo(str(ui.FAVICON), size="large")
ui.frame(page)
