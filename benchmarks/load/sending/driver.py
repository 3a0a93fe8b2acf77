"""The driver: sends requests on a schedule or from a closed loop, and takes a sample of each.

The open loop never waits for an answer, and nothing limits how many requests are in flight. A rejected request is an
outcome like any other and is not sent again.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

import msgspec

from benchmarks.load.figures.samples import RequestSample, SpanSample
from benchmarks.load.sending.arrivals import Arrival, Bound
from benchmarks.load.sending.clips import InputClip
from benchmarks.load.sending.clock import Clock
from modules.contract.payloads import Payload
from workers.client.result import Result

GIVEN_UP = "given up: it had not ended when the trial was over"


class Target(Protocol):
    """Takes requests: a `workers.client.client.Client` or a `Pipeline`."""

    def submit(self, payload: Payload) -> Future[Result]:
        """Sends one request and returns at once."""


@dataclass(frozen=True, slots=True)
class WarmUp:
    """The requests left out of every figure: the first ones, or those scheduled within the first seconds."""

    requests: int = 0
    seconds: float = 0.0

    def covers(self, number: int, at_s: float) -> bool:
        """Returns whether request `number`, scheduled at `at_s`, belongs to the warm-up."""
        return number < self.requests or at_s < self.seconds


@dataclass(frozen=True, slots=True)
class _InFlight:
    future: Future[Result]
    clip: InputClip
    scheduled_s: float
    sent_s: float


class Driver:
    """One trial against one target.

    `samples` grows as requests end, and `in_flight` is how many have not ended. `origin` is the beginning of the trial
    by the driver's clock.
    """

    def __init__(
        self,
        target: Target,
        clock: Clock,
        *,
        trial: int = 0,
        warm_up: WarmUp = WarmUp(),
        on_sample: Callable[[RequestSample], None] | None = None,
    ) -> None:
        """Prepares a trial; nothing is sent yet.

        Args:
            target: takes the requests.
            clock: tells the time and waits.
            trial: number that the samples carry.
            warm_up: which samples to mark as such.
            on_sample: called with each sample when its request has ended, from the thread that ends it.
        """
        self.samples: list[RequestSample] = []
        self._target, self._clock, self._trial, self._warm_up = target, clock, trial, warm_up
        self._on_sample = on_sample
        self.origin = clock.now()
        self._running: dict[int, _InFlight] = {}
        self._lock = threading.Lock()

    @property
    def in_flight(self) -> int:
        """Requests that have not ended."""
        return len(self._running)

    def open_loop(
        self, arrivals: Sequence[Arrival], clips: Sequence[InputClip], give_up_s: float
    ) -> list[RequestSample]:
        """Sends `clips[i]` at `arrivals[i]`, and returns all samples once every request has ended.

        A request that has not ended `give_up_s` after the last arrival is cancelled, and its sample says so.
        """
        self.origin = self._clock.now()
        for number, (arrival, clip) in enumerate(zip(arrivals, clips, strict=True)):
            self._clock.wait_until(self.origin + arrival.at_s)
            self._send(number, clip, arrival.at_s)
        return self._finish(give_up_s)

    def closed_loop(
        self, callers: int, clips: Iterator[InputClip], bound: Bound, give_up_s: float
    ) -> list[RequestSample]:
        """Keeps `callers` requests in flight until the bound; a request is scheduled when its caller is free."""
        self.origin = self._clock.now()
        end = self.origin + (math.inf if bound.seconds is None else bound.seconds)
        for number, clip in enumerate(itertools.islice(clips, bound.requests)):
            self._clock.wait_for(lambda: self.in_flight < callers, end)
            if self._clock.now() >= end:
                break
            self._send(number, clip, self._now_s())
        return self._finish(give_up_s)

    def _now_s(self) -> float:
        return self._clock.now() - self.origin

    def _send(self, number: int, clip: InputClip, scheduled_s: float) -> None:
        sent_s = self._now_s()
        future = self._target.submit(clip.payload)
        with self._lock:
            self._running[number] = _InFlight(future, clip, scheduled_s, sent_s)
        future.add_done_callback(lambda _: self._ended(number))

    def _ended(self, number: int) -> None:
        sample = self._sample(number, self._running[number], self._now_s())
        try:
            if self._on_sample is not None:
                self._on_sample(sample)
        finally:
            with self._lock:  # last and in one step: whoever sees nothing in flight sees every sample
                del self._running[number]
                self.samples.append(sample)
            self._clock.wake()

    def _sample(self, number: int, request: _InFlight, end_s: float) -> RequestSample:
        future = request.future
        result = None if future.cancelled() or future.exception() is not None else future.result()
        first_s = result.time_to_first_audio_s if result else None
        return RequestSample(
            trial=self._trial,
            number=number,
            clip=request.clip.name,
            clip_s=request.clip.seconds,
            warm_up=self._warm_up.covers(number, request.scheduled_s),
            scheduled_s=request.scheduled_s,
            sent_s=request.sent_s,
            first_audio_s=None if first_s is None else request.sent_s + first_s,
            end_s=end_s,
            outcome=result.outcome if result else ("cancelled" if future.cancelled() else "failed"),
            error=result.error if result else (GIVEN_UP if future.cancelled() else str(future.exception())),
            retry_after_s=result.retry_after_s if result else 0.0,
            spans=msgspec.convert(result.spans, tuple[SpanSample, ...], from_attributes=True) if result else (),
        )

    def _finish(self, give_up_s: float) -> list[RequestSample]:
        self._clock.wait_for(lambda: not self._running, self._clock.now() + give_up_s)
        with self._lock:
            left = [request.future for request in self._running.values()]
        for future in left:
            future.cancel()  # its callback takes the sample, unless the request has just ended by itself
        self._clock.wait_for(lambda: not self._running)
        return sorted(self.samples, key=lambda sample: sample.number)
