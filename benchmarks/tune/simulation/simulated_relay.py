"""The relay in simulated time: its own scheduler, with replicas that take as long as the model says.

Queues, credits, batches, fan-out and backpressure are those of `workers.scheduling.scheduler`, which is pure. simpy is
the clock, and `SharedCores` says how fast replicas advance beside each other.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from benchmarks.tune.model.core_demand import CoreDemand
from benchmarks.tune.model.fit import RelayModel
from benchmarks.tune.model.profile import TracedJob
from benchmarks.tune.setting import Machine, Setting
from benchmarks.tune.simulation.processor_sharing import SharedCores
from benchmarks.tune.simulation.steady_state import Mark
from workers.scheduling.scheduler import Scheduler
from workers.scheduling.stage import StagePlan
from workers.wire import messages

if TYPE_CHECKING:
    import simpy

CLIENT = b"client"
T = TypeVar("T")


@dataclass
class SimulatedRequest:
    """One simulated request. Times are seconds on the simulated clock; `first_audio_s` counts from when it was due."""

    due_s: float
    ended_s: float = math.nan
    outcome: messages.OutcomeName | None = None
    first_audio_s: float | None = None

    @property
    def latency_s(self) -> float:
        """Seconds from when the request was due to its end."""
        return self.ended_s - self.due_s


@dataclass
class SimulatedRun:
    """A simulated run: its requests in their order, a mark at every good end, and the busy time of each stage."""

    requests: list[SimulatedRequest]
    marks: list[Mark]
    stage_busy_s: list[float]


class _SimulatedRelay:
    """Scheduler, replicas and clients on one simulated clock; the scheduler's delivery."""

    def __init__(self, model: RelayModel, plans: Sequence[StagePlan], setting: Setting, machine: Machine) -> None:
        import simpy  # `make demo` does not install it, and the help of what simulates is shown without

        self.env = simpy.Environment()
        self.cores = SharedCores(self.env, machine.cores)
        self.stage_busy_s = [0.0] * len(plans)
        self.marks = [Mark(0.0, 0.0)]
        self._gpus = [SharedCores(self.env, 1) for _ in range(machine.gpus)]
        self._model, self._setting = model, setting
        self._plans = [dataclasses.replace(p, threads=t) for p, t in zip(plans, setting.threads, strict=True)]
        self._scheduler = Scheduler(self._plans, self)
        self._inboxes: dict[str, simpy.Store] = {}
        self._outcomes: dict[str, simpy.Event] = {}
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
        self, name: str, job: TracedJob, request: SimulatedRequest, patient: bool
    ) -> Generator[simpy.Event, Any, None]:
        """Runs one client's request from when it is due to its end."""
        self._requests[name] = request
        submit = messages.Submit(name, messages.Meta(self._plans[0].accepts, job.cost))
        while True:
            self._outcomes[name] = self.env.event()
            self._scheduler.submit(CLIENT, submit, job, self.env.now)
            outcome: messages.Outcome = yield self._outcomes[name]
            if not (patient and outcome.outcome == "rejected" and outcome.retry_after_s):
                break
            yield self.env.timeout(outcome.retry_after_s / 2)  # as the client does
        request.outcome, request.ended_s = outcome.outcome, self.env.now

    def _replica(self, depth: int, name: str, number: int) -> Generator[simpy.Event, Any, None]:
        stage, threads = self._model.stages[depth], self._setting.threads[depth]
        cores = self._gpus[number % len(self._gpus)] if stage.gpu_speed else self.cores
        demand = CoreDemand(demand=1.0) if stage.gpu_speed else stage.core_demand(threads)
        while True:
            lease, jobs = yield self._inboxes[name].get()
            yield self.env.timeout(stage.gap_s)
            began = self.env.now
            batch_share = stage.in_batch(threads, len(jobs))
            seconds = [stage.alone_s(job, threads) * batch_share for job in jobs]
            together = len(jobs) > 1 and stage.ends_together(threads)
            if together:
                yield cores.run(sum(seconds), demand)
            for leased, job, job_s in zip(lease.jobs, jobs, seconds, strict=True):
                for index, (output, share) in enumerate(_shares(job)):
                    if not together:
                        yield cores.run(job_s * share, demand)
                    meta = messages.Meta(self._kind_after(depth), output.cost)
                    self._scheduler.output(messages.Output(name, leased.job, 1, index, meta), output, self.env.now)
                if not job.outputs and not together:
                    yield cores.run(job_s, demand)
            passed_s = self.env.now - began
            self.stage_busy_s[depth] += passed_s
            ends = tuple(
                messages.JobEnd(leased.job, 1, len(job.outputs), passed_s)
                for leased, job in zip(lease.jobs, jobs, strict=True)
            )
            self._scheduler.batch_ended(messages.BatchEnd(name, passed_s, ends), self.env.now)

    def _ticks(self, every_s: float) -> Generator[simpy.Event, Any, None]:
        while True:  # the scheduler hands out batches that it held back when it ticks
            yield self.env.timeout(every_s)
            self._scheduler.tick(self.env.now)

    def _kind_after(self, depth: int) -> Any:
        return self._plans[depth + 1].accepts if depth + 1 < len(self._plans) else "audio"

    # The scheduler's delivery.

    def to_client(self, client: bytes, message: messages.ToClient, *frames: Any) -> None:
        """Notes the first audio and the end of a request."""
        match message:
            case messages.Outcome(request):
                self._outcomes[request].succeed(message)
                if message.outcome == "ok":
                    self.marks.append(Mark(self.env.now, self.cores.busy_s))
            case messages.RequestOutput(request, _, path) if len(path) == len(self._plans):
                simulated = self._requests[request]
                if simulated.first_audio_s is None:
                    simulated.first_audio_s = self.env.now - simulated.due_s

    def to_replica(self, replica: str, message: messages.ToReplica, *frames: Any) -> None:
        """Hands work to a simulated replica."""
        if isinstance(message, messages.BatchLease):
            self._inboxes[replica].put((message, frames))

    def dead_letter(self, job: Any, stage: str, reason: str, log_tail: str) -> None:
        """Raises AssertionError: simulated replicas do not die."""
        raise AssertionError(reason)

    def deaths_explained(self, replicas: tuple[str, ...]) -> None:
        """Raises AssertionError: simulated replicas do not die."""
        raise AssertionError(replicas)


