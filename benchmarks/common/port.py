"""Finds a TCP port on loopback that nobody listens on."""

from __future__ import annotations

import contextlib
import random
import socket

from errors import MeasurementError

NAMED_ONLY = range(20_000, 32_000)  # below those that Linux gives to whoever asks for any (ip_local_port_range, ip(7))
TRIES = 100


def free_port() -> int:
    """Returns a port that is free on loopback, and stays free unless somebody names it.

    Raises:
        MeasurementError: none was found.
    """
    for port in random.sample(NAMED_ONLY, TRIES):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise MeasurementError(
        f"{TRIES} ports between {NAMED_ONLY.start} and {NAMED_ONLY.stop} are all in use; end what listens on them"
    )
