"""Carries out a tuning run: profile, model, search, confirmation and answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.load.formatting import count_text, duration_text
from benchmarks.tune.answer import busy_machine_warning, capped, first_choice, plan_assumptions, write_figures
from benchmarks.tune.capacity import growth, limits
from benchmarks.tune.config_file import write_config
from benchmarks.tune.confirmation import Confirmation, measure, predict, total_requests
from benchmarks.tune.model.fit import RelayModel, fit
from benchmarks.tune.model.measure import StageInputs, measure_stages, measurement_points
from benchmarks.tune.model.profile import Profile
from benchmarks.tune.model.seed_times import read_seed_times
from benchmarks.tune.options import TuneOptions
from benchmarks.tune.progress_view import TuneProgress
from benchmarks.tune.search import Candidate, saturated_rps, search, shortlist
from benchmarks.tune.setting import Machine, Setting, stage_plans
from benchmarks.tune.tables import MOST_ROWS, print_confirmations, print_growth, print_model, print_ranking
from commands.output import say
from errors import ConfigError
from workers.processes.budget import available_cores
from workers.scheduling.stage import StagePlan

SEED_REPLICAS = 6  # of the last stage, in the table of the seed's capacities
PLAN_THREADS = (1, 2, 4, 8)
SEED_REQUESTS = 1000  # of a simulation of the seed's times
MOST_STEPS = 20  # of the growth that are shown


def tune(options: TuneOptions) -> None:
    """Finds the setting, prints it, and writes it where that was asked for.

    Raises:
        RelevoError: a stage could not be measured, a real run failed, or a file cannot be written.
    """
    goal = options.goal
    with TuneProgress() as progress:
        profile = _profile(options, progress)
        model, machine, threads = _model(options, profile)
        plans = stage_plans(options.config)
        settings, fitting = shortlist(model, plans, machine, threads)
        ranking = search(model, plans, machine, settings, goal, progress.begin("simulating", len(settings)))
    best = ranking[0]
    if options.plan is not None:
        say(plan_assumptions(machine, profile))
        if machine.gpus and not options.plan.gpu_speeds:
            say("No stage uses the GPUs: name the stage that does, and its speed, with --gpu-speed STAGE=X.")
    if warning := busy_machine_warning(profile):
        say(warning)
    print_model(model)
    if len(settings) < fitting:
        say(f"{fitting} settings fit the machine; {len(settings)} were simulated, chosen by their limits")
    aim = "at saturation" if goal.objective is None else f"at {goal.objective} under {options.arrivals_text} arrivals"
    print_ranking(ranking, f"{machine.cores} cores: throughput {aim}, simulated")
    beyond = [candidate for candidate in ranking[:MOST_ROWS] if candidate.held_beyond_saturation]
    if beyond:
        say(f"requests/s is never above saturation: for {beyond[0].setting} {capped(beyond[0], goal)}")
    _show_growth(
        model, plans, growth(model, plans, best.setting, machine), machine, goal.requests, "one more where the limit is"
    )
    say(first_choice(best, goal))
    confirmed = [] if options.plan is not None else _confirm(options, model, plans, ranking, machine)
    if confirmed and goal.objective is None and goal.rate is None:
        best = max(zip(ranking, confirmed, strict=False), key=lambda pair: pair[1].measured.rps)[0]
        say(f"highest throughput for real: {best.setting}")
    if options.write is not None:
        write_config(options.write, options.config, best, machine, simulated_only=not confirmed)
        say(f"wrote {options.write}; look at it with: relevo check --config {options.write}")
    if options.json is not None:
        write_figures(options.json, ranking, confirmed)


def show_seed_capacities(path: Path) -> None:
    """Prints what 1:1:N could have carried with the stage times that the seed published.

    Raises:
        ConfigError: the file has no such times.
    """
    model, plans = read_seed_times(path)
    ones = (1,) * len(plans)
    settings = [Setting((*ones[:-1], count), ones) for count in range(1, SEED_REPLICAS + 1)]
    say("Simulated, not measured: the published times, with a core for every replica.")
    title = "the seed's stage times, the cold call left out"
    _show_growth(model, plans, settings, Machine(cores=64), SEED_REQUESTS, title)


def _profile(options: TuneOptions, progress: TuneProgress) -> Profile:
    """Reads the profile, or measures and writes it."""
    config = options.config
    if options.profile is not None and options.profile.exists():
        profile = Profile.read(options.profile)
        if list(profile.stages) != list(config.stages):
            raise ConfigError(
                f"--profile {options.profile} is of the stages {':'.join(profile.stages)}, and the configuration has "
                f"{':'.join(config.stages)}; name another file"
            )
        return profile
    cores = config.cores or available_cores()
    threads = options.threads or (1, cores)
    points = sum(len(measurement_points(stage.max_batch, threads, cores)) for stage in config.stages.values())
    progress.begin("tracing the inputs of each stage")
    inputs = StageInputs.trace(config, [clip.payload for clip in options.clips])
    advance = progress.begin("measuring", points)

    def show_point(point: str) -> None:
        progress.describe(point)
        advance()

    profile = measure_stages(config, inputs, threads, options.repeats, show_point)
    if options.profile is not None:
        profile.write(options.profile)
    return profile


def _model(options: TuneOptions, profile: Profile) -> tuple[RelayModel, Machine, Sequence[int]]:
    """Returns the model, the machine, and the threads to try."""
    model, plan = fit(profile), options.plan
    if plan is None:
        memory_bytes = options.memory_bytes or psutil.virtual_memory().total
        tried = ({one.threads for one in measured if not one.beside} for measured in profile.stages.values())
        return model, Machine(profile.cores, memory_bytes), options.threads or sorted(set.intersection(*tried))
    machine = Machine(plan.cores or profile.cores, plan.memory_bytes or float("inf"), plan.gpus)
    stages = tuple(dataclasses.replace(s, gpu_speed=plan.gpu_speeds.get(s.name, 0.0)) for s in model.stages)
    return dataclasses.replace(model, stages=stages), machine, options.threads or PLAN_THREADS


def _confirm(
    options: TuneOptions,
    model: RelayModel,
    plans: Sequence[StagePlan],
    ranking: Sequence[Candidate],
    machine: Machine,
) -> list[Confirmation]:
    """Runs the best settings for real, and prints the table."""
    requests, settings = options.confirm_requests, [candidate.setting for candidate in ranking[: options.confirm]]
    if not settings:
        return []
    predicted = [predict(model, plans, setting, machine, requests) for setting in settings]
    totals = [total_requests(plans, setting, requests) for setting in settings]
    expected_s = sum(total / run.rps for total, run in zip(totals, predicted, strict=True))
    say(
        f"running {count_text(len(settings), 'setting')} for real: {sum(totals)} requests, about "
        f"{duration_text(expected_s)}"
    )
    confirmed = []
    with TuneProgress() as progress:
        for setting, prediction, total in zip(settings, predicted, totals, strict=True):
            advance = progress.begin(f"for real: {setting}", total)
            run = measure(options.config, plans, setting, options.clips, requests, advance)
            confirmed.append(Confirmation(setting, prediction, run))
    print_confirmations(confirmed, f"{requests} requests at saturation, for real")
    return confirmed


def _show_growth(
    model: RelayModel,
    plans: Sequence[StagePlan],
    settings: Sequence[Setting],
    machine: Machine,
    requests: int,
    title: str,
) -> None:
    path = []
    for setting in settings[:MOST_STEPS]:
        limit = limits(model, plans, setting, machine)[0]
        path.append((setting.ratio, limit, saturated_rps(model, plans, setting, machine, requests)))
    print_growth(path, title, ended=len(path) == len(settings))
