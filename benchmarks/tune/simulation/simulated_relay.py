"""The relay in simulated time: its own scheduler, with replicas that only take as long as the fit says.

Queues, credits, batches, fan-out and backpressure are those of `workers.scheduling.scheduler`, which is pure; simpy is
the clock, and `Cores` says how fast the replicas get on beside each other.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import simpy

from benchmarks.tune.model.fit import RelayModel
from benchmarks.tune.model.profile import TracedJob
from benchmarks.tune.setting import Machine, Setting
from benchmarks.tune.simulation.processor_sharing import CoreDemand, Cores
from benchmarks.tune.simulation.steady_state import Mark
from workers.scheduling.scheduler import Scheduler
from workers.scheduling.stage import StagePlan
from workers.wire import messages

CLIENT = b"client"
T = TypeVar("T")


@dataclass
class SimulatedRequest:
    """How one simulated request ended; seconds on the simulated clock."""

    due_s: float
    ended_s: float = math.nan
    outcome: messages.OutcomeName | None = None
    first_audio_s: float | None = None

    @property
    def latency_s(self) -> float:
        """From when it was due to its end."""
        return self.ended_s - self.due_s


@dataclass
class SimulatedRun:
    """A run: how its requests ended, in their order; when, with the cores' busy time so far; and each stage's."""

    requests: list[SimulatedRequest]
    marks: list[Mark]
    stage_busy_s: list[float]


class _SimulatedRelay:
    """Scheduler, replicas and clients on one simulated clock; the scheduler's delivery."""

    def __init__(self, model: RelayModel, plans: Sequence[StagePlan], setting: Setting, machine: Machine) -> None:
        self.env = simpy.Environment()
        self.cores = Cores(self.env, machine.cores)
        self.stage_busy_s = [0.0] * len(plans)
        self.marks = [Mark(0.0, 0.0)]
        self._gpus = [Cores(self.env, 1) for _ in range(machine.gpus)]
        self._model, self._setting = model, setting
        self._plans = [dataclasses.replace(p, threads=t) for p, t in zip(plans, setting.threads, strict=True)]
        self._scheduler = Scheduler(self._plans, self)
        self._inboxes: dict[str, simpy.Store] = {}
        self._told: dict[str, simpy.Event] = {}
        self._requests: dict[str, SimulatedRequest] = {}
        for depth, count in enumerate(setting.replicas):
            for number in range(count):
                name = f"{plans[depth].name}-{number}"
                self._inboxes[name] = simpy.Store(self.env)
                self._scheduler.replica_ready(name, plans[depth].name, self.env.now)
                self.env.process(self._replica(depth, name, number))
        if any(plan.max_wait_s for plan in plans):
            self.env.process(self._ticks(min(plan.max_wait_s for plan in plans if plan.max_wait_s) / 4))

    def request(
        self, name: str, piece: TracedJob, ended: SimulatedRequest, patient: bool
    ) -> Generator[simpy.Event, Any, None]:
        """One client's request, from when it is due to its end."""
        self._requests[name] = ended
        submit = messages.Submit(name, messages.Meta(self._plans[0].accepts, piece.cost))
        while True:
            self._told[name] = self.env.event()
            self._scheduler.submit(CLIENT, submit, piece, self.env.now)
            outcome: messages.Outcome = yield self._told[name]
            if not (patient and outcome.outcome == "rejected" and outcome.retry_after_s):
                break
            yield self.env.timeout(outcome.retry_after_s / 2)  # as workers.client.client does
        ended.outcome, ended.ended_s = outcome.outcome, self.env.now

    def _replica(self, depth: int, name: str, number: int) -> Generator[simpy.Event, Any, None]:
        stage, threads = self._model.stages[depth], self._setting.threads[depth]
        place = self._gpus[number % len(self._gpus)] if stage.gpu_speed else self.cores
        load = CoreDemand(demand=1.0) if stage.gpu_speed else stage.load(threads)
        while True:
            work, pieces = yield self._inboxes[name].get()
            yield self.env.timeout(stage.gap_s)
            began = self.env.now
            batch_share = stage.in_batch(threads, len(pieces))
            seconds = [stage.alone_s(piece, threads) * batch_share for piece in pieces]
            together = len(pieces) > 1 and stage.together(threads)
            if together:
                yield place.run(sum(seconds), load)
            for item, piece, job_s in zip(work.jobs, pieces, seconds, strict=True):
                for index, (output, share) in enumerate(_shares(piece)):
                    if not together:
                        yield place.run(job_s * share, load)
                    meta = messages.Meta(self._kind_after(depth), output.cost)
                    self._scheduler.output(messages.Output(name, item.job, 1, index, meta), output, self.env.now)
                if not piece.outputs and not together:
                    yield place.run(job_s, load)
            passed_s = self.env.now - began
            self.stage_busy_s[depth] += passed_s
            done = tuple(
                messages.JobEnd(item.job, 1, len(piece.outputs), passed_s)
                for item, piece in zip(work.jobs, pieces, strict=True)
            )
            self._scheduler.batch_ended(messages.BatchEnd(name, passed_s, done), self.env.now)

    def _ticks(self, every_s: float) -> Generator[simpy.Event, Any, None]:
        while True:  # held-back batches are handed out by the scheduler's tick
            yield self.env.timeout(every_s)
            self._scheduler.tick(self.env.now)

    def _kind_after(self, depth: int) -> Any:
        return self._plans[depth + 1].accepts if depth + 1 < len(self._plans) else "audio"

    # what the scheduler sends

    def to_client(self, client: bytes, message: messages.ToClient, *frames: Any) -> None:
        """Notes the first audio and the end of a request."""
        match message:
            case messages.Outcome(request):
                self._told[request].succeed(message)
                if message.outcome == "ok":
                    self.marks.append(Mark(self.env.now, self.cores.busy_s))
            case messages.RequestOutput(request, _, path) if len(path) == len(self._plans):
                ended = self._requests[request]
                if ended.first_audio_s is None:
                    ended.first_audio_s = self.env.now - ended.due_s

    def to_replica(self, replica: str, message: messages.ToReplica, *frames: Any) -> None:
        """Hands work to a simulated replica."""
        if isinstance(message, messages.BatchLease):
            self._inboxes[replica].put((message, frames))

    def dead_letter(self, job: Any, stage: str, reason: str, log_tail: str) -> None:
        """Cannot be: simulated replicas do not die."""
        raise AssertionError(reason)


