"""What a run came to, in words: the same on the terminal and in the report."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.load.figures.level_figures import LevelFigures
from benchmarks.load.run_record import LoadRun
from benchmarks.load.trials.peak_search import Peak


def remarks(run: LoadRun) -> list[str]:
    """Sentences on the whole: the peak or the objectives, the limit, the efficiency."""
    said = [_peak(run.peak, " and ".join(run.objectives))] if run.peak else _verdicts(run.levels)
    if run.levels:
        said += _limits(max(run.levels, key=lambda level: level.achieved_rps), run.cores)
    if run.interrupted:
        said.append(f"{run.interrupted}: trials are missing")
    return said


def _peak(peak: Peak, objectives: str) -> str:
    held, missed = number_text(peak.held), number_text(peak.missed)
    if peak.held is None:
        return f"no rate held {objectives}; the lowest tried was {missed} requests/s"
    if peak.missed is None:
        return f"{held} requests/s held {objectives}, and none that was tried missed; raise --rate or --most-probes"
    return f"peak: {held} requests/s held {objectives}, {missed} did not ({peak.probes} rates tried)"


def _verdicts(levels: Sequence[LevelFigures]) -> list[str]:
    return [
        f"{level.name}: {name} {'held' if verdict.held else 'MISSED'}: {verdict.attained.value:.1%} in time "
        f"({verdict.attained.low:.1%} to {verdict.attained.high:.1%}, n = {verdict.attained.n})"
        for level in levels
        for name, verdict in level.objectives.items()
    ]


def _limits(level: LevelFigures, cores: int | None) -> list[str]:
    said = []
    if level.limit_rps is not None:
        limit, by = level.limit_rps
        said.append(f"the relay is full at {number_text(limit)} requests/s, set by {by} (at {level.name})")
    if level.efficiency is not None:
        cost, allowed = number_text(level.cpu_s_per_request), number_text(level.cpu_limit_rps)
        said.append(
            f"efficiency {level.efficiency:.0%}: {number_text(level.achieved_rps)} requests/s achieved, where {cores} "
            f"cores ÷ {cost} CPU-seconds a request allow {allowed}"
        )
    return said


def number_text(value: float | None) -> str:
    """Three significant digits, and never an exponent for what is large."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def seconds_text(seconds: float) -> str:
    """A time with the unit that suits it."""
    return f"{number_text(seconds * 1000)} ms" if seconds < 0.1 else f"{number_text(seconds)} s"
