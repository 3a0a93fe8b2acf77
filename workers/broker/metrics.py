"""The relay's metrics: counted on the broker's thread as things happen, made into Prometheus families when asked."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import get_args

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from workers.broker.histogram import Histogram, second_edges
from workers.scheduling.observer import Observer
from workers.scheduling.stage_queue import Job, Request
from workers.wire.messages import JobEnd, Meta, OutcomeName, ReplicaState, ReplicaStatus, RestartCause, StageInfo

BATCH_EDGES = (1, 2, 4, 8, 16, 32, 64, 128)
OUTCOMES: tuple[OutcomeName, ...] = get_args(OutcomeName)
JOB_OUTCOMES = tuple(outcome for outcome in OUTCOMES if outcome != "rejected")  # the door is before every job
STATES: tuple[ReplicaState, ...] = get_args(ReplicaState)
CAUSES: tuple[RestartCause, ...] = get_args(RestartCause)


@dataclass(slots=True)
class _Stage:
    """What is counted of one stage."""

    name: str
    queue: Histogram
    service: Histogram
    batch: Histogram = field(default_factory=lambda: Histogram(BATCH_EDGES))
    busy_s: float = 0.0
    jobs: dict[OutcomeName, int] = field(default_factory=lambda: dict.fromkeys(JOB_OUTCOMES, 0))
    restarts: dict[RestartCause, int] = field(default_factory=lambda: dict.fromkeys(CAUSES, 0))


@dataclass(slots=True)
class _Replica:
    """What a replica last said; `retiring` once it was told to drain, whatever it says since."""

    stage: str
    state: ReplicaState
    rss_bytes: int = 0
    retiring: bool = False


class Metrics(Observer):
    """Everything that is counted. All of it belongs to one thread."""

    def __init__(self, stages: Iterable[str], objectives_s: Sequence[float]) -> None:
        """Takes the stages' names in order, and the latencies in seconds that get a bucket's edge."""
        edges = second_edges(objectives_s)
        self._stages = [_Stage(name, Histogram(edges), Histogram(edges)) for name in stages]
        self._by_name = {stage.name: stage for stage in self._stages}
        self._requests: dict[OutcomeName, int] = dict.fromkeys(OUTCOMES, 0)
        self._request = Histogram(edges)
        self._first_audio = Histogram(edges)
        self._audio_in_s = self._audio_out_s = 0.0
        self._replicas: dict[str, _Replica] = {}

    # what the scheduler tells

    def accepted(self, meta: Meta) -> None:
        """A request was accepted at the door."""
        if meta.kind == "audio":
            self._audio_in_s += meta.cost

    def batch_ended(self, stage: int, jobs: int, busy_s: float) -> None:
        """A replica computed a batch of so many jobs for `busy_s`."""
        counted = self._stages[stage]
        counted.batch.observe(jobs)
        counted.busy_s += busy_s

    def job_ended(self, job: Job, ended: JobEnd, now: float) -> None:
        """A replica came to the end of a job that was still wanted."""
        counted, request = self._stages[job.stage], job.request.id
        counted.queue.observe(job.handed_at - job.queued_at, request, now)
        if ended.expired:
            counted.jobs["expired"] += 1
            return
        counted.service.observe(ended.service_s, request, now)
        counted.jobs["failed" if ended.error else "ok"] += 1

    def audio_out(self, request: Request, meta: Meta, now: float) -> None:
        """A piece of the request's answer goes to the client."""
        if meta.kind != "audio":
            return
        self._audio_out_s += meta.cost
        if request.silent_s is None:
            return
        if meta.silence_s < meta.cost:
            first_s = now - request.submitted_at + request.silent_s + meta.silence_s
            self._first_audio.observe(first_s, request.id, now)
            request.silent_s = None
        else:
            request.silent_s += meta.cost

    def request_ended(self, request: Request, outcome: OutcomeName, now: float) -> None:
        """A request ended, maybe at the door; the jobs that it still has end as it does."""
        self._requests[outcome] += 1
        for job in request.jobs.values():
            self._stages[job.stage].jobs[outcome] += 1
        if outcome == "ok":
            self._request.observe(now - request.submitted_at, request.id, now)

    # what the broker hears of replicas

    def replica_status(self, status: ReplicaStatus) -> None:
        """A replica gave a sign of life, or said farewell."""
        if status.state == "dead":
            self.gone(status.replica)
            return
        replica = self._replicas.setdefault(status.replica, _Replica(status.stage, status.state))
        replica.state = status.state
        replica.rss_bytes = status.rss_bytes or replica.rss_bytes

    def retiring(self, replica: str) -> None:
        """A replica was told to drain."""
        if replica in self._replicas:
            self._replicas[replica].retiring = True

    def gone(self, replica: str) -> None:
        """A replica's process has ended, or is taken for gone."""
        self._replicas.pop(replica, None)

    def restarting(self, stage: str, cause: RestartCause) -> None:
        """A replica of the stage ended and gets a successor."""
        self._by_name[stage].restarts[cause] += 1

    # what Prometheus is told

    def families(self, stages: Iterable[StageInfo], at_work: Collection[str]) -> list[Metric]:
        """Every metric as it stands now.

        Args:
            stages: the stages' state.
            at_work: the replicas that have work in hand, which they themselves tell only once a second.
        """
        offset_s = time.time() - time.monotonic()
        queue = _histogram("relevo_stage_queue_seconds", "Time that jobs waited for a replica.", stage=True)
        service = _histogram("relevo_stage_service_seconds", "Time that jobs were computed.", stage=True)
        batch = HistogramMetricFamily("relevo_stage_batch_size", "Jobs handed out at once.", labels=["stage"])
        busy = CounterMetricFamily(
            "relevo_stage_busy_seconds", "Time that replicas computed, added when a batch ends.", labels=["stage"]
        )
        jobs = CounterMetricFamily(
            "relevo_stage_jobs",
            "Jobs ended, by their own outcome or that of their request.",
            labels=["stage", "outcome"],
        )
        restarts = CounterMetricFamily(
            "relevo_replica_restarts",
            "Replicas that ended and got a successor: killed by a signal, exited, stuck, or over their memory limit.",
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
        requests = CounterMetricFamily(
            "relevo_requests", "Requests ended, at the door or later, by outcome.", labels=["outcome"]
        )
        for outcome, count in self._requests.items():
            requests.add_metric([outcome], count)
        request = _histogram("relevo_request_seconds", "From a request's arrival to its end, of those that ended ok.")
        request.add_metric([], self._request.buckets(offset_s), self._request.sum)
        first_audio = _histogram(
            "relevo_time_to_first_audio_seconds",
            "From a request's arrival to the first audible sample of its answer, leading silence included.",
        )
        first_audio.add_metric([], self._first_audio.buckets(offset_s), self._first_audio.sum)
        audio = CounterMetricFamily(
            "relevo_audio_seconds", "Audio of accepted requests (in) and of answers (out).", labels=["direction"]
        )
        audio.add_metric(["in"], self._audio_in_s)
        audio.add_metric(["out"], self._audio_out_s)
        counted: list[Metric] = [queue, service, batch, busy, jobs, restarts, requests, request, first_audio, audio]
        return [*counted, *self._gauges(list(stages), at_work)]

    def _gauges(self, stages: Sequence[StageInfo], at_work: Collection[str]) -> list[Metric]:
        depth = GaugeMetricFamily("relevo_stage_queue_depth", "Jobs that wait for a replica.", labels=["stage"])
        inflight = GaugeMetricFamily("relevo_stage_inflight", "Jobs that replicas have in hand.", labels=["stage"])
        replicas = GaugeMetricFamily(
            "relevo_replicas", "Replicas by state; dead are those wanted but not there.", labels=["stage", "state"]
        )
        rss = GaugeMetricFamily(
            "relevo_replica_rss_bytes", "Resident memory of the stage's replicas together.", labels=["stage"]
        )
        for stage in stages:
            mine = {name: known for name, known in self._replicas.items() if known.stage == stage.name}
            states = Counter(_state(known, name in at_work) for name, known in mine.items())
            staying = sum(not known.retiring for known in mine.values())
            states["dead"] = max(0, stage.replicas - staying)
            for state in STATES:
                replicas.add_metric([stage.name, state], states[state])
            depth.add_metric([stage.name], stage.queued)
            inflight.add_metric([stage.name], stage.in_service)
            rss.add_metric([stage.name], sum(known.rss_bytes for known in mine.values()))
        return [depth, inflight, replicas, rss]


def _histogram(name: str, documentation: str, *, stage: bool = False) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, documentation, labels=["stage"] if stage else [])


def _state(replica: _Replica, at_work: bool) -> ReplicaState:
    if replica.retiring:
        return "draining"
    if replica.state in ("ready", "busy"):
        return "busy" if at_work else "ready"
    return replica.state
