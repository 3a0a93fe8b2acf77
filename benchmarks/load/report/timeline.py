"""One trial over time: latencies, requests in flight, outcomes, and replicas with their restarts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.load.figures.samples import RequestSample
from benchmarks.load.figures.throughput import Window, busy_between
from benchmarks.load.figures.trial_record import RelayState, TrialSamples
from benchmarks.load.report.plot_style import (
    ALARM,
    GRID,
    INK,
    MUTED,
    OUTCOME_COLOURS,
    legend_above,
    panels,
    stage_colours,
)

BINS = 40


def plot(one: TrialSamples, stages: Sequence[str]) -> Figure:
    """Draws a trial; the warm-up is shaded, a restart is a red line."""
    figure, axes = panels(5, 1, 10.0, sharex=True, height_ratios=[2.2, 1.2, 1.2, 1.4, 1.2])
    latency, flight, outcomes, busy, replicas = axes
    samples, relay_states = one.samples, one.trial.relay_states
    end_s = max([sample.end_s for sample in samples], default=1.0)
    edges = np.linspace(0.0, end_s, BINS + 1)
    _latencies(latency, samples)
    _in_flight(flight, samples)
    _outcomes(outcomes, samples, edges)
    _busy(busy, one, stages, edges)
    _replicas(replicas, relay_states, stages)
    for panel in axes:
        for at_s in restarts(relay_states):
            panel.axvline(at_s, color=ALARM, linewidth=1.0)
        warm = [sample.scheduled_s for sample in samples if sample.warm_up]
        if warm:
            panel.axvspan(0.0, max(warm), color=GRID, alpha=0.6, zorder=0)
    replicas.set(xlabel="seconds from the beginning of the trial", xlim=(0, end_s))
    return figure


def restarts(relay_states: Sequence[RelayState]) -> list[float]:
    """Finds the moments at which a replica was restarted, in seconds from the beginning of the trial.

    A stage whose number of replicas did not change was restarted when it started one more, or, in a relay that was not
    started here, when fewer of its replicas were ready than just before.
    """
    found = []
    for before, after in pairwise(relay_states):
        for name, stage in after.stages.items():
            earlier = before.stages.get(name)
            if earlier is None or earlier.replicas != stage.replicas:
                continue
            if stage.starts is not None and earlier.starts is not None:
                happened = stage.starts > earlier.starts
            else:
                happened = stage.ready < earlier.ready
            if happened:
                found.append(after.at_s)
    return found


def _latencies(axes: Any, samples: Sequence[RequestSample]) -> None:
    for outcome, colour in OUTCOME_COLOURS.items():
        group = [sample for sample in samples if sample.outcome == outcome]
        if group:
            axes.scatter(
                [sample.scheduled_s for sample in group],
                [sample.latency_s for sample in group],
                s=14,
                color=colour,
                alpha=0.7,
                linewidths=0,
                label=f"{outcome} ({len(group)})",
            )
    axes.set(title="Latency, by the scheduled moment", ylabel="seconds")
    axes.set_ylim(bottom=0)
    legend_above(axes)


def _in_flight(axes: Any, samples: Sequence[RequestSample]) -> None:
    changes = sorted([(sample.sent_s, 1) for sample in samples] + [(sample.end_s, -1) for sample in samples])
    axes.step(
        [at_s for at_s, _ in changes],
        np.cumsum([change for _, change in changes]),
        where="post",
        color=INK,
        linewidth=1.2,
    )
    axes.set(title="In flight", ylabel="requests")
    axes.set_ylim(bottom=0)


def _outcomes(axes: Any, samples: Sequence[RequestSample], edges: Any) -> None:
    floor = np.zeros(BINS)
    for outcome, colour in OUTCOME_COLOURS.items():
        ends = [sample.end_s for sample in samples if sample.outcome == outcome]
        if ends:
            counts, _ = np.histogram(ends, edges)
            rates = counts / (edges[1] - edges[0])
            axes.bar(edges[:-1], rates, width=edges[1] - edges[0], bottom=floor, align="edge", color=colour, alpha=0.85)
            floor += rates
    axes.set(title="Outcomes", ylabel="per second")


def _busy(axes: Any, one: TrialSamples, stages: Sequence[str], edges: Any) -> None:
    for name, colour in stage_colours(stages).items():
        seconds = [busy_between(one.samples, name, Window(begin, end)) for begin, end in pairwise(edges)]
        axes.step(
            edges,
            [*(seconds / np.diff(edges)), seconds[-1] / (edges[-1] - edges[-2])],
            where="post",
            color=colour,
            label=name,
        )
    axes.set(title="Busy replicas, on average", ylabel="replicas")
    axes.set_ylim(bottom=0)
    legend_above(axes)


def _replicas(axes: Any, relay_states: Sequence[RelayState], stages: Sequence[str]) -> None:
    axes.set(title="Replicas ready (line) and wanted (dots); a red line is a restart", ylabel="replicas")
    if not relay_states:
        axes.annotate("the trial was too short to look", (0.5, 0.5), xycoords="axes fraction", color=MUTED, ha="center")
        return
    at_s = [state.at_s for state in relay_states]
    for number, (name, colour) in enumerate(stage_colours(stages).items()):
        nudge = 0.04 * number  # lines that coincide stay apart
        ready = [state.stages[name].ready + nudge for state in relay_states]
        wanted = [state.stages[name].replicas + nudge for state in relay_states]
        axes.step(at_s, ready, where="post", color=colour, linewidth=1.6)
        axes.step(at_s, wanted, ":", where="post", color=colour, linewidth=1.2)
    axes.set_ylim(bottom=0)
    axes.yaxis.get_major_locator().set_params(integer=True)
