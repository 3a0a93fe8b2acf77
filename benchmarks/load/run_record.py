"""The record of a run: what was asked, on what, every trial, and where its samples are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.load.figures.level_figures import LevelFigures, TrialSamples, by_level, level_figures
from benchmarks.load.figures.objective import Objective
from benchmarks.load.figures.samples import RequestSample, read_samples, write_samples
from benchmarks.load.trials.peak_search import Peak
from benchmarks.load.trials.trial import Trial
from errors import ConfigError

RECORD = "run.json"


class StageSetting(msgspec.Struct, frozen=True):
    """A stage as it was when the run began."""

    name: str
    module: str
    replicas: int
    threads: int


class LoadRun(msgspec.Struct):
    """A whole run. `levels` can be computed again from the samples; it is kept for whoever reads the file.

    `config` and `ready_s` are None when the relay was running already, `cores` when it runs elsewhere. `interrupted`
    says why trials are missing; it is empty when none is.
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
        """Why its figures are not to be trusted; empty when they are."""
        return [f"{level.name}: {level.lag.matters}" for level in self.levels if level.lag.matters]

    @property
    def title(self) -> str:
        """The relay and its ratio when the run began."""
        return f"{self.name} at {':'.join(str(stage.replicas) for stage in self.stages)}"

    def take_in(self, trials: Sequence[TrialSamples]) -> None:
        """Takes the trials, and computes the figures of each level."""
        names = [stage.name for stage in self.stages]
        objectives = [Objective.parse(text) for text in self.objectives]
        self.trials = [one.trial for one in trials]
        self.levels = [level_figures(group, names, self.cores, objectives) for group in by_level(trials)]


def save(folder: Path, run: LoadRun, trials: Sequence[TrialSamples]) -> None:
    """Writes the record and the samples into a folder.

    Raises:
        ConfigError: a file cannot be written.
    """
    try:
        write_samples(folder / run.samples, (sample for one in trials for sample in one.samples))
        (folder / RECORD).write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")
    except OSError as error:
        raise ConfigError(f"cannot write to --output {folder}: {error.strerror}") from error


def load(folder: Path) -> tuple[LoadRun, list[TrialSamples]]:
    """Reads what `save` wrote; the figures are computed from the samples anew.

    Raises:
        ConfigError: the folder holds no run.
    """
    try:
        run = msgspec.json.decode((folder / RECORD).read_bytes(), type=LoadRun)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{folder} holds no run ({error}); pass a folder that `benchmarks.load` wrote") from error
    by_trial: dict[int, list[RequestSample]] = {trial.number: [] for trial in run.trials}
    for sample in read_samples(folder / run.samples):
        by_trial[sample.trial].append(sample)
    trials = [TrialSamples(trial, by_trial[trial.number]) for trial in run.trials]
    run.take_in(trials)
    return run, trials
