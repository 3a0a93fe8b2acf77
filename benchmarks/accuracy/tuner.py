"""Measures how far the tuner's predictions are off: predicted against measured throughput of many settings.

    python -m benchmarks.accuracy.tuner                  stand-ins that wait, twelve ratios; about 5 minutes
    python -m benchmarks.accuracy.tuner FILES…           the offline relay; about 30 minutes with four recordings

A shared machine's speed drifts. So the stages are measured before all runs and again after them, and the predictions
use both. Recordings are run in two rounds, the second in the opposite order, and the drift is printed. The exit status
is 1 when an error is above the bound (5 % for stand-ins, 10 % for the offline relay), or when the tuner's first choice
is more than 3 % behind the measured best.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.common.command_line import OFFLINE, add_json, measurement_parser, require, run_measurement
from benchmarks.common.output import progress, write_record
from benchmarks.load.sending.arrivals import Poisson
from benchmarks.load.sending.clips import InputClip
from benchmarks.tune.answer import busy_machine_warning
from benchmarks.tune.confirmation import (
    Confirmation,
    SaturatedRun,
    mean_run,
    measure,
    predict,
    total_requests,
)
from benchmarks.tune.model.fit import fit
from benchmarks.tune.model.measure import StageInputs, measure_stages
from benchmarks.tune.model.profile import Profile
from benchmarks.tune.search import TuningGoal, search
from benchmarks.tune.setting import Machine, Setting, stage_plans
from benchmarks.tune.tables import print_confirmations
from modules.audio.files import read_audio
from modules.testing import stand_in_stages
from modules.testing.timed import request_audio
from workers.config import PipelineConfig, load_config
from workers.scheduling.stage import StagePlan

# Uneven service times in about the seed's proportions, a twentieth as long, so that a run is short.
STAND_INS = {
    "listen": [0.034, 0.038, 0.030, 0.047, 0.044, 0.036, 0.046],
    "translate": [0.004, 0.005, 0.006, 0.010],
    "speak": [0.137, 0.154, 0.086, 0.173, 0.185, 0.156, 0.211, 0.064, 0.161, 0.332],
}
STAND_IN_CLIPS = 20
STAND_IN_CORES = 32  # stand-ins wait and need none, but the plan counts them
STAND_IN_SETTINGS = (
    *("1:1:1 1,1,1", "1:1:2 1,1,1", "1:1:3 1,1,1", "1:1:4 1,1,1", "1:1:5 1,1,1", "1:1:6 1,1,1"),
    *("2:1:4 1,1,1", "2:1:6 1,1,1", "2:1:8 1,1,1", "2:2:10 1,1,1", "3:1:8 1,1,1", "3:1:12 1,1,1"),
)
# On two cores: one of each, more speech, more of the others, and threads against replicas.
OFFLINE_SETTINGS = (
    *("1:1:1 1,1,1", "1:1:1 1,1,2", "1:1:1 2,2,2"),
    *("1:1:2 1,1,1", "1:2:2 1,1,1", "2:1:2 1,1,1"),
)
STAND_IN_BOUND, OFFLINE_BOUND = 0.05, 0.10
CONFIRMED = 3  # settings that the tuner runs for real by default
CLOSE = 0.03  # how far the first choice may be behind the measured best


@dataclass(frozen=True)
class AccuracyPlan:
    """The relay and the runs to make, and the bound of the error."""

    config: PipelineConfig
    clips: list[InputClip]
    settings: list[Setting]
    requests: int
    rounds: int
    bound: float

    @property
    def plans(self) -> list[StagePlan]:
        """The stages' queues and batches."""
        return stage_plans(self.config)


