"""Every trial that was asked for: rates in turn, repeated, or the probes of a search for the peak."""

from __future__ import annotations

from benchmarks.load.figures.level_figures import TrialSamples, level_figures
from benchmarks.load.options import LoadOptions
from benchmarks.load.progress_view import LoadView
from benchmarks.load.sending.arrivals import ClosedLoop
from benchmarks.load.sending.sender import TrialOrder
from benchmarks.load.trials.peak_search import Peak, find_peak
from benchmarks.load.trials.relay_under_load import RelayUnderLoad
from benchmarks.load.trials.trial import run_trial


class TrialSeries:
    """Runs trials against one relay; `done` has those that are over, also when an interrupt ends the rest."""

    def __init__(self, relay: RelayUnderLoad, asked: LoadOptions, view: LoadView) -> None:
        self.done: list[TrialSamples] = []
        self._relay, self._asked, self._view = relay, asked, view
        self._stages = [stage.name for stage in relay.stages()]

    def rates(self) -> None:
        """Every rate in turn, then all again for each repeat, so that a drift of the machine meets all of them."""
        asked = self._asked
        total = asked.repeats * len(asked.rates)
        for repeat in range(asked.repeats):
            for rate in asked.rates:
                self._run(rate, repeat, f"trial {len(self.done) + 1} of {total}: ")

    def peak(self) -> Peak:
        """Searches the highest rate that holds the objectives."""
        asked = self._asked

        def holds(rate: float) -> bool:
            begun = len(self.done)
            probe = begun // asked.repeats + 1
            for repeat in range(asked.repeats):
                self._run(rate, repeat, f"probe {probe} of at most {asked.most_probes}: ")
            figures = level_figures(self.done[begun:], self._stages, self._relay.cores, asked.objectives)
            shares = ", ".join(f"{name} {one.attained.value:.1%} in time" for name, one in figures.objectives.items())
            self._view.say(f"{figures.name}: {shares}: {'held' if figures.held else 'missed'}")
            return figures.held

        return find_peak(holds, asked.rates[0], tolerance=asked.tolerance, most_probes=asked.most_probes)

    def _run(self, rate: float, repeat: int, which: str) -> None:
        asked = self._asked
        seed = asked.seed + repeat
        arrivals = asked.schedule(rate, seed)
        callers = asked.arrivals.callers if isinstance(asked.arrivals, ClosedLoop) else 0
        order = TrialOrder(
            address=self._relay.client.address,
            files=[str(file) for file in asked.files],
            samples="",
            arrivals=arrivals,
            callers=callers,
            bound=asked.bound,
            seed=seed,
            warm_up=asked.warm_up,
            give_up_s=asked.give_up_s,
            trial=len(self.done),
            keys=None if self._relay.keys is None else str(self._relay.keys),
        )
        title = f"{which}{asked.text}{f' {rate:.3g}/s' if rate else ''}"
        with self._view.trial(title, len(arrivals) or asked.bound.requests):
            trial, samples = run_trial(self._relay, order, arrivals=asked.text, rate=rate, on_progress=self._view.going)
        self.done.append(TrialSamples(trial, samples))
