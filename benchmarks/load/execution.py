"""Carries out a load test: relay, trials, record and report."""

from __future__ import annotations

import argparse
import contextlib
import sys

from benchmarks.common.environment import environment
from benchmarks.load.options import LoadOptions, load_options
from benchmarks.load.progress_view import ProgressView
from benchmarks.load.report.page import write_report
from benchmarks.load.report.terminal import print_run
from benchmarks.load.run_record import INTERRUPTED, LoadRun, StageSetting, save_run
from benchmarks.load.trials.interruption import Interruption
from benchmarks.load.trials.relay_under_load import RelayUnderLoad, own_relay, running_relay
from benchmarks.load.trials.trial_series import TrialSeries
from commands.options import config_of, make_folder
from commands.output import say
from errors import RelevoError


def load_relay(parsed: argparse.Namespace) -> LoadRun:
    """Runs every trial, writes record, samples and report, and prints the figures.

    Raises:
        RelevoError: an argument is wrong, the relay does not come up or does not answer, or a file cannot be written.
        KeyboardInterrupt: interrupted before a trial was over.
    """
    options = load_options(parsed)
    make_folder(options.output, "--output")
    with Interruption() as interruption, ProgressView() as view, _relay(parsed, view) as relay:
        interruption.defer()
        run = _new_run(relay, options)
        series = TrialSeries(relay, options, view, interruption)
        try:
            if options.find_peak:
                run.peak = series.search_peak()
            else:
                series.run_rates()
        except (KeyboardInterrupt, RelevoError) as error:
            if not series.done:
                raise
            run.interrupted = str(error) or INTERRUPTED
    run.add_trials(series.done)
    save_run(options.output, run, series.done)
    page = write_report(options.output, run, series.done)
    print_run(run)
    say(f"report: {page}")
    return run


def _relay(parsed: argparse.Namespace, view: ProgressView) -> contextlib.AbstractContextManager[RelayUnderLoad]:
    if parsed.connect is not None:
        return running_relay(parsed.connect, parsed.keys)
    return own_relay(config_of(parsed), parsed.weights, view.show_start)


def _new_run(relay: RelayUnderLoad, options: LoadOptions) -> LoadRun:
    stages = [
        StageSetting(stage.name, stage.module, stage.replicas or stage.ready, stage.threads) for stage in relay.stages()
    ]
    return LoadRun(
        name=relay.config["name"] if relay.config else "a running relay",
        command=sys.argv[1:],
        environment=environment(),
        config=relay.config,
        ready_s=relay.ready_s,
        stages=stages,
        cores=relay.cores,
        objectives=[str(objective) for objective in options.objectives],
        clips=[file.name for file in options.files],
        samples=options.samples,
    )
