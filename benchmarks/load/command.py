"""`relevo load`: loads a relay and writes the report; see `--help`."""

from __future__ import annotations

import argparse
import signal
import sys

from benchmarks.common.environment import environment
from benchmarks.load.options import DESCRIPTION, EPILOG, Asked, add_arguments, asked
from benchmarks.load.report.page import write_report
from benchmarks.load.run import Run, StageSetting, save
from benchmarks.load.target import RelayUnderLoad, own_relay, running_relay
from benchmarks.load.trials import Trials
from benchmarks.load.view import LoadView, print_run
from commands.options import config_of
from errors import ConfigError, RelevoError

EXIT_MISSED = 1
EXIT_INVALID = 3
EXIT_INTERRUPTED = 130
INTERRUPTED = "interrupted"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command `relevo load`."""
    parser = commands.add_parser(
        "load",
        help="load a relay and report its latency",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    parser.set_defaults(run=main)


def main(parsed: argparse.Namespace) -> int:
    """Loads the relay and returns the exit status; see the end of `--help`."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # either way, what is done gets its report
    try:
        run = load_relay(parsed, asked(parsed), sys.argv[2:])
    except KeyboardInterrupt:
        print("relevo: interrupted before a trial was over", file=sys.stderr)
        return EXIT_INTERRUPTED
    return status(run)


def load_relay(parsed: argparse.Namespace, wanted: Asked, command: list[str]) -> Run:
    """Runs every trial, writes record, samples and report, and prints the figures.

    Raises:
        RelevoError: the relay does not come up or does not answer, or a file cannot be read or written.
    """
    try:
        wanted.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make --output {wanted.output}: {error.strerror}") from error
    with LoadView() as view:
        relay_of = (
            running_relay(parsed.connect, parsed.keys)
            if parsed.connect is not None
            else own_relay(config_of(parsed), parsed.weights, view.starting)
        )
        with relay_of as relay:
            run = _new_run(relay, wanted, command)
            trials = Trials(relay, wanted, view)
            try:
                if wanted.find_peak:
                    run.peak = trials.peak()
                else:
                    trials.rates()
            except (KeyboardInterrupt, RelevoError) as error:
                if not trials.done:
                    raise
                run.interrupted = str(error) or INTERRUPTED
    run.take_in(trials.done)
    save(wanted.output, run, trials.done)
    page = write_report(wanted.output, run, trials.done)
    print_run(run)
    print(f"report: {page}")
    return run


def status(run: Run) -> int:
    """The exit status that a run deserves."""
    if run.interrupted:
        return EXIT_INTERRUPTED if run.interrupted == INTERRUPTED else EXIT_MISSED
    if run.invalid:
        return EXIT_INVALID
    if run.peak is not None:
        return EXIT_MISSED if run.peak.held is None else 0
    well = all(level.held and level.outcomes.get("ok") for level in run.levels)
    return 0 if well else EXIT_MISSED


def _new_run(relay: RelayUnderLoad, wanted: Asked, command: list[str]) -> Run:
    stages = [
        StageSetting(stage.name, stage.module, stage.replicas or stage.ready, stage.threads) for stage in relay.stages()
    ]
    return Run(
        name=relay.config["name"] if relay.config else "a running relay",
        command=command,
        environment=environment(),
        config=relay.config,
        ready_s=relay.ready_s,
        stages=stages,
        cores=relay.cores,
        objectives=[str(objective) for objective in wanted.objectives],
        clips=[file.name for file in wanted.files],
        samples=wanted.samples,
    )
