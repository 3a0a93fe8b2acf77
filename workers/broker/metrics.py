"""The relay's metrics: counted on the broker's thread as events happen, made into Prometheus families on request."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import get_args

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from workers.broker.histogram import Histogram, second_edges
from workers.scheduling.observer import Observer
from workers.scheduling.request import Job, Request
from workers.wire.messages import JobEnd, Meta, OutcomeName, ReplicaState, ReplicaStatus, RestartCause, StageInfo
from workers.wire.public_id import public_id

BATCH_EDGES = (1, 2, 4, 8, 16, 32, 64, 128)
OUTCOMES: tuple[OutcomeName, ...] = get_args(OutcomeName)
JOB_OUTCOMES = tuple(outcome for outcome in OUTCOMES if outcome != "rejected")  # a rejected request never has a job
STATES: tuple[ReplicaState, ...] = get_args(ReplicaState)
CAUSES: tuple[RestartCause, ...] = get_args(RestartCause)


@dataclass(slots=True)
class _StageCounts:
    """The counts of one stage."""

    name: str
    queue: Histogram
    service: Histogram
    batch: Histogram = field(default_factory=lambda: Histogram(BATCH_EDGES))
    busy_s: float = 0.0
    jobs: dict[OutcomeName, int] = field(default_factory=lambda: dict.fromkeys(JOB_OUTCOMES, 0))
    restarts: dict[RestartCause, int] = field(default_factory=lambda: dict.fromkeys(CAUSES, 0))


@dataclass(slots=True)
class _ReplicaGauges:
    """The last reported state of a replica. `draining` stays true once it was asked to drain."""

    stage: str
    state: ReplicaState
    rss_bytes: int = 0
    draining: bool = False


class Metrics(Observer):
    """Counts what the scheduler and the broker report. One thread uses it."""

    def __init__(self, stages: Iterable[str], objectives_s: Sequence[float]) -> None:
        """Starts at zero.

        Args:
            stages: the names of the stages, in the order of the relay.
            objectives_s: latencies in seconds that get a bucket edge of their own.
        """
        edges = second_edges(objectives_s)
        self._stages = [_StageCounts(name, Histogram(edges), Histogram(edges)) for name in stages]
        self._by_name = {stage.name: stage for stage in self._stages}
        self._requests: dict[OutcomeName, int] = dict.fromkeys(OUTCOMES, 0)
        self._request = Histogram(edges)
        self._first_audio = Histogram(edges)
        self._audio_in_s = self._audio_out_s = 0.0
        self._replicas: dict[str, _ReplicaGauges] = {}
        self._internal_errors = 0

    # from the scheduler

    def accepted(self, meta: Meta) -> None:
        """A request was admitted."""
        if meta.kind == "audio":
            self._audio_in_s += meta.cost

    def batch_ended(self, stage: int, jobs: int, busy_s: float) -> None:
        """A replica finished a batch of `jobs` jobs, which it computed for `busy_s`."""
        counted = self._stages[stage]
        counted.batch.observe(jobs)
        counted.busy_s += busy_s

    def job_ended(self, job: Job, ended: JobEnd, now: float) -> None:
        """A replica finished a job whose request was still open."""
        counted, request = self._stages[job.stage], public_id(job.request.id)
        counted.queue.observe(job.leased_at - job.queued_at, request, now)
        if ended.expired:
            counted.jobs["expired"] += 1
            return
        counted.service.observe(ended.service_s, request, now)
        counted.jobs["failed" if ended.error else "ok"] += 1

    def audio_out(self, request: Request, meta: Meta, now: float) -> None:
        """A piece of the request's answer was sent to its client."""
        if meta.kind != "audio":
            return
        self._audio_out_s += meta.cost
        if request.silent_s is None:
            return
        if meta.silence_s < meta.cost:
            first_s = now - request.submitted_at + request.silent_s + meta.silence_s
            self._first_audio.observe(first_s, public_id(request.id), now)
            request.silent_s = None
        else:
            request.silent_s += meta.cost

    def request_ended(self, request: Request, outcome: OutcomeName, now: float) -> None:
        """A request ended, perhaps at admission; its open jobs end with the same outcome."""
        self._requests[outcome] += 1
        for job in request.jobs.values():
            self._stages[job.stage].jobs[outcome] += 1
        if outcome == "ok":
            self._request.observe(now - request.submitted_at, public_id(request.id), now)

    # from the broker

    def replica_status(self, status: ReplicaStatus) -> None:
        """A replica reported its state, or left."""
        if status.state == "dead":
            self.replica_gone(status.replica)
            return
        replica = self._replicas.setdefault(status.replica, _ReplicaGauges(status.stage, status.state))
        replica.state = status.state
        replica.rss_bytes = status.rss_bytes or replica.rss_bytes

    def draining(self, replica: str) -> None:
        """A replica was asked to drain."""
        if replica in self._replicas:
            self._replicas[replica].draining = True

    def replica_gone(self, replica: str) -> None:
        """A replica's process has ended, or is taken for dead."""
        self._replicas.pop(replica, None)

    def replica_restarting(self, stage: str, cause: RestartCause) -> None:
        """A replica of the stage ended and is replaced."""
        self._by_name[stage].restarts[cause] += 1

    def internal_error(self) -> None:
        """A step of the broker raised, and the broker went on."""
        self._internal_errors += 1

    # for Prometheus

    def families(self, stages: Iterable[StageInfo], busy_replicas: Collection[str]) -> list[Metric]:
        """Returns every metric with its current value.

        Args:
            stages: the stages' state.
            busy_replicas: the replicas that hold jobs now; their own reports come only once a second.
        """
        offset_s = time.time() - time.monotonic()
        return [
            *self._stage_counts(offset_s),
            *self._request_counts(offset_s),
            *self._gauges(list(stages), busy_replicas),
        ]

    def _stage_counts(self, offset_s: float) -> list[Metric]:
        queue = _histogram("relevo_stage_queue_seconds", "Time that jobs waited for a replica.", stage=True)
        service = _histogram("relevo_stage_service_seconds", "Time that replicas computed a job.", stage=True)
        batch = HistogramMetricFamily("relevo_stage_batch_size", "Jobs in a batch.", labels=["stage"])
        busy = CounterMetricFamily(
            "relevo_stage_busy_seconds", "Time that replicas computed, added when a batch ends.", labels=["stage"]
        )
        jobs = CounterMetricFamily(
            "relevo_stage_jobs",
            "Jobs that ended, by their own outcome or that of their request.",
            labels=["stage", "outcome"],
        )
        restarts = CounterMetricFamily(
            "relevo_replica_restarts",
            "Replicas that ended and were replaced: killed by a signal, exited, stuck, or over their memory limit.",
            labels=["stage", "cause"],
        )
        for stage in self._stages:
            label = [stage.name]
            queue.add_metric(label, stage.queue.buckets(offset_s), stage.queue.sum)
            service.add_metric(label, stage.service.buckets(offset_s), stage.service.sum)
            batch.add_metric(label, stage.batch.buckets(offset_s), stage.batch.sum)
            busy.add_metric(label, stage.busy_s)
            for outcome, count in stage.jobs.items():
                jobs.add_metric([stage.name, outcome], count)
            for cause, count in stage.restarts.items():
                restarts.add_metric([stage.name, cause], count)
        return [queue, service, batch, busy, jobs, restarts]

    def _request_counts(self, offset_s: float) -> list[Metric]:
        requests = CounterMetricFamily(
            "relevo_requests", "Requests that ended, at admission or later, by outcome.", labels=["outcome"]
        )
        for outcome, count in self._requests.items():
            requests.add_metric([outcome], count)
        request = _histogram("relevo_request_seconds", "Time from a request's arrival to its end, if it ended ok.")
        request.add_metric([], self._request.buckets(offset_s), self._request.sum)
        first_audio = _histogram(
            "relevo_time_to_first_audio_seconds",
            "Time from a request's arrival to the first audible sample of its answer, leading silence included.",
        )
        first_audio.add_metric([], self._first_audio.buckets(offset_s), self._first_audio.sum)
        audio = CounterMetricFamily(
            "relevo_audio_seconds", "Audio of admitted requests (in) and of answers (out).", labels=["direction"]
        )
        audio.add_metric(["in"], self._audio_in_s)
        audio.add_metric(["out"], self._audio_out_s)
        errors = CounterMetricFamily(
            "relevo_internal_errors", "Steps of the broker that raised; each is in its log, and a fault to report."
        )
        errors.add_metric([], self._internal_errors)
        return [requests, request, first_audio, audio, errors]

    def _gauges(self, stages: Sequence[StageInfo], busy_replicas: Collection[str]) -> list[Metric]:
        depth = GaugeMetricFamily("relevo_stage_queue_depth", "Jobs that wait for a replica.", labels=["stage"])
        inflight = GaugeMetricFamily("relevo_stage_inflight", "Jobs that are leased to replicas.", labels=["stage"])
        replicas = GaugeMetricFamily(
            "relevo_replicas",
            "Replicas by state; dead are wanted and missing.",
            labels=["stage", "state"],
        )
        rss = GaugeMetricFamily(
            "relevo_replica_rss_bytes", "Resident memory of the stage's replicas together.", labels=["stage"]
        )
        for stage in stages:
            mine = {name: known for name, known in self._replicas.items() if known.stage == stage.name}
            states = Counter(_state(known, name in busy_replicas) for name, known in mine.items())
            staying = sum(not known.draining for known in mine.values())
            states["dead"] = max(0, stage.replicas - staying)
            for state in STATES:
                replicas.add_metric([stage.name, state], states[state])
            depth.add_metric([stage.name], stage.queued)
            inflight.add_metric([stage.name], stage.in_service)
            rss.add_metric([stage.name], sum(known.rss_bytes for known in mine.values()))
        return [depth, inflight, replicas, rss]


def _histogram(name: str, documentation: str, *, stage: bool = False) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, documentation, labels=["stage"] if stage else [])


def _state(replica: _ReplicaGauges, busy: bool) -> ReplicaState:
    if replica.draining:
        return "draining"
    if replica.state in ("ready", "busy"):
        return "busy" if busy else "ready"
    return replica.state
