"""The frame around every page: menu, status line, filters."""

import streamlit as st

from core import frame

# Before the menu: a menu of icons makes the browser fetch one from a font host, unless there is one of ours.
st.set_page_config(page_icon=str(frame.FAVICON), layout="wide")
page = st.navigation(frame.pages())
st.set_page_config(page_title=f"{page.title} – {frame.TITLE}")
st.logo(str(frame.FAVICON), size="large")
frame.around(page)
