"""The relay that a command starts for itself, as commands see it.

`pipeline.Pipeline` is one. It stands above `commands`, so `pipeline.py` hands the function that makes it to the
commands that need it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from errors import RelayError
    from workers.client import Client
    from workers.supervisor.replica_view import ReplicaView


class OwnRelay(Protocol):
    """A relay with its processes, from `start` to `stop`; see `pipeline.Pipeline`."""

    ready_s: float | None

    def __enter__(self) -> OwnRelay:
        """Starts it."""

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        """Stops it."""

    def start(self, on_change: Callable[[list[ReplicaView]], None] | None = None) -> None:
        """Starts it and returns once it is ready; `on_change` is called with the replicas meanwhile."""

    def on_failure(self, call: Callable[[RelayError], None]) -> None:
        """Calls back once if it ends by itself, with the reason."""

    def stop(self, drain_s: float | None = None) -> None:
        """Stops it; accepted requests have `drain_s` seconds to finish."""

    @property
    def client(self) -> Client:
        """Returns the client of this relay."""

    @property
    def address(self) -> str:
        """Returns the address that other clients connect to."""

    @property
    def metrics_url(self) -> str | None:
        """Returns the URL that Prometheus scrapes, or None when no metrics are served."""


class MakeOwnRelay(Protocol):
    """Makes the relay that the arguments ask for, and does not start it."""

    def __call__(self, arguments: argparse.Namespace, quiet: bool = True) -> OwnRelay:
        """Checks the configuration; `quiet` keeps the processes' logs out of standard error."""
