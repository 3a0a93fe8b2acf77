"""The HTML page of one run."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.load.figures.lag_rule import LAG_RULE
from benchmarks.load.figures.level_figures import QUANTILES, LevelFigures, Percentiles
from benchmarks.load.figures.objective import Objective
from benchmarks.load.figures.throughput import FEWEST_REQUESTS
from benchmarks.load.figures.trial_record import TrialSamples
from benchmarks.load.formatting import number_text, seconds_text
from benchmarks.load.report import distribution, latency_rate, timeline, utilisation, waterfall
from benchmarks.load.report.plot_style import save, shades, styled
from benchmarks.load.report.summary import summary
from benchmarks.load.report.templates import packages_text, render
from benchmarks.load.run_record import LoadRun, level_samples
from errors import ConfigError

PAGE = "report.html"
CARD_QUANTILES = ("p50", "p95")


@dataclass(frozen=True, slots=True)
class Card:
    """One large figure at the top of the page."""

    name: str
    value: str


def write_report(folder: Path, run: LoadRun, trials: Sequence[TrialSamples]) -> Path:
    """Writes the page and its plots into an existing folder, and returns the page's path.

    Raises:
        ConfigError: a file cannot be written.
    """
    chosen = run.main_level
    try:
        with styled():
            plots = _plots(folder, run, chosen, trials)
        page = render(
            "page.html.j2",
            run=run,
            chosen=chosen,
            cards=_cards(run, chosen),
            latency_names=_names((level.latency_s for level in run.levels), QUANTILES),
            ttfa_names=_names((level.ttfa_s for level in run.levels), CARD_QUANTILES),
            summary=summary(run),
            lag_rule=LAG_RULE,
            fewest_requests=FEWEST_REQUESTS,
            plots=plots,
            packages=packages_text(run.environment),
            command=shlex.join(run.command),
            config=yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True) if run.config else "",
        )
        (folder / PAGE).write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write the report to {folder}: {error.strerror}") from error
    return folder / PAGE


def _names(found: Iterable[Percentiles], wanted: Iterable[str]) -> list[str]:
    """Returns the percentiles among those wanted that any level has."""
    present = {name for quantiles in found for name in quantiles}
    return [name for name in wanted if name in present]


def _cards(run: LoadRun, chosen: LevelFigures) -> list[Card]:
    cards = []
    if run.peak is not None:
        held = "none" if run.peak.held is None else f"{number_text(run.peak.held)}/s"
        cards.append(Card(f"highest rate that held {', '.join(run.objectives)}", held))
    if chosen.achieved_rps is not None:
        cards.append(Card(f"achieved at {chosen.name}", f"{number_text(chosen.achieved_rps)}/s"))
    for name, figure in chosen.latency_s.items():
        if name in CARD_QUANTILES:
            cards.append(Card(f"latency {name} (n = {figure.n})", seconds_text(figure.value)))
    if "p50" in chosen.ttfa_s:
        cards.append(Card("time to first audio p50", seconds_text(chosen.ttfa_s["p50"].value)))
    if chosen.limit_rps is not None:
        cards.append(Card(f"the relay is full, set by {chosen.limit_rps[1]}", f"{number_text(chosen.limit_rps[0])}/s"))
    if chosen.efficiency is not None:
        cards.append(Card("achieved over the CPU-bound limit", f"{chosen.efficiency:.0%}"))
    well = chosen.outcomes.get("ok", 0)
    cards.append(Card("ended well", f"{well} of {chosen.requests}"))
    return cards


def _plots(folder: Path, run: LoadRun, chosen: LevelFigures, trials: Sequence[TrialSamples]) -> dict[str, Any]:
    stages = [stage.name for stage in run.stages]
    objectives = [Objective.parse(text) for text in run.objectives]
    rated = [level for level in run.levels if level.rate]
    by_load = {level.name: level_samples(level, trials) for level in run.levels}
    where_time_goes = waterfall.plot(level_samples(chosen, trials), stages)
    return {
        "rate": save(latency_rate.plot(rated, objectives, run.peak, run.fastest_level.limit_rps), folder / "rate.png")
        if rated
        else "",
        "distribution": save(distribution.plot(by_load, shades(len(by_load)), objectives), folder / "distribution.png"),
        "waterfall": save(where_time_goes, folder / "waterfall.png") if where_time_goes else "",
        "utilisation": save(utilisation.plot(run.levels, stages), folder / "utilisation.png"),
        "timelines": [
            {
                "name": f"Trial {one.trial.number + 1}: {level.name}, {one.trial.requests} requests",
                "open": level is chosen and one.trial.number == chosen.trials[0],
                "image": save(timeline.plot(one, stages), folder / f"timeline-{one.trial.number + 1}.png"),
            }
            for level in run.levels
            for one in trials
            if one.trial.number in level.trials
        ],
    }
