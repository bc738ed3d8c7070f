"""Overview: is it fresh, complete, and how are we doing?"""

import streamlit as st

from core import service

report = service.current().stats()
st.title("Overview")
st.json(report.as_json())
