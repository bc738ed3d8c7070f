"""Answers leave at once."""

import socket

from core.nodelay import send_at_once


def test_connections_inherit_it_from_the_socket_that_listens() -> None:
    """A connection that comes after the call sends without waiting; other sockets are left alone."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_server(("127.0.0.1", 0)) as other:
        assert send_at_once(listening.getsockname()[1]) == 1
        with socket.create_connection(listening.getsockname()):
            accepted, _ = listening.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert not other.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
