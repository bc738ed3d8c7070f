"""The app: one process and one port for dashboard and scheduler."""

from pathlib import Path

import streamlit as st

from core import service

app = st.App(Path(__file__).resolve().parent / "pages" / "_frame.py", lifespan=service.lifespan)

if __name__ == "__main__":
    app.run()