def main() -> int:
    """Measures, predicts and compares; the exit status says whether the bounds hold."""
    parser = measurement_parser(__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="recordings (default: stand-ins)")
    parser.add_argument("--config", type=Path, default=OFFLINE, metavar="FILE")
    parser.add_argument(
        "--settings", nargs="+", metavar="'1:1:2 1,1,1'", help="ratio and threads of each (default: twelve, or six)"
    )
    parser.add_argument("--requests", type=int, help="that count in each run (default: 300, or 32 of recordings)")
    parser.add_argument("--rounds", type=int, help="runs of each setting (default: 1, or 2 with recordings)")
    add_json(parser)
    arguments = parser.parse_args()
    require("simpy")
    plan = _plan(arguments)
    before, runs, after = _run(plan)
    profile = before.joined(after)
    model, machine = fit(profile), Machine(before.cores)
    found = [
        Confirmation(setting, predict(model, plan.plans, setting, machine, plan.requests), mean_run(runs[setting]))
        for setting in plan.settings
    ]
    ranking = search(model, plan.plans, machine, plan.settings, TuningGoal(Poisson()), lambda: None)
    drift = {
        name: sum(after.stages[name][0].service_s) / sum(measured[0].service_s) - 1
        for name, measured in before.stages.items()
    }
    if arguments.files and (warning := busy_machine_warning(profile)):  # stand-ins need no cores
        print(warning)
    title = f"{plan.config.name}: {plan.rounds} × {plan.requests} requests at saturation, {machine.cores} cores"
    print_confirmations(found, title)
    print(f"drift of the machine between the profiles: {', '.join(f'{n} {d:+.1%}' for n, d in drift.items())}")
    write_record(
        arguments.json,
        {
            "drift": drift,
            "confirmed": list(map(asdict, found)),
            "runs": {str(setting): list(map(asdict, each)) for setting, each in runs.items()},
            "profiles": msgspec.to_builtins([before, after]),
        },
    )
    return 0 if _within_bounds(plan, found, [candidate.setting for candidate in ranking]) else 1


def _plan(arguments: argparse.Namespace) -> AccuracyPlan:
    if arguments.files:
        return AccuracyPlan(
            config=load_config(arguments.config),
            clips=[InputClip(path.name, read_audio(path)) for path in arguments.files],
            settings=list(map(Setting.parse, arguments.settings or OFFLINE_SETTINGS)),
            requests=arguments.requests or 32,
            rounds=arguments.rounds or 2,
            bound=OFFLINE_BOUND,
        )
    stages = stand_in_stages("timed", **{stage: {"service_s": times} for stage, times in STAND_INS.items()})
    values: dict[str, Any] = {"name": "stand-ins", "stages": stages, "cores": STAND_IN_CORES}
    return AccuracyPlan(
        config=PipelineConfig(**values),
        clips=[InputClip(str(number), request_audio(number)) for number in range(STAND_IN_CLIPS)],
        settings=list(map(Setting.parse, arguments.settings or STAND_IN_SETTINGS)),
        requests=arguments.requests or 300,
        rounds=arguments.rounds or 1,
        bound=STAND_IN_BOUND,
    )


def _run(plan: AccuracyPlan) -> tuple[Profile, dict[Setting, list[SaturatedRun]], Profile]:
    """Measures the stages, runs every setting for real in every round, and measures the stages again."""
    threads = sorted({count for setting in plan.settings for count in setting.threads})
    with progress() as bar:
        task = bar.add_task("tracing the inputs of each stage", total=None)
        inputs = StageInputs.trace(plan.config, [clip.payload for clip in plan.clips])

        def measured() -> Profile:
            bar.update(task, total=None)
            return measure_stages(plan.config, inputs, threads, 1, lambda point: bar.update(task, description=point))

        before = measured()
        runs: dict[Setting, list[SaturatedRun]] = {setting: [] for setting in plan.settings}
        for number in range(plan.rounds):
            for setting in plan.settings if number % 2 == 0 else reversed(plan.settings):
                total = total_requests(plan.plans, setting, plan.requests)
                bar.update(task, description=str(setting), total=total, completed=0)
                run = measure(plan.config, plan.plans, setting, plan.clips, plan.requests, lambda _: bar.advance(task))
                runs[setting].append(run)
        return before, runs, measured()


def _within_bounds(plan: AccuracyPlan, found: Sequence[Confirmation], ranking: Sequence[Setting]) -> bool:
    """Prints the largest error and the first choice, and tells whether both are within their bounds."""
    best = max(found, key=lambda one: one.measured.rps)
    measured = {one.setting: one.measured.rps for one in found}
    first, confirmed = ranking[0], max(ranking[:CONFIRMED], key=measured.__getitem__)
    behind, still_behind = (1 - measured[setting] / best.measured.rps for setting in (first, confirmed))
    worst = max(abs(one.error) for one in found)
    print(f"largest error {worst:.1%} (bound {plan.bound:.0%})")
    print(f"first choice {first}: {behind:.1%} behind the measured best, {best.setting} (bound {CLOSE:.0%})")
    print(f"choice after its best {CONFIRMED} were run for real, {confirmed}: {still_behind:.1%} behind")
    return worst <= plan.bound and behind <= CLOSE


if __name__ == "__main__":
    run_measurement(main)
