"""The options of a tuning run, checked before anything is started."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.figures.objective import Objective
from benchmarks.load.sending.arrivals import Burst, Constant, Poisson, parse_arrivals
from benchmarks.load.sending.clips import InputClip
from benchmarks.tune.arguments import DEFAULT_CONFIG
from benchmarks.tune.search import TuningGoal
from checkout import ROOT
from commands.options import make_folder
from errors import ConfigError
from modules.audio.files import read_audio
from workers.config import PipelineConfig, load_config, nested

GIB = 2**30
PLAN_KEYS = ("cores", "gpus", "memory_gb")


@dataclass(frozen=True)
class MachinePlan:
    """Another machine to plan for.

    None stands for as many cores as in the profile, and for unlimited memory. `gpu_speeds` says for each stage on GPUs
    how many times faster it is assumed to be than one thread.
    """

    cores: int | None
    gpus: int
    memory_bytes: float | None
    gpu_speeds: dict[str, float]


@dataclass(frozen=True)
class TuneOptions:
    """A tuning run as the command line asks for it.

    `threads` and `memory_bytes` are None for all that the machine has. `plan` is None for this machine.
    """

    config: PipelineConfig
    clips: list[InputClip]
    profile: Path | None
    repeats: int
    goal: TuningGoal
    arrivals_text: str
    threads: list[int] | None
    memory_bytes: float | None
    plan: MachinePlan | None
    confirm: int
    confirm_requests: int
    write: Path | None
    json: Path | None


def tune_options(parsed: argparse.Namespace) -> TuneOptions:
    """Checks the arguments of `relevo tune`, and reads the recordings.

    Raises:
        ConfigError: an argument is wrong, or two do not go together.
        InputError: a recording cannot be read.
    """
    _check_numbers(parsed)
    arrivals = parse_arrivals(parsed.arrivals)
    if not isinstance(arrivals, Poisson | Constant | Burst):
        raise ConfigError(f"--arrivals {parsed.arrivals}: it has no rate to tune for; use poisson, constant or burst")
    config = load_config(parsed.config or ROOT / DEFAULT_CONFIG, **nested(parsed.assignments))
    plan = _machine_plan(parsed, config.stages)
    has_profile = parsed.profile is not None and parsed.profile.exists()
    if not parsed.files and not (plan is not None and has_profile):
        raise ConfigError(
            "no recordings were given: pass some to measure the stages with and to run the best settings for real, "
            "or --plan with a --profile that was made before"
        )
    missing = [str(file) for file in parsed.files if not file.is_file()]
    if missing:
        raise ConfigError(f"there is no file {', '.join(missing)}; pass recordings")
    for option, file in (("--profile", parsed.profile), ("--write", parsed.write), ("--json", parsed.json)):
        if file is not None:
            make_folder(file.parent, option)
    return TuneOptions(
        config=config,
        clips=[InputClip(file.name, read_audio(file)) for file in parsed.files],
        profile=parsed.profile,
        repeats=parsed.repeats,
        goal=TuningGoal(
            arrivals,
            None if parsed.slo is None else Objective.parse(parsed.slo),
            parsed.rate,
            parsed.requests,
            parsed.seed,
        ),
        arrivals_text=parsed.arrivals,
        threads=parsed.threads,
        memory_bytes=None if parsed.memory_gb is None else parsed.memory_gb * GIB,
        plan=plan,
        confirm=parsed.confirm,
        confirm_requests=parsed.confirm_requests,
        write=parsed.write,
        json=parsed.json,
    )


def _check_numbers(parsed: argparse.Namespace) -> None:
    for name, count, least in (
        ("--repeats", parsed.repeats, 1),
        ("--requests", parsed.requests, 1),
        ("--seed", parsed.seed, 0),
        ("--confirm", parsed.confirm, 0),
        ("--confirm-requests", parsed.confirm_requests, 1),
        *(("--threads", threads, 1) for threads in parsed.threads or ()),
    ):
        if count < least:
            raise ConfigError(f"{name} {count}: it must be {least} or more")
    for name, number, unit in (
        ("--rate", parsed.rate, "requests per second"),
        ("--memory-gb", parsed.memory_gb, "gigabytes"),
    ):
        if number is not None and not 0 < number < math.inf:
            raise ConfigError(f"{name} {number:g}: write {unit}, above 0")


def _machine_plan(parsed: argparse.Namespace, stages: Iterable[str]) -> MachinePlan | None:
    if parsed.plan is None:
        if parsed.gpu_speed:
            raise ConfigError(
                f"--gpu-speed {parsed.gpu_speed[0]}: it assumes something about another machine and needs --plan"
            )
        return None
    numbers = _plan_numbers(parsed.plan)
    speeds = dict(_gpu_speed(text) for text in parsed.gpu_speed)
    unknown = [name for name in speeds if name not in stages]
    if unknown:
        raise ConfigError(f"--gpu-speed {unknown[0]}: there is no such stage, only {', '.join(stages)}")
    if speeds and not numbers.get("gpus"):
        raise ConfigError(f"--gpu-speed needs GPUs in --plan {parsed.plan}, such as --plan cores=16,gpus=2")
    return MachinePlan(
        cores=int(numbers["cores"]) if "cores" in numbers else None,
        gpus=int(numbers.get("gpus", 0)),
        memory_bytes=numbers["memory_gb"] * GIB if "memory_gb" in numbers else None,
        gpu_speeds=speeds,
    )


def _plan_numbers(text: str) -> dict[str, float]:
    try:
        numbers = {key: float(value) for key, value in (part.split("=") for part in text.split(","))}
    except ValueError:
        raise ConfigError(f"--plan {text!r}: write it like cores=64,gpus=4,memory_gb=256") from None
    unknown = numbers.keys() - set(PLAN_KEYS)
    if unknown:
        raise ConfigError(f"--plan {text!r}: {unknown.pop()} is unknown; use {', '.join(PLAN_KEYS)}")
    if not all(0 <= number < math.inf for number in numbers.values()) or numbers.get("cores", 1) < 1:
        raise ConfigError(f"--plan {text!r}: a machine has 1 core or more, and 0 or more of the others")
    return numbers


def _gpu_speed(text: str) -> tuple[str, float]:
    stage, _, factor = text.partition("=")
    try:
        speed = float(factor)
    except ValueError:
        speed = 0.0
    if not stage or not 0 < speed < math.inf:
        raise ConfigError(f"--gpu-speed {text!r}: write a stage and a factor, such as speak=20")
    return stage, speed
