"""A TCP port on loopback that nobody listens on."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Asks the system for one; it stays free until somebody else asks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
