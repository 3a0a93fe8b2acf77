"""Finds the ratio of replicas for a machine and a load.

    relevo tune FILES… [--slo p95=4s] [--rate 0.2] [--write tuned.yaml]
        measures each stage alone on these recordings, simulates every ratio × threads that fits the machine, runs the
        best three for real, prints predicted against measured, and writes the winner as a configuration
    relevo tune --profile FILE --plan cores=64,gpus=4 [--gpu-speed speak=20]
        answers from a profile for a machine that is not here: nothing is run, and the answer says so
    relevo tune --seed-times FILE
        what 1:1:N could have carried with the stage times that the seed published

Without --slo the aim is throughput at saturation. Settings within 1 % of each other are equal, and the cheaper goes
first: fewer GPUs, then fewer threads, then less memory. With --rate, whatever reaches it is equal. Of the settings run
for real the one that carried most is written, unless --slo or --rate asks for more than these runs show.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import psutil
from rich.console import Console
from rich.progress import Progress

from benchmarks.common.environment import environment
from benchmarks.load.figures.objective import Objective
from benchmarks.load.sending.arrivals import Arrivals, parse_arrivals
from benchmarks.load.sending.driver import InputClip
from benchmarks.tune.capacity import growth, limits
from benchmarks.tune.config_file import write_config
from benchmarks.tune.confirmation import Confirmation, measure, predict, run_length
from benchmarks.tune.model.fit import RelayModel, fit
from benchmarks.tune.model.measure import StageInputs, cells_of, profile
from benchmarks.tune.model.profile import Profile
from benchmarks.tune.model.seed_times import read_seed_times
from benchmarks.tune.search import Candidate, TuningGoal, callers, search, shortlist
from benchmarks.tune.setting import Machine, Setting, stage_plans
from benchmarks.tune.simulation.simulated_relay import cycled, simulate_closed
from benchmarks.tune.simulation.steady_state import middle
from benchmarks.tune.tables import compared_table, disturbed, growth_table, model_table, ranking_table
from benchmarks.tune.tables import console as wide_console
from checkout import ROOT
from modules.audio.files import read_audio
from workers.config import PipelineConfig, load_config, nested
from workers.processes.budget import available_cores
from workers.scheduling.stage import StagePlan

SEED_REPLICAS = 6  # of the last stage, in the table of the seed's capacities
PLAN_THREADS = (1, 2, 4, 8)
GIB = 2**30
ROUNDS, LONGEST = 60, 2000  # requests of each caller, and of all, where a ratio is only simulated
MOST_STEPS = 20  # of the growth that is shown


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command `relevo tune`."""
    parser = commands.add_parser(
        "tune",
        help="find the ratio that carries the most",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="recordings like those to be served")
    relay = parser.add_argument_group("the relay")
    relay.add_argument("--config", type=Path, default=ROOT / "pipelines" / "offline.yaml", metavar="FILE")
    relay.add_argument("--set", action="append", default=[], dest="changes", metavar="KEY=VALUE")
    relay.add_argument("--profile", type=Path, metavar="FILE", help="use this profile; written when it is not there")
    relay.add_argument("--repeats", type=int, default=1, help="runs of each recording while profiling (default: 1)")
    load = parser.add_argument_group("the load")
    load.add_argument("--slo", type=Objective.parse, metavar="p95=4s", help="objective; also ttfa:p50=1.5s")
    load.add_argument("--rate", type=float, metavar="R", help="requests per second to reach; then the cheapest wins")
    load.add_argument("--arrivals", default="poisson", metavar="KIND", help="poisson, constant or burst[:SIZE]")
    load.add_argument("--requests", type=int, default=300, help="requests of a simulation (default: 300)")
    load.add_argument("--seed", type=int, default=0, help="of every random draw (default: 0)")
    machine = parser.add_argument_group("the machine")
    machine.add_argument("--threads", nargs="+", type=int, metavar="K", help="threads of a replica to try")
    machine.add_argument("--memory-gb", type=float, metavar="N", help="memory to stay within (default: all there is)")
    machine.add_argument("--plan", type=_plan, metavar="cores=N,gpus=N,memory_gb=N", help="a machine that is not here")
    machine.add_argument(
        "--gpu-speed",
        action="append",
        type=_gpu_speed,
        default=[],
        metavar="STAGE=X",
        help="with --plan: assume that this stage runs on GPUs, X times as fast as on one thread here",
    )
    answer = parser.add_argument_group("the answer")
    answer.add_argument("--confirm", type=int, default=3, metavar="N", help="settings to run for real (default: 3)")
    answer.add_argument(
        "--confirm-requests",
        type=int,
        default=24,
        metavar="N",
        help="that count in each such run (default: 24); others fill the queues before them and keep them full",
    )
    answer.add_argument("--write", type=Path, metavar="FILE", help="write the winner as a configuration")
    answer.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    answer.add_argument("--seed-times", type=Path, metavar="FILE", help="the seed's stage times; nothing else is done")
    parser.set_defaults(run=main)


