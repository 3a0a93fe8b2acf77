"""Sends requests on a schedule, or from a closed loop of callers, and takes a sample of each.

The open loop never waits for an answer: there is no cap on what is in flight. A rejected request is an outcome like any
other, and is not sent again.
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
import numpy as np

from benchmarks.load.figures.samples import RequestSample, SpanSample
from benchmarks.load.sending.arrivals import Arrival, Bound
from benchmarks.load.sending.clock import Clock
from errors import ConfigError
from modules.contract.payloads import Audio, Payload
from workers.client.result import Result

GIVEN_UP = "given up: it had not ended when the trial was over"


class Target(Protocol):
    """What is driven: a `workers.client.client.Client` or a `Pipeline`."""

    def submit(self, payload: Payload) -> Future[Result]:
        """Sends one request and returns at once."""


@dataclass(frozen=True, slots=True)
class InputClip:
    """An input, by its name."""

    name: str
    payload: Payload

    @property
    def seconds(self) -> float:
        """Length of the recording; 0 for text."""
        return self.payload.seconds if isinstance(self.payload, Audio) else 0.0


@dataclass(frozen=True, slots=True)
class WarmUp:
    """What is sent but left out of every figure: the first requests, or those scheduled within the first seconds."""

    requests: int = 0
    seconds: float = 0.0

    def covers(self, number: int, at_s: float) -> bool:
        """Whether request `number`, scheduled at `at_s`, belongs to it."""
        return number < self.requests or at_s < self.seconds


def clip_turns(clips: Sequence[InputClip], seed: int) -> Iterator[InputClip]:
    """The clips in turn, without end, each round shuffled anew.

    Rounds, and not independent draws, because every clip then comes equally often and a short run is not a lottery.
    """
    generator = np.random.default_rng([seed, 1])  # not the stream that the arrivals are drawn from
    while True:
        for index in generator.permutation(len(clips)):
            yield clips[index]


def choose_clips(clips: Sequence[InputClip], arrivals: Sequence[Arrival], seed: int) -> list[InputClip]:
    """A clip for every arrival: the one that its trace names, or else the next in turn.

    Raises:
        ConfigError: a trace names a clip that was not given.
    """
    by_name = {clip.name: clip for clip in clips}
    unknown = {arrival.clip for arrival in arrivals} - {"", *by_name}
    if unknown:
        raise ConfigError(f"the trace names clips that were not given: {', '.join(sorted(unknown))}; pass these files")
    turns = clip_turns(clips, seed)
    return [by_name[arrival.clip] if arrival.clip else next(turns) for arrival in arrivals]


class Driver:
    """One trial against one target.

    `samples` fills as requests end, `in_flight` is how many have not; `origin` is when the trial began, by its clock.
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
        """Prepares; nothing is sent yet.

        Args:
            target: where requests go.
            clock: time, and how to wait for it.
            trial: number that the samples carry.
            warm_up: which samples to mark as such.
            on_sample: called with each sample when its request has ended, from the thread that ends it.
        """
        self.samples: list[RequestSample] = []
        self._target, self._clock, self._trial, self._warm_up = target, clock, trial, warm_up
        self._on_sample = on_sample
        self.origin = clock.now()
        self._running: dict[int, tuple[Future[Result], InputClip, float, float]] = {}
        self._lock = threading.Lock()

    @property
    def in_flight(self) -> int:
        """Requests that have not ended."""
        return len(self._running)

    def open_loop(
        self, arrivals: Sequence[Arrival], clips: Sequence[InputClip], give_up_s: float
    ) -> list[RequestSample]:
        """Sends `clips[i]` at `arrivals[i]`; returns the samples of all once they have ended.

        What has not ended `give_up_s` after the last arrival is cancelled, and its sample says so.
        """
        self.origin = self._clock.now()
        for number, (arrival, clip) in enumerate(zip(arrivals, clips, strict=True)):
            self._clock.wait_until(self.origin + arrival.at_s)
            self._send(number, clip, arrival.at_s)
        return self._finish(give_up_s)

    def closed_loop(
        self, callers: int, turns: Iterator[InputClip], bound: Bound, give_up_s: float
    ) -> list[RequestSample]:
        """Keeps `callers` requests on their way until the bound; a request is scheduled when its caller is free."""
        self.origin = self._clock.now()
        end = self.origin + (math.inf if bound.seconds is None else bound.seconds)
        for number, clip in enumerate(itertools.islice(turns, bound.requests)):
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
            self._running[number] = (future, clip, scheduled_s, sent_s)
        future.add_done_callback(lambda ended: self._ended(number, ended))

    def _ended(self, number: int, future: Future[Result]) -> None:
        end_s = self._now_s()
        _, clip, scheduled_s, sent_s = self._running[number]
        result = None if future.cancelled() or future.exception() is not None else future.result()
        first_s = result.time_to_first_audio_s if result else None
        sample = RequestSample(
            trial=self._trial,
            number=number,
            clip=clip.name,
            clip_s=clip.seconds,
            warm_up=self._warm_up.covers(number, scheduled_s),
            scheduled_s=scheduled_s,
            sent_s=sent_s,
            first_audio_s=None if first_s is None else sent_s + first_s,
            end_s=end_s,
            outcome=result.outcome if result else ("cancelled" if future.cancelled() else "failed"),
            error=result.error if result else (GIVEN_UP if future.cancelled() else str(future.exception())),
            retry_after_s=result.retry_after_s if result else 0.0,
            spans=msgspec.convert(result.spans, tuple[SpanSample, ...], from_attributes=True) if result else (),
        )
        try:
            if self._on_sample is not None:
                self._on_sample(sample)
        finally:
            with self._lock:  # last and at once: whoever sees nothing in flight sees every sample
                del self._running[number]
                self.samples.append(sample)
            self._clock.woken()

    def _finish(self, give_up_s: float) -> list[RequestSample]:
        self._clock.wait_for(lambda: not self._running, self._clock.now() + give_up_s)
        with self._lock:
            left = [future for future, *_ in self._running.values()]
        for future in left:
            future.cancel()  # its callback takes the sample, unless it has just ended by itself
        self._clock.wait_for(lambda: not self._running)
        return sorted(self.samples, key=lambda sample: sample.number)
