"""One trial: a schedule that a process of its own sends to a relay, which is watched meanwhile."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.load.figures.samples import read_samples
from benchmarks.load.figures.trial_record import Trial, TrialSamples
from benchmarks.load.sending.sender_messages import SenderFinished, SenderReady, SendProgress, TrialOrder
from benchmarks.load.sending.sender_process import SenderProcess
from benchmarks.load.trials.relay_under_load import RelayUnderLoad
from benchmarks.load.trials.relay_watcher import RelayWatcher
from errors import MeasurementError

IDLE_S = 120.0  # how long a relay may take to finish the jobs that an earlier trial has left


def run_trial(
    relay: RelayUnderLoad,
    order: TrialOrder,
    *,
    arrivals: str,
    rate: float,
    on_progress: Callable[[SendProgress], None],
    check: Callable[[], None] = lambda: None,
) -> TrialSamples:
    """Sends an order and returns the trial with its samples.

    Args:
        relay: the relay to load; the trial begins once it is idle.
        order: what to send; its `samples` and `parent` are filled in here.
        arrivals: the arrival process as the command line writes it.
        rate: the offered rate in requests per second.
        on_progress: called twice a second.
        check: called a few times a second; what it raises ends the trial.

    Raises:
        RelevoError: a clip cannot be read, no relay answers, the sending process died, or the disk is full.
    """
    relay.wait_until_idle(IDLE_S, check)
    with tempfile.TemporaryDirectory(prefix="relevo-load-") as folder:
        file = Path(folder) / "samples.jsonl"
        order = msgspec.structs.replace(order, samples=str(file), parent=os.getpid())
        with SenderProcess(order) as sender, RelayWatcher(relay.client, relay.starts) as watcher:
            sender.wait_for(SenderReady, on_progress, check)
            before, own_before = relay.cpu_s(sender.pid), sender.cpu_s()
            sender.go_on()
            finished = sender.wait_for(SenderFinished, on_progress, check)
            after, own_after = relay.cpu_s(sender.pid), sender.cpu_s()
            sender.go_on()
        samples = sorted(read_samples(file), key=lambda sample: sample.number)
    if len(samples) != finished.requests:
        raise MeasurementError(
            f"{finished.requests} requests ended but {len(samples)} samples were written to {tempfile.gettempdir()}; "
            "make room on that disk"
        )
    trial = Trial(
        number=order.trial,
        arrivals=arrivals,
        rate=rate,
        seed=order.seed,
        requests=len(samples),
        wall_s=finished.wall_s,
        cpu_s=None if before is None or after is None else after - before,
        sender_cpu_s=own_after - own_before,
        relay_states=[
            msgspec.structs.replace(state, at_s=state.at_s - finished.origin) for state in watcher.relay_states
        ],
    )
    return TrialSamples(trial, samples)
