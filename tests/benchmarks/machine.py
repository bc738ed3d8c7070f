"""What the figures were measured on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psycopg

LIBRARIES = ("pyairtable", "psycopg", "SQLAlchemy", "streamlit", "pandas")


def described(url: str) -> str:
    """Cores, memory, system and versions, in one paragraph; `url` is a database of the measured server."""
    with psycopg.connect(url) as connection:
        postgres = connection.info.server_version // 10_000
    named = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, {platform.system()} "
        f"{platform.release()}; Python {platform.python_version()}, PostgreSQL {postgres}, {named}."
    )


def _processor() -> str:
    """The processor's name, where the system tells it."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text(encoding="utf-8").splitlines() if known.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
