"""The events of one request as an iterator."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from concurrent.futures import Future

from workers.client.result import Event, Result


class Stream:
    """The events of one request in order, as they happen; `result` is how it ended."""

    def __init__(self) -> None:
        """Waits for nothing yet; `Client.stream` calls `follow`."""
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self.future: Future[Result] = Future()

    def put(self, event: Event) -> None:
        """Adds an event."""
        self._events.put(event)

    def follow(self, future: Future[Result]) -> None:
        """Ends the iteration when the future ends."""
        self.future = future
        future.add_done_callback(lambda _: self._events.put(None))

    def __iter__(self) -> Iterator[Event]:
        while (event := self._events.get()) is not None:
            yield event

    def result(self, timeout_s: float | None = None) -> Result:
        """Waits for the outcome.

        Raises:
            TimeoutError: it has not come within `timeout_s`.
        """
        return self.future.result(timeout_s)