def _shares(piece: TracedJob) -> Iterator[tuple[TracedJob, float]]:
    """The outputs, each with its share of the service time: by its cost, since a longer output takes longer."""
    total = sum(output.cost for output in piece.outputs)
    for output in piece.outputs:
        yield output, output.cost / total if total else 1 / len(piece.outputs)


def simulate_open(
    model: RelayModel,
    plans: Sequence[StagePlan],
    setting: Setting,
    machine: Machine,
    requests: Sequence[TracedJob],
    arrivals_s: Sequence[float],
    patient: bool = False,
) -> SimulatedRun:
    """A run with arrivals at given times, in ascending order, whatever the relay does; a full relay rejects.

    Patient clients come again after a rejection.
    """
    relay = _SimulatedRelay(model, plans, setting, machine)
    ended = [SimulatedRequest(due_s) for due_s in arrivals_s]

    def arrive() -> Generator[simpy.Event, Any, None]:
        for number, (piece, one) in enumerate(zip(requests, ended, strict=True)):
            yield relay.env.timeout(max(0.0, one.due_s - relay.env.now))
            running.append(relay.env.process(relay.request(str(number), piece, one, patient)))

    running: list[simpy.Process] = []
    relay.env.run(relay.env.process(arrive()))
    return _finished(relay, running, ended)


def simulate_closed(
    model: RelayModel,
    plans: Sequence[StagePlan],
    setting: Setting,
    machine: Machine,
    requests: Sequence[TracedJob],
    in_flight: int,
) -> SimulatedRun:
    """A run of so many patient callers, each of which sends its next request when its last one has ended."""
    relay = _SimulatedRelay(model, plans, setting, machine)
    ended = [SimulatedRequest(math.nan) for _ in requests]
    following = iter(enumerate(zip(requests, ended, strict=True)))

    def caller() -> Generator[simpy.Event, Any, None]:
        for number, (piece, one) in following:
            one.due_s = relay.env.now
            yield relay.env.process(relay.request(str(number), piece, one, patient=True))

    return _finished(relay, [relay.env.process(caller()) for _ in range(in_flight)], ended)


def _finished(relay: _SimulatedRelay, running: list[simpy.Process], ended: list[SimulatedRequest]) -> SimulatedRun:
    relay.env.run(relay.env.all_of(running))
    return SimulatedRun(ended, relay.marks, relay.stage_busy_s)


def cycled(requests: Sequence[T], count: int) -> list[T]:
    """So many requests, the same ones in turn: what a real run sends."""
    return list(itertools.islice(itertools.cycle(requests), count))


def drawn(requests: Sequence[TracedJob], count: int, seed: int) -> list[TracedJob]:
    """So many requests, drawn with replacement."""
    return [requests[i] for i in np.random.default_rng(seed).integers(len(requests), size=count)]
