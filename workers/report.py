"""The figures of a run, as `relevo run --report` writes them to a JSON file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from workers.client.result import Result
from workers.wire.messages import OutcomeName, Span, StageInfo


class _Figures(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Quantiles(_Figures):
    """Exact quantiles of raw samples, in seconds."""

    p50: float | None = Field(description="The median; null when there were no samples.")
    p95: float | None = Field(description="The 95th percentile; null when there were no samples.")

    @classmethod
    def of(cls, samples: Iterable[float]) -> Quantiles:
        """Computes the quantiles of these samples, by linear interpolation."""
        values = np.fromiter(samples, float)
        if not len(values):
            return cls(p50=None, p95=None)
        p50, p95 = np.quantile(values, [0.5, 0.95])
        return cls(p50=float(p50), p95=float(p95))


class BatchSize(_Figures):
    """The number of jobs in a batch."""

    mean: float | None = Field(description="Mean over the batches; null when there were none.")
    largest: int = Field(description="Largest of the batches; 0 when there were none.")


class StageFigures(_Figures):
    """One stage over the whole run."""

    replicas: int = Field(description="Replicas of the stage: those wanted or those ready, whichever are more.")
    threads: int = Field(description="CPU threads of each replica.")
    jobs: int = Field(description="Jobs of this run that ended at the stage.")
    queue_s: Quantiles = Field(description="Seconds that jobs waited for a replica.")
    service_s: Quantiles = Field(description="Seconds that jobs were computed.")
    batch: BatchSize = Field(description="Jobs handed out at once.")
    throughput_rps: float = Field(description="Jobs that ended, per second of the run.")
    busy: float = Field(description="Share of the replicas' time that they computed for this run, 0 to 1.")


class ClipStage(_Figures):
    """One clip at one stage, summed over its jobs there."""

    queue_s: float = Field(description="Seconds that its jobs waited for a replica.")
    service_s: float = Field(description="Seconds that its jobs were computed.")


class ClipFigures(_Figures):
    """One input file."""

    file: str = Field(description="Its path as it was given; a byte of it that is not UTF-8 as \\xNN.")
    outcome: OutcomeName = Field(description="How its request ended; failed when the file could not be read.")
    error: str = Field(description="Why the outcome is not ok; empty when it is.")
    seconds: float | None = Field(description="Length of the recording, in seconds; null when it could not be read.")
    latency_s: float | None = Field(
        description="Seconds from submission to the outcome; null when it was not submitted."
    )
    time_to_first_audio_s: float | None = Field(
        description="Seconds from submission to the first audible sample, leading silence included; null without audio."
    )
    texts: dict[str, str] = Field(
        description="The text of each stage that yields text, by its name; {} when nothing was said."
    )
    notes: list[str] = Field(description="Remarks on the result, such as words that could not be spoken.")
    wav: str | None = Field(description="Path of the speech that was written; null when there is none.")
    stages: dict[str, ClipStage] = Field(description="Its time at each stage that it reached, by the stage's name.")


class Report(_Figures):
    """A whole run."""

    ready_s: float | None = Field(description="Seconds until every stage was ready; null when the relay already ran.")
    throughput_rps: float = Field(
        description="Requests that ended ok, per second from the first submission to the last outcome."
    )
    real_time_factor: float | None = Field(
        description="Seconds of the run per second of audio that was put through; null when there was none."
    )
    latency_s: Quantiles = Field(description="Seconds from submission to the outcome, of requests that ended ok.")
    stages: dict[str, StageFigures] = Field(description="The stages by name, in the order of the relay.")
    clips: list[ClipFigures] = Field(description="The input files, in the order given.")


@dataclass(slots=True)
class Clip:
    """One input file of a run, with its result, which is None when the file could not be read."""

    file: str
    seconds: float | None = None
    error: str = ""
    result: Result | None = None
    wav: str | None = None

    @property
    def outcome(self) -> OutcomeName:
        """How it ended."""
        return self.result.outcome if self.result and not self.error else "failed"


def make_report(clips: Sequence[Clip], stages: Iterable[StageInfo], wall_s: float, ready_s: float | None) -> Report:
    """Computes the figures of a run.

    Args:
        clips: every input file.
        stages: the relay's stages.
        wall_s: seconds from the first submission to the last outcome.
        ready_s: seconds until the relay was ready, or None when it already ran.
    """
    ended = [clip for clip in clips if clip.result is not None and clip.outcome == "ok"]
    spans = [span for clip in clips if clip.result for span in clip.result.spans]
    audio_s = sum(clip.seconds or 0.0 for clip in ended)
    return Report(
        ready_s=ready_s,
        throughput_rps=len(ended) / wall_s if wall_s else 0.0,
        real_time_factor=wall_s / audio_s if audio_s else None,
        latency_s=Quantiles.of(clip.result.latency_s for clip in ended if clip.result),
        stages={stage.name: _stage(stage, [s for s in spans if s.stage == stage.name], wall_s) for stage in stages},
        clips=[_clip(clip) for clip in clips],
    )


def _stage(stage: StageInfo, spans: list[Span], wall_s: float) -> StageFigures:
    replicas = max(1, stage.replicas, stage.ready)  # those from elsewhere are ready but not wanted here
    return StageFigures(
        replicas=replicas,
        threads=stage.threads,
        jobs=len(spans),
        queue_s=Quantiles.of(span.queue_s for span in spans),
        service_s=Quantiles.of(span.service_s for span in spans),
        batch=_batch_size(spans),
        throughput_rps=len(spans) / wall_s if wall_s else 0.0,
        busy=sum(span.busy_s for span in spans) / (wall_s * replicas) if wall_s else 0.0,
    )


def _batch_size(spans: list[Span]) -> BatchSize:
    batches = sum(1 / span.batch for span in spans)  # each of a batch's n jobs counts as 1/n of it
    return BatchSize(
        mean=len(spans) / batches if batches else None, largest=max((span.batch for span in spans), default=0)
    )


def _clip(clip: Clip) -> ClipFigures:
    result = clip.result
    stages: dict[str, ClipStage] = {}
    for span in result.spans if result else ():
        before = stages.get(span.stage, ClipStage(queue_s=0.0, service_s=0.0))
        stages[span.stage] = ClipStage(
            queue_s=before.queue_s + span.queue_s, service_s=before.service_s + span.service_s
        )
    return ClipFigures(
        file=clip.file,
        outcome=clip.outcome,
        error=clip.error or (result.error if result else ""),
        seconds=clip.seconds,
        latency_s=result.latency_s if result else None,
        time_to_first_audio_s=result.time_to_first_audio_s if result else None,
        texts=result.texts if result else {},
        notes=[f"{note.kind}: {note.detail}" for note in result.notes] if result else [],
        wav=clip.wav,
        stages=stages,
    )
