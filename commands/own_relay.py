"""What a command needs of the pipeline that it starts; `pipeline.py`, which brings both together, hands it in."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Protocol

from workers.client.client import Client
from workers.supervisor.slot import SlotView


class Relay(Protocol):
    """A relay of our own; see `pipeline.Pipeline`."""

    ready_s: float | None

    def __enter__(self) -> Relay:
        """Starts it."""

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        """Stops it."""

    def start(self, on_change: Callable[[list[SlotView]], None] | None = None) -> None:
        """Starts it, telling of its replicas."""

    def stop(self, drain_s: float | None = None) -> None:
        """Ends it."""

    @property
    def client(self) -> Client:
        """Its client."""

    @property
    def address(self) -> str:
        """Where others dial in."""

    @property
    def metrics_url(self) -> str | None:
        """Where Prometheus scrapes, if anywhere."""


class OpenRelay(Protocol):
    """Makes the relay that the arguments ask for, without starting it."""

    def __call__(self, arguments: argparse.Namespace, quiet: bool = True) -> Relay:
        """See `pipeline.open_pipeline`."""
