"""The frame around every page."""

import streamlit as st

st.set_page_config(page_title="JointChiro Data Dashboard", layout="wide")
st.navigation([st.Page("overview.py", title="Overview", default=True)]).run()
