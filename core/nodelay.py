"""Answers that leave at once: without TCP_NODELAY a page's last message waits 40 ms for an acknowledgement.

asyncio sets it on connections whose socket names its protocol, and Streamlit's listening socket names none.
Connections inherit it from the socket that listens (Linux).
"""

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

FOLDER = Path("/proc/self/fd")


def send_at_once(port: int) -> int:
    """Set TCP_NODELAY on this process's sockets that are bound to the port; answers on how many."""
    return sum(_set(int(entry.name), port) for entry in FOLDER.iterdir()) if FOLDER.is_dir() else 0


def _set(number: int, port: int) -> bool:
    with suppress(OSError):  # closed meanwhile, or no TCP
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            return False
        with socket.socket(fileno=os.dup(number)) as found:
            if found.family not in {socket.AF_INET, socket.AF_INET6} or found.getsockname()[1] != port:
                return False
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return True
    return False