def _shares(job: TracedJob) -> Iterator[tuple[TracedJob, float]]:
    """Yields the outputs of a job, each with its share of the service time. A longer output takes longer."""
    total = sum(output.cost for output in job.outputs)
    for output in job.outputs:
        yield output, output.cost / total if total else 1 / len(job.outputs)


def simulate_open(
    model: RelayModel,
    plans: Sequence[StagePlan],
    setting: Setting,
    machine: Machine,
    requests: Sequence[TracedJob],
    arrivals_s: Sequence[float],
    patient: bool = False,
) -> SimulatedRun:
    """Simulates arrivals at given times in ascending order; a full relay rejects.

    A patient client sends its request again after a rejection.
    """
    relay = _SimulatedRelay(model, plans, setting, machine)
    simulated = [SimulatedRequest(due_s) for due_s in arrivals_s]

    def arrive() -> Generator[simpy.Event, Any, None]:
        for number, (job, request) in enumerate(zip(requests, simulated, strict=True)):
            yield relay.env.timeout(max(0.0, request.due_s - relay.env.now))
            running.append(relay.env.process(relay.request(str(number), job, request, patient)))

    running: list[simpy.Process] = []
    relay.env.run(relay.env.process(arrive()))
    return _finished(relay, running, simulated)


def simulate_closed(
    model: RelayModel,
    plans: Sequence[StagePlan],
    setting: Setting,
    machine: Machine,
    requests: Sequence[TracedJob],
    in_flight: int,
) -> SimulatedRun:
    """Simulates `in_flight` patient callers; each sends its next request when its last one has ended."""
    relay = _SimulatedRelay(model, plans, setting, machine)
    simulated = [SimulatedRequest(math.nan) for _ in requests]
    following = iter(enumerate(zip(requests, simulated, strict=True)))

    def caller() -> Generator[simpy.Event, Any, None]:
        for number, (job, request) in following:
            request.due_s = relay.env.now
            yield relay.env.process(relay.request(str(number), job, request, patient=True))

    return _finished(relay, [relay.env.process(caller()) for _ in range(in_flight)], simulated)


def _finished(relay: _SimulatedRelay, running: list[simpy.Process], simulated: list[SimulatedRequest]) -> SimulatedRun:
    relay.env.run(relay.env.all_of(running))
    return SimulatedRun(simulated, relay.marks, relay.stage_busy_s)


def cycled(requests: Sequence[T], count: int) -> list[T]:
    """Returns `count` requests, the given ones in turn, as a real run sends them."""
    return list(itertools.islice(itertools.cycle(requests), count))


def drawn(requests: Sequence[TracedJob], count: int, seed: int) -> list[TracedJob]:
    """Returns `count` requests, drawn with replacement."""
    return [requests[i] for i in np.random.default_rng(seed).integers(len(requests), size=count)]
