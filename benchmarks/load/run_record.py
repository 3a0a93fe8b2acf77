"""The record of a load test: its options, the relay, the machine, every trial, and the file of its samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.load.figures.level_figures import LevelFigures, by_level, level_figures
from benchmarks.load.figures.objective import Objective
from benchmarks.load.figures.samples import RequestSample, read_samples, write_samples
from benchmarks.load.figures.trial_record import Trial, TrialSamples
from benchmarks.load.trials.peak_search import Peak
from errors import ConfigError

RECORD = "run.json"
INTERRUPTED = "interrupted"


class StageSetting(msgspec.Struct, frozen=True):
    """A stage as it was when the run began."""

    name: str
    module: str
    replicas: int
    threads: int


class LoadRun(msgspec.Struct):
    """A whole run. `levels` is computed from the samples; it is kept for whoever reads the file.

    `config` and `ready_s` are None when the relay ran already, `cores` is None when it runs on another machine.
    `interrupted` says why trials are missing, INTERRUPTED after a signal; it is empty when none is missing.
    """

    name: str
    command: list[str]
    environment: dict[str, Any]
    config: dict[str, Any] | None
    ready_s: float | None
    stages: list[StageSetting]
    cores: int | None
    objectives: list[str]
    clips: list[str]
    samples: str
    peak: Peak | None = None
    interrupted: str = ""
    trials: list[Trial] = []
    levels: list[LevelFigures] = []

    @property
    def invalid(self) -> list[str]:
        """The reasons why its figures are not valid; empty when they are valid."""
        return [f"{level.name}: {level.lag.invalid}" for level in self.levels if level.lag.invalid]

    @property
    def title(self) -> str:
        """The relay and its ratio when the run began."""
        return f"{self.name} at {':'.join(str(stage.replicas) for stage in self.stages)}"

    @property
    def main_level(self) -> LevelFigures:
        """The level that plots of a single load show: the peak, or the highest rate that held, or the highest."""
        held = [level for level in self.levels if level.held]
        if self.peak is not None:
            held = [level for level in held if level.rate == self.peak.held] or held
        return (held or self.levels)[-1]

    @property
    def fastest_level(self) -> LevelFigures:
        """The level with the highest throughput."""
        return max(self.levels, key=lambda level: level.achieved_rps or 0.0)

    def add_trials(self, trials: Sequence[TrialSamples]) -> None:
        """Adds all trials, and computes the figures of each level."""
        names = [stage.name for stage in self.stages]
        objectives = [Objective.parse(text) for text in self.objectives]
        self.trials = [one.trial for one in trials]
        self.levels = [level_figures(group, names, self.cores, objectives) for group in by_level(trials)]


def level_samples(level: LevelFigures, trials: Sequence[TrialSamples]) -> list[RequestSample]:
    """Returns the measured requests of a level, trial by trial."""
    return [sample for one in trials if one.trial.number in level.trials for sample in one.measured]


def save_run(folder: Path, run: LoadRun, trials: Sequence[TrialSamples]) -> None:
    """Writes the record and the samples into a folder.

    Raises:
        ConfigError: a file cannot be written.
    """
    try:
        write_samples(folder / run.samples, (sample for one in trials for sample in one.samples))
        (folder / RECORD).write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")
    except OSError as error:
        raise ConfigError(f"cannot write to --output {folder}: {error.strerror}") from error


def load_run(folder: Path) -> tuple[LoadRun, list[TrialSamples]]:
    """Reads what `save_run` wrote, and computes the figures from the samples anew.

    Raises:
        ConfigError: the folder holds no run.
    """
    try:
        run = msgspec.json.decode((folder / RECORD).read_bytes(), type=LoadRun)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{folder} holds no run ({error}); pass a folder that `relevo load` wrote") from error
    by_trial: dict[int, list[RequestSample]] = {trial.number: [] for trial in run.trials}
    for sample in read_samples(folder / run.samples):
        by_trial[sample.trial].append(sample)
    trials = [TrialSamples(trial, by_trial[trial.number]) for trial in run.trials]
    run.add_trials(trials)
    return run, trials