def main(parsed: argparse.Namespace) -> int:
    """Runs the tuner."""
    console = wide_console()
    if parsed.seed_times is not None:
        _answer_for_seed(parsed.seed_times, console)
    else:
        _tune(parsed, console)
    return 0


def _tune(parsed: argparse.Namespace, console: Console) -> None:
    config = load_config(parsed.config, **nested(parsed.changes))
    if parsed.rate is not None and parsed.rate <= 0:
        raise SystemExit(f"--rate {parsed.rate}: write requests per second, above 0")
    arrivals = parse_arrivals(parsed.arrivals)
    if not isinstance(arrivals, Arrivals):
        raise SystemExit("a closed loop has no rate to tune for; use poisson, constant or burst[:SIZE]")
    wanted = TuningGoal(arrivals, parsed.slo, parsed.rate, parsed.requests, parsed.seed)
    clips = [InputClip(path.name, read_audio(path)) for path in parsed.files]
    if parsed.plan is None and not clips:
        raise SystemExit("pass recordings to profile the stages and to run the best settings for real (see --help)")
    with Progress(console=Console(stderr=True), transient=True) as progress:
        found = _profile(parsed, config, clips, progress)
        model, machine, threads = _model(parsed, fit(found), found)
        plans = stage_plans(config)
        settings, fitting = shortlist(model, plans, machine, threads)
        task = progress.add_task("simulating", total=len(settings))
        ranking = search(model, plans, machine, settings, wanted, lambda: progress.advance(task))
        progress.remove_task(task)
    best = ranking[0]
    if parsed.plan is not None:
        console.print(
            f"[bold]Simulated, not measured:[/bold] {machine.cores} cores and {machine.gpus} GPUs, from a profile made "
            f"on {found.cores} cores. It assumes cores like those, threads beyond the measured ones by Amdahl's law, "
            "and GPUs as fast as --gpu-speed says. Measure on the machine before you buy it."
        )
        if machine.gpus and not parsed.gpu_speed:
            console.print("No stage uses the GPUs: say which does, and how fast, with --gpu-speed STAGE=X.")
    if warning := disturbed(found):
        console.print(warning)
    console.print(model_table(model))
    if len(settings) < fitting:
        console.print(f"{fitting} settings fit the machine; {len(settings)} were simulated, chosen by their limits")
    aim = "at saturation" if parsed.slo is None else f"at {parsed.slo} under {parsed.arrivals} arrivals"
    console.print(ranking_table(ranking, f"{machine.cores} cores: throughput {aim}, simulated"))
    _print_growth(
        model,
        plans,
        growth(model, plans, best.setting, machine),
        machine,
        "one more where it binds",
        console,
    )
    print(_in_words(best, wanted))
    compared = [] if parsed.plan is not None else _confirm(parsed, config, model, plans, clips, ranking, machine)
    if compared:
        console.print(compared_table(compared, f"{parsed.confirm_requests} requests at saturation, for real"))
    if compared and parsed.slo is None and parsed.rate is None:
        best = max(zip(ranking, compared, strict=False), key=lambda pair: pair[1].measured.rps)[0]
        print(f"carried most for real: {best.setting}")
    if parsed.write is not None:
        write_config(parsed.write, config, best, machine, simulated_only=not compared)
        print(f"wrote {parsed.write}; look at it with: relevo check --config {parsed.write}")
    if parsed.json is not None:
        record = {
            "environment": environment(),
            "ranking": [dataclasses.asdict(candidate) for candidate in ranking],
            "compared": [dataclasses.asdict(one) for one in compared],
        }
        parsed.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _profile(
    parsed: argparse.Namespace, config: PipelineConfig, clips: Sequence[InputClip], progress: Progress
) -> Profile:
    """The profile that there is, or a new one."""
    if parsed.profile is not None and parsed.profile.exists():
        found = Profile.read(parsed.profile)
        if list(found.stages) != list(config.stages):
            raise SystemExit(f"{parsed.profile} is of {':'.join(found.stages)}, not {':'.join(config.stages)}")
        return found
    if not clips:
        raise SystemExit(
            "pass recordings to profile the stages on, or --profile FILE with a profile that was made before"
        )
    cores = config.cores or available_cores()
    threads = parsed.threads or (1, cores)
    count = sum(len(cells_of(stage.max_batch, threads, cores)) for stage in config.stages.values())
    task = progress.add_task("the stages' inputs", total=None)
    inputs = StageInputs.trace(config, [clip.payload for clip in clips])
    progress.update(task, total=count)

    def on_cell(cell: str) -> None:
        progress.update(task, description=cell, advance=1)

    found = profile(config, inputs, threads, parsed.repeats, on_cell)
    progress.remove_task(task)
    if parsed.profile is not None:
        found.write(parsed.profile)
    return found


