"""The same offline models inside other systems, under the same load, and inside ours.

    python -m benchmarks.peers [--systems relevo seed sequential mosec ray] FILES…

Every system gets the same clips, the same Poisson arrivals (drawn once, whatever the system does) and the same
ratio; each is run once undisturbed and once with one of its speech workers killed half-way, the systems in turn. Choose
a rate above what the machine can carry, and the throughput is each system's capacity.

relevo      thread budgets, audio phrase by phrase
seed        spawned processes between a Manager's queues, no thread budgets, answers whole
sequential  one process, one request after the other, answers whole
mosec       three stages over HTTP, our thread budgets, answers whole
ray         Ray Serve, three deployments by handle, our thread budgets, answers whole

mosec and ray need `make peers`. Takes about 3 minutes a system with the defaults on two cores.
"""

from __future__ import annotations

import argparse
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
from rich.console import Console
from rich.progress import Progress

from benchmarks.common.environment import environment
from benchmarks.peers.contestant import READY_S, SYSTEMS, Bout, Record
from benchmarks.peers.view import Row, plot, table
from benchmarks.tune.tables import console
from checkout import ROOT

CLOSE_S = 60.0  # how long a system may take to end
RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "120"}
NEEDS = {"mosec": "mosec", "ray": "ray"}


def main() -> None:
    """Runs every system twice, in turn, and prints the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="clips, sent in turn")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), metavar="SYSTEM")
    parser.add_argument("--config", type=Path, default=ROOT / "pipelines" / "offline.yaml", metavar="FILE")
    parser.add_argument("--set", action="append", default=[], dest="changes", metavar="KEY=VALUE")
    parser.add_argument("--ratio", default="1:1:2", help="workers of each stage, for all but sequential")
    parser.add_argument("--rate", type=float, default=0.3, help="requests per second (default: 0.3)")
    parser.add_argument("--requests", type=int, default=12, help="of the undisturbed run (default: 12)")
    parser.add_argument("--kill-requests", type=int, default=6, help="of the run with the kill; 0: none (default: 6)")
    parser.add_argument(
        "--give-up", type=float, default=90.0, metavar="S", help="longest wait after the last request (default: 90)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the arrivals and of which worker is killed")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the table")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every raw sample")
    arguments = parser.parse_args()
    systems = [name for name in arguments.systems if _installed(name)]
    calm = Bout(
        config=str(arguments.config),
        changes=tuple(arguments.changes),
        ratio=arguments.ratio,
        files=tuple(map(str, arguments.files)),
        rate=arguments.rate,
        requests=arguments.requests,
        seed=arguments.seed,
        give_up_s=arguments.give_up,
        kill=False,
    )
    killed = msgspec.structs.replace(calm, requests=arguments.kill_requests, kill=True)
    records: dict[tuple[str, bool], Record] = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bouts = [(name, bout) for bout in (calm, killed) if bout.requests for name in systems]
        for name, bout in progress.track(bouts, description="systems"):
            if (record := run_bout(name, bout)) is not None:
                records[name, bout.kill] = record
    rows = [Row.of(name, records.get((name, False)), records.get((name, True))) for name in systems]
    console().print(table(rows, f"{arguments.requests} requests at {arguments.rate}/s, {arguments.ratio}"))
    if arguments.plot:
        plot(rows, arguments.plot)
    if arguments.json:
        kept = {f"{name}{' killed' if kill else ''}": record for (name, kill), record in records.items()}
        content = {"environment": environment(), "bout": calm, "records": kept}
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")


def _installed(name: str) -> bool:
    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
        print(f"{name} is left out: it is not installed (make peers)", file=sys.stderr)
        return False
    return True


def run_bout(name: str, bout: Bout) -> Record | None:
    """One bout in a fresh process, whose descendants are all ended after it; None when it came to nothing."""
    longest_s = READY_S + 2 * bout.requests / bout.rate + bout.give_up_s + CLOSE_S
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        out = Path(folder) / "record.json"
        command = [sys.executable, "-m", "benchmarks.peers.contestant", name, "--out", str(out)]
        command += ["--bout", msgspec.json.encode(bout).decode()]
        search = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        contestant_environment = {**os.environ, "PYTHONPATH": search, **RAY}
        with (Path(folder) / "log").open("w+b") as log:
            contestant = subprocess.Popen(
                command, cwd=ROOT, env=contestant_environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            _wait_and_clear(contestant, time.monotonic() + longest_s)
            if not out.exists():
                log.seek(0)
                tail = log.read().decode(errors="replace")[-2000:]
                print(f"{name} came to nothing (status {contestant.returncode}):\n{tail}", file=sys.stderr)
                return None
        return msgspec.json.decode(out.read_bytes(), type=Record)


def _wait_and_clear(contestant: subprocess.Popen[bytes], give_up_at: float) -> None:
    """Waits for the process, and ends each process that it has had below it, by its id."""
    root, seen = psutil.Process(contestant.pid), set[psutil.Process]()
    while time.monotonic() < give_up_at:
        with contextlib.suppress(psutil.NoSuchProcess):
            seen.update(root.children(recursive=True))
        with contextlib.suppress(subprocess.TimeoutExpired):
            contestant.wait(0.5)
            break
    for process in (*seen, root):  # one whose number has been given to another process does not count as running
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running():
                process.kill()
    contestant.wait()


if __name__ == "__main__":
    main()
