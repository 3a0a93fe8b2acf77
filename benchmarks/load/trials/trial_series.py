"""All trials of a load test: rates in turn, repeated, or the probes of a search for the peak."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.load.figures.level_figures import level_figures
from benchmarks.load.figures.trial_record import TrialSamples
from benchmarks.load.formatting import duration_text
from benchmarks.load.options import LoadOptions
from benchmarks.load.progress_view import ProgressView
from benchmarks.load.sending.arrivals import Arrival, Bound, ClosedLoop
from benchmarks.load.sending.sender_messages import TrialOrder
from benchmarks.load.trials.interruption import Interruption
from benchmarks.load.trials.peak_search import Peak, find_peak
from benchmarks.load.trials.relay_under_load import RelayUnderLoad
from benchmarks.load.trials.trial import run_trial


class TrialSeries:
    """Runs trials against one relay. `done` holds the finished ones, also after an interrupt."""

    def __init__(
        self, relay: RelayUnderLoad, options: LoadOptions, view: ProgressView, interruption: Interruption
    ) -> None:
        self.done: list[TrialSamples] = []
        self._relay, self._options, self._view, self._interruption = relay, options, view, interruption
        self._stages = [stage.name for stage in relay.stages()]

    def run_rates(self) -> None:
        """Runs every rate in turn, then all again for each repeat, so that a drift of the machine meets all rates."""
        options = self._options
        total = options.repeats * len(options.rates)
        for repeat in range(options.repeats):
            for rate in options.rates:
                self._run(rate, repeat, f"trial {len(self.done) + 1} of {total}")

    def search_peak(self) -> Peak:
        """Searches the highest rate that holds the objectives."""
        options = self._options

        def holds(rate: float) -> bool:
            begun = len(self.done)
            probe = begun // options.repeats + 1
            for repeat in range(options.repeats):
                self._run(rate, repeat, f"probe {probe} of at most {options.most_probes}")
            figures = level_figures(self.done[begun:], self._stages, self._relay.cores, options.objectives)
            shares = ", ".join(f"{name} {one.attained.value:.1%} in time" for name, one in figures.objectives.items())
            self._view.print_line(f"{figures.name}: {shares}: {'held' if figures.held else 'missed'}")
            return figures.held

        return find_peak(holds, options.rates[0], tolerance=options.tolerance, most_probes=options.most_probes)

    def _run(self, rate: float, repeat: int, title: str) -> None:
        options = self._options
        seed = options.seed + repeat
        arrivals = options.schedule(rate, seed)
        order = TrialOrder(
            address=self._relay.client.address,
            files=[str(file) for file in options.files],
            samples="",
            arrivals=arrivals,
            callers=options.arrivals.callers if isinstance(options.arrivals, ClosedLoop) else 0,
            bound=options.bound,
            seed=seed,
            warm_up=options.warm_up,
            give_up_s=options.give_up_s,
            trial=len(self.done),
            keys=None if self._relay.keys is None else str(self._relay.keys),
        )
        load = f"{options.arrivals_text}{f' {rate:.3g}/s' if rate else ''}"
        self._view.print_line(f"{title}: {load}: {_length_text(arrivals, options.bound)}")
        with self._view.trial(f"{title}: {load}", len(arrivals) or options.bound.requests):
            trial = run_trial(
                self._relay,
                order,
                arrivals=options.arrivals_text,
                rate=rate,
                on_progress=self._view.show_progress,
                check=self._interruption.check,
            )
        self.done.append(trial)


def _length_text(arrivals: Sequence[Arrival], bound: Bound) -> str:
    """Formats how long the trial will take, at least."""
    if arrivals:
        return f"{len(arrivals)} requests in {duration_text(arrivals[-1].at_s)}"
    limits = [
        *([f"{bound.requests} requests"] if bound.requests is not None else []),
        *([duration_text(bound.seconds)] if bound.seconds is not None else []),
    ]
    return f"until {' or '.join(limits)}"
