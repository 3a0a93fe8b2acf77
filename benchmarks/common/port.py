"""A TCP port on loopback that nobody listens on."""

from __future__ import annotations

import contextlib
import random
import socket

NAMED_ONLY = range(20_000, 32_000)  # below those that Linux gives to whoever asks for any (ip_local_port_range, ip(7))
TRIES = 100


def free_port() -> int:
    """A port that is free on loopback, and stays so unless somebody names it.

    Raises:
        SystemExit: none was found.
    """
    for port in random.sample(NAMED_ONLY, TRIES):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise SystemExit(f"{TRIES} ports from {NAMED_ONLY.start} on are all in use")