def _model(parsed: argparse.Namespace, model: RelayModel, found: Profile) -> tuple[RelayModel, Machine, Sequence[int]]:
    """The model, the machine and the threads to try: those of the profile, or those of the plan."""
    memory = parsed.memory_gb * GIB if parsed.memory_gb else psutil.virtual_memory().total
    if parsed.plan is None:
        if parsed.gpu_speed:
            raise SystemExit("--gpu-speed is an assumption about a machine that is not here: it needs --plan")
        tried = ({cell.threads for cell in cells if not cell.beside} for cells in found.stages.values())
        measured = sorted(set.intersection(*tried))
        return model, Machine(found.cores, memory), parsed.threads or measured
    machine = Machine(
        cores=int(parsed.plan.get("cores", found.cores)),
        memory_bytes=parsed.plan["memory_gb"] * GIB if "memory_gb" in parsed.plan else float("inf"),
        gpus=int(parsed.plan.get("gpus", 0)),
    )
    speeds = dict(parsed.gpu_speed)
    unknown = speeds.keys() - found.stages.keys()
    if unknown:
        raise SystemExit(f"--gpu-speed {unknown.pop()}: there is no such stage, only {', '.join(found.stages)}")
    if speeds and not machine.gpus:
        raise SystemExit("--gpu-speed needs GPUs in the plan, such as --plan cores=16,gpus=2")
    stages = tuple(dataclasses.replace(s, gpu_speed=speeds.get(s.name, 0.0)) for s in model.stages)
    return dataclasses.replace(model, stages=stages), machine, parsed.threads or PLAN_THREADS


def _confirm(
    parsed: argparse.Namespace,
    config: PipelineConfig,
    model: RelayModel,
    plans: Sequence[StagePlan],
    clips: Sequence[InputClip],
    ranking: Sequence[Candidate],
    machine: Machine,
) -> list[Confirmation]:
    """Runs the best settings for real."""
    found, requests = [], parsed.confirm_requests
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("")
        for candidate in ranking[: parsed.confirm]:
            total = run_length(plans, candidate.setting, requests)
            progress.update(task, description=f"for real: {candidate.setting}", total=total, completed=0)
            predicted = predict(model, plans, candidate.setting, machine, requests)
            run = measure(config, plans, candidate.setting, clips, requests, lambda _: progress.advance(task))
            found.append(Confirmation(candidate.setting, predicted, run))
    return found


def _in_words(best: Candidate, wanted: TuningGoal) -> str:
    following = f"; after it, {best.limits[1].name} at {best.limits[1].rps:.3f}" if len(best.limits) > 1 else ""
    short = wanted.rate is not None and best.rps < wanted.rate
    verdict = f" Nothing that fits reaches {wanted.rate} requests/s." if short else ""
    if wanted.objective is not None and not best.rps:
        verdict = f" No rate holds {wanted.objective}: a lone request already takes longer."
    return (
        f"first choice: {best.setting.ratio} with {','.join(map(str, best.setting.threads))} threads, "
        f"{best.rps:.3f} requests/s. What binds is {best.binding.name} at {best.binding.rps:.3f} requests/s "
        f"({best.binding.why}){following}.{verdict}"
    )


def _answer_for_seed(path: Path, console: Console) -> None:
    model, plans = read_seed_times(path)
    ones = (1,) * len(plans)
    settings = [Setting((*ones[:-1], count), ones) for count in range(1, SEED_REPLICAS + 1)]
    console.print("[bold]Simulated, not measured:[/bold] the published times, with a core for every replica.")
    _print_growth(model, plans, settings, Machine(cores=64), "the seed's stage times, the cold call left out", console)


def _print_growth(
    model: RelayModel,
    plans: Sequence[StagePlan],
    settings: Sequence[Setting],
    machine: Machine,
    title: str,
    console: Console,
) -> None:
    rows = []
    for setting in settings[:MOST_STEPS]:
        in_flight = callers(plans, setting)
        requests = cycled(model.requests, max(4 * in_flight, min(ROUNDS * in_flight, LONGEST)))
        run = simulate_closed(model, plans, setting, machine, requests, in_flight)
        rows.append((setting.ratio, limits(model, plans, setting, machine)[0], middle(run.marks, in_flight).rps))
    console.print(growth_table(rows, title, ended=len(rows) == len(settings)))


def _plan(text: str) -> dict[str, float]:
    try:
        found = {key: float(value) for key, value in (part.split("=") for part in text.split(","))}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: write such as cores=64,gpus=4,memory_gb=256") from None
    if unknown := found.keys() - {"cores", "gpus", "memory_gb"}:
        raise argparse.ArgumentTypeError(f"{text!r}: {unknown.pop()} is unknown; use cores, gpus, memory_gb")
    if found.get("cores", 1) < 1 or min(found.values()) < 0:
        raise argparse.ArgumentTypeError(f"{text!r}: a machine has a core or more, and no less than 0 of the rest")
    return found


def _gpu_speed(text: str) -> tuple[str, float]:
    stage, _, factor = text.partition("=")
    try:
        speed = float(factor)
    except ValueError:
        speed = 0.0
    if not stage or speed <= 0:
        raise argparse.ArgumentTypeError(f"{text!r}: write a stage and a factor, such as speak=20")
    return stage, speed
