"""The frame around every page: menu, status line, filters."""

import streamlit as st

from core import ui

page = st.navigation(ui.pages())
st.set_page_config(page_title=f"{page.title} – {ui.TITLE}", page_icon=str(ui.FAVICON), layout="wide")
st.logo(str(ui.FAVICON), size="large")
ui.frame(page)
