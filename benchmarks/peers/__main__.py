"""Compares the same modules inside other systems with Relevo, under the same load.

    python -m benchmarks.peers [--systems relevo seed sequential mosec ray] FILES

Every system gets the same clips, the same Poisson arrivals (drawn once, whatever the system does) and the same ratio.
Choose a rate above what the machine can carry, and the throughput is each system's capacity. Each system is run once
undisturbed, and once with a speech worker killed when half of the requests have come. That worker holds a request when
it dies: it says so, is stopped, and is killed only if it still says so.

The driver sends each request once. Requests that fail or are never answered are sent once more after the trial, as a
client with a retry of its own would; the table counts these apart. --requests 0 leaves the undisturbed trials out.

relevo      thread budgets, audio phrase by phrase
seed        spawned processes between a Manager's queues, no thread budgets, answers whole
sequential  one process, one request after the other, answers whole
mosec       three stages over HTTP, our thread budgets, answers whole
ray         Ray Serve, three deployments by handle, our thread budgets, answers whole

mosec and ray need `make peers`. Takes about 3 minutes a system with the defaults on two cores. Prints a table, and
the errors that clients saw.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import psutil

from benchmarks.common.command_line import add_json, add_relay, measurement_parser, require, run_measurement
from benchmarks.common.output import progress, show, write_record
from benchmarks.peers.comparison import SystemFigures, comparison_table, errors_of, plot
from benchmarks.peers.trial import READY_S, SYSTEMS, TrialPlan, TrialRecord
from checkout import ROOT

CLOSE_S = 60.0  # longest time for a system to end
RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "120"}
PACKAGES = {"mosec": "mosec", "ray": "ray"}


def main() -> int:
    """Runs every system twice, in turn, and prints the table."""
    parser = measurement_parser(__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings, sent in turn")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), metavar="SYSTEM")
    add_relay(parser)
    parser.add_argument("--ratio", default="1:1:2", help="workers of each stage, for all but sequential")
    parser.add_argument("--rate", type=float, default=0.3, help="requests per second (default: 0.3)")
    parser.add_argument("--requests", type=int, default=12, help="of the undisturbed trial (default: 12)")
    parser.add_argument("--kill-requests", type=int, default=6, help="of the trial with a kill; 0: none (default: 6)")
    parser.add_argument(
        "--give-up", type=float, default=90.0, metavar="S", help="longest wait after the last request (default: 90)"
    )
    parser.add_argument(
        "--replacement", type=float, default=30.0, metavar="S", help="longest wait for another worker (default: 30)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the arrivals and of the worker that is killed")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the table")
    add_json(parser)
    arguments = parser.parse_args()
    if arguments.plot:
        require("matplotlib")
    systems = [name for name in arguments.systems if _installed(name)]
    calm = TrialPlan(
        config=str(arguments.config),
        changes=tuple(arguments.changes),
        ratio=arguments.ratio,
        files=tuple(map(str, arguments.files)),
        rate=arguments.rate,
        requests=arguments.requests,
        seed=arguments.seed,
        give_up_s=arguments.give_up,
        replacement_s=arguments.replacement,
        kill=False,
    )
    killed = msgspec.structs.replace(calm, requests=arguments.kill_requests, kill=True)
    records: dict[tuple[str, bool], TrialRecord] = {}
    trials = [(name, plan) for plan in (calm, killed) if plan.requests for name in systems]
    with progress() as bar:
        task = bar.add_task("systems", total=len(trials))
        for name, plan in trials:
            bar.update(task, description=name)
            if (record := trial_in_a_process(name, plan)) is not None:
                records[name, plan.kill] = record
            bar.advance(task)
    figures = [SystemFigures.of(name, records.get((name, False)), records.get((name, True))) for name in systems]
    show(comparison_table(figures, f"{arguments.requests} requests at {arguments.rate}/s, {arguments.ratio}"))
    for (name, kill), record in records.items():
        for error in errors_of(record):
            print(f"{name}, {'killed' if kill else 'undisturbed'}: {error}")
    kept = {f"{name}{' killed' if kill else ''}": record for (name, kill), record in records.items()}
    write_record(arguments.json, msgspec.to_builtins({"plan": calm, "records": kept}))
    if arguments.plot:
        plot(figures, arguments.plot)
    return 0


def _installed(name: str) -> bool:
    if name in PACKAGES and importlib.util.find_spec(PACKAGES[name]) is None:
        print(f"relevo: {name} is left out, because it is not installed; run `make peers`", file=sys.stderr)
        return False
    return True


def trial_in_a_process(name: str, plan: TrialPlan) -> TrialRecord | None:
    """Runs a trial in a fresh process and ends all that it started.

    Returns None, and prints the end of its log, if it failed.
    """
    longest_s = READY_S + 2 * plan.requests / plan.rate + 2 * plan.give_up_s + plan.replacement_s + CLOSE_S
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        out = Path(folder) / "record.json"
        command = [sys.executable, "-m", "benchmarks.peers.trial", name, "--out", str(out)]
        command += ["--plan", msgspec.json.encode(plan).decode()]
        search = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONPATH": search, **RAY}
        with (Path(folder) / "log").open("w+b") as log:
            trial = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            _wait_and_clear(trial, time.monotonic() + longest_s)
            if not out.exists():
                log.seek(0)
                tail = log.read().decode(errors="replace")[-2000:]
                print(f"relevo: the trial of {name} failed with status {trial.returncode}:\n{tail}", file=sys.stderr)
                return None
        return msgspec.json.decode(out.read_bytes(), type=TrialRecord)


def _wait_and_clear(trial: subprocess.Popen[bytes], give_up_at: float) -> None:
    """Waits for the process, and ends each process that it has had below it, by its id."""
    root, seen = psutil.Process(trial.pid), set[psutil.Process]()
    while time.monotonic() < give_up_at:
        with contextlib.suppress(psutil.NoSuchProcess):
            seen.update(root.children(recursive=True))
        with contextlib.suppress(subprocess.TimeoutExpired):
            trial.wait(0.5)
            break
    for process in (*seen, root):  # one whose number has been given to another process does not count as running
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running():
                process.kill()
    trial.wait()


if __name__ == "__main__":
    run_measurement(main)
