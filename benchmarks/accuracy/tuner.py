"""How true the tuner's predictions are: predicted against measured throughput of many settings, each run for real.

    python -m benchmarks.accuracy.tuner                  stand-ins that wait, twelve ratios; about 5 minutes
    python -m benchmarks.accuracy.tuner FILES…           the offline relay; about 30 minutes with four clips

A shared machine's speed drifts. So the stages are profiled before all runs and again after them, and the predictions
are those of both together; recordings are run in two rounds, the second backwards; and the drift is printed. Exit
status 1 when an error is over the bound (5 % for stand-ins, 10 % for the offline relay), or when the tuner's first
choice is over 3 % behind the measured best.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import Progress

from benchmarks.common.environment import environment
from benchmarks.load.sending.arrivals import Poisson
from benchmarks.load.sending.clips import InputClip
from benchmarks.tune.confirmation import Confirmation, SaturatedRun, mean_run, measure, predict, total_requests
from benchmarks.tune.model.fit import fit
from benchmarks.tune.model.measure import StageInputs, measure_stages
from benchmarks.tune.model.profile import Profile
from benchmarks.tune.search import TuningGoal, search
from benchmarks.tune.setting import Machine, Setting, stage_plans
from benchmarks.tune.tables import compared_table, disturbed
from benchmarks.tune.tables import console as wide_console
from checkout import ROOT
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
CONFIRMED = 3  # as the tuner does, unless told otherwise
CLOSE = 0.03  # how near the first choice shall be to the measured best


def main() -> int:
    """Profiles, runs, profiles again, predicts and compares; the exit status says whether the bounds hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="recordings; none: stand-ins")
    parser.add_argument("--config", type=Path, default=ROOT / "pipelines" / "offline.yaml", metavar="FILE")
    parser.add_argument(
        "--settings", nargs="+", metavar="'1:1:2 1,1,1'", help="ratio and threads of each (default: twelve, or six)"
    )
    parser.add_argument("--requests", type=int, help="that count in each run (default: 300, or 32 of recordings)")
    parser.add_argument("--rounds", type=int, help="runs of each setting (default: 1, or 2 with recordings)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    arguments = parser.parse_args()
    if arguments.files:
        config = load_config(arguments.config)
        clips = [InputClip(path.name, read_audio(path)) for path in arguments.files]
        written, requests, bound = arguments.settings or OFFLINE_SETTINGS, arguments.requests or 32, OFFLINE_BOUND
    else:
        stages = stand_in_stages("timed", **{stage: {"service_s": times} for stage, times in STAND_INS.items()})
        values: dict[str, Any] = {"name": "stand-ins", "stages": stages, "cores": STAND_IN_CORES}
        config = PipelineConfig(**values)
        clips = [InputClip(str(number), request_audio(number)) for number in range(STAND_IN_CLIPS)]
        written, requests, bound = arguments.settings or STAND_IN_SETTINGS, arguments.requests or 300, STAND_IN_BOUND
    settings = [Setting.parse(text) for text in written]
    plans = stage_plans(config)
    rounds = arguments.rounds or (2 if arguments.files else 1)
    before, runs, after = _run(config, plans, clips, settings, requests, rounds)
    model, machine = fit(before.joined(after)), Machine(before.cores)
    found = [
        Confirmation(setting, predict(model, plans, setting, machine, requests), mean_run(runs[setting]))
        for setting in settings
    ]
    ranking = [c.setting for c in search(model, plans, machine, settings, TuningGoal(Poisson()), lambda: None)]
    best = max(found, key=lambda compared: compared.measured.rps)
    measured = {compared.setting: compared.measured.rps for compared in found}
    chosen, confirmed = ranking[0], max(ranking[:CONFIRMED], key=measured.__getitem__)
    behind, still_behind = (1 - measured[setting] / best.measured.rps for setting in (chosen, confirmed))
    worst = max(abs(compared.error) for compared in found)
    drift = {
        name: sum(after.stages[name][0].service_s) / sum(cells[0].service_s) - 1
        for name, cells in before.stages.items()
    }
    console = wide_console()
    if arguments.files and (warning := disturbed(before.joined(after))):  # stand-ins do not mind
        console.print(warning)
    console.print(
        compared_table(found, f"{config.name}: {rounds} × {requests} requests at saturation, {machine.cores} cores")
    )
    console.print(f"drift of the machine between the profiles: {', '.join(f'{n} {d:+.1%}' for n, d in drift.items())}")
    console.print(f"largest error {worst:.1%} (bound {bound:.0%})")
    console.print(f"first choice {chosen}: {behind:.1%} behind the measured best, {best.setting} (bound {CLOSE:.0%})")
    console.print(f"choice after its best {CONFIRMED} ran for real, {confirmed}: {still_behind:.1%} behind")
    if arguments.json:
        record = {"environment": environment(), "drift": drift, "compared": list(map(asdict, found))}
        record["runs"] = {str(setting): list(map(asdict, each)) for setting, each in runs.items()}
        record["profiles"] = msgspec.to_builtins([before, after])
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return 0 if worst <= bound and behind <= CLOSE else 1


def _run(
    config: PipelineConfig,
    plans: Sequence[StagePlan],
    clips: Sequence[InputClip],
    settings: Sequence[Setting],
    requests: int,
    rounds: int,
) -> tuple[Profile, dict[Setting, list[SaturatedRun]], Profile]:
    """A profile, every setting for real in every round, and the profile again."""
    threads = sorted({count for setting in settings for count in setting.threads})
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("the stages' inputs", total=None)
        inputs = StageInputs.trace(config, [clip.payload for clip in clips])

        def profiled() -> Profile:
            progress.update(task, total=None)
            return measure_stages(config, inputs, threads, 1, lambda cell: progress.update(task, description=cell))

        before = profiled()
        runs: dict[Setting, list[SaturatedRun]] = {setting: [] for setting in settings}
        for number in range(rounds):
            for setting in settings if number % 2 == 0 else reversed(settings):
                total = total_requests(plans, setting, requests)
                progress.update(task, description=str(setting), total=total, completed=0)
                run = measure(config, plans, setting, clips, requests, lambda _: progress.advance(task))
                runs[setting].append(run)
        return before, runs, profiled()


if __name__ == "__main__":
    sys.exit(main())
