"""The requests that were admitted and have not ended: their outputs, their deadlines and their ends."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator

from workers.scheduling.delivery import Delivery
from workers.scheduling.observer import Observer
from workers.scheduling.request import Request
from workers.scheduling.stage_table import StageTable
from workers.wire.messages import AbandonJob, JobPath, JobStarted, Outcome, OutcomeName, RequestOutput, Spans
from workers.wire.shorten import shorten

SPANS_A_MESSAGE = 1000  # so that a message stays far below the limit of its header


class OpenRequests:
    """Requests by id. Only this class sends a client an output or an outcome."""

    def __init__(self, stages: StageTable, delivery: Delivery, observer: Observer) -> None:
        self._stages, self._last = stages.in_order, stages.last
        self._delivery, self._observer = delivery, observer
        self._requests: dict[str, Request] = {}
        self._deadlines: list[tuple[float, int, str]] = []  # a heap; the number breaks ties
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[Request]:
        """The requests that are open now; they may be ended on the way."""
        return iter(list(self._requests.values()))

    def get(self, request_id: str) -> Request | None:
        """The request with this id, or None."""
        return self._requests.get(request_id)

    def add(self, request: Request) -> None:
        """Adds a request that was admitted."""
        self._requests[request.id] = request
        if request.deadline_at < math.inf:
            heapq.heappush(self._deadlines, (request.deadline_at, next(self._numbers), request.id))

    def started(self, request: Request, place: int, path: JobPath) -> None:
        """Tells the client that a job was leased, if it asked for progress."""
        if request.progress:
            self._delivery.to_client(request.client, JobStarted(request.id, self._stages[place].plan.name, path))

    def release(self, request: Request, now: float) -> None:
        """Sends the outputs that are due in path order.

        A client that asked for no progress gets its texts together with the next output of the last stage.
        """
        if request.progress or request.order.is_due(self._last):
            self._send_due(request, now)

    def _send_due(self, request: Request, now: float) -> None:
        for path, (meta, frame) in request.order.release():
            place = len(path) - 1
            output = RequestOutput(request.id, self._stages[place].plan.name, path, meta)
            self._delivery.to_client(request.client, output, frame)
            if place == self._last:
                self._observer.audio_out(request, meta, now)

    def refuse(self, request: Request, outcome: OutcomeName, reason: str, retry_after_s: float, now: float) -> None:
        """Ends a request that was not admitted."""
        self._observer.request_ended(request, outcome, now)
        self._delivery.to_client(request.client, Outcome(request.id, outcome, shorten(reason), retry_after_s, ()))

    def end(self, request: Request, outcome: OutcomeName, reason: str, now: float) -> None:
        """Ends an open request: drops its jobs, sends the outputs that are due, its spans and then its outcome."""
        self._observer.request_ended(request, outcome, now)
        self.forget(request)
        self._send_due(request, now)
        spans = tuple(request.spans)
        while len(spans) > SPANS_A_MESSAGE:
            self._delivery.to_client(request.client, Spans(request.id, spans[:SPANS_A_MESSAGE]))
            spans = spans[SPANS_A_MESSAGE:]
        self._delivery.to_client(request.client, Outcome(request.id, outcome, shorten(reason), 0.0, spans))

    def forget(self, request: Request) -> None:
        """Removes a request and tells its client nothing. Its queued jobs leave, and replicas abandon the others."""
        for job in request.jobs.values():
            if job.replica is None:
                self._stages[job.stage].queue.remove(job)
            else:
                self._delivery.to_replica(job.replica, AbandonJob(job.id))
        request.jobs.clear()
        self._requests.pop(request.id, None)

    def pop_overdue(self, now: float) -> Iterator[Request]:
        """Yields the open requests whose deadline has passed; each deadline is seen once."""
        while self._deadlines and self._deadlines[0][0] <= now:
            request = self._requests.get(heapq.heappop(self._deadlines)[2])
            if request is not None and request.deadline_at <= now:
                yield request

    def next_deadline_at(self) -> float:
        """When the next deadline passes; infinite when there is none."""
        return self._deadlines[0][0] if self._deadlines else math.inf
