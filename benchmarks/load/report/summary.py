"""The result of a run in sentences: the same on the terminal and in the report."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.load.figures.level_figures import LevelFigures
from benchmarks.load.figures.throughput import FEWEST_REQUESTS
from benchmarks.load.formatting import number_text
from benchmarks.load.run_record import LoadRun
from benchmarks.load.trials.peak_search import Peak


def summary(run: LoadRun) -> list[str]:
    """Writes sentences on the whole run: the peak or the objectives, the limit, and the efficiency."""
    sentences = [_peak(run.peak, " and ".join(run.objectives))] if run.peak else _verdicts(run.levels)
    if run.levels:
        sentences += _limits(run.fastest_level, run.cores)
    if run.interrupted:
        sentences.append(f"{run.interrupted}: trials are missing")
    return sentences


def _peak(peak: Peak, objectives: str) -> str:
    held, missed = number_text(peak.held), number_text(peak.missed)
    if peak.held is None:
        return f"no rate held {objectives}; the lowest tried was {missed} requests/s"
    if peak.missed is None:
        return f"{held} requests/s held {objectives}, and no rate that was tried missed; raise --rate or --most-probes"
    return f"peak: {held} requests/s held {objectives}, {missed} did not ({peak.probes} rates tried)"


def _verdicts(levels: Sequence[LevelFigures]) -> list[str]:
    return [
        f"{level.name}: {name} {'held' if verdict.held else 'MISSED'}: {verdict.attained.value:.1%} in time "
        f"({verdict.attained.low:.1%} to {verdict.attained.high:.1%}, n = {verdict.attained.n})"
        for level in levels
        for name, verdict in level.objectives.items()
    ]


def _limits(level: LevelFigures, cores: int | None) -> list[str]:
    sentences = []
    if level.limit_rps is not None:
        limit, cause = level.limit_rps
        sentences.append(f"the relay is full at {number_text(limit)} requests/s, set by {cause} (at {level.name})")
    if level.achieved_rps is None:
        sentences.append(
            f"too few requests to say what was achieved: {level.requests} measured, {FEWEST_REQUESTS} needed"
        )
    elif level.efficiency is not None:
        cost, allowed = number_text(level.cpu_s_per_request), number_text(level.cpu_limit_rps)
        sentences.append(
            f"efficiency {level.efficiency:.0%}: {number_text(level.achieved_rps)} requests/s achieved, where {cores} "
            f"cores ÷ {cost} CPU-seconds a request allow {allowed}"
        )
    return sentences
