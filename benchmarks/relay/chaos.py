"""Counts what a relay loses under load while its processes are killed, stopped and sent garbage.

    python -m benchmarks.relay.chaos [--requests 10000] [--kill-every 0.3] [--kill replica,broker] [--stall]

By default the stages are stand-ins that wait about a millisecond, and every answer is checked against its request.
With --config FILE and recordings it is that relay, and every answer is compared with that of an undisturbed run:

    --config pipelines/offline.yaml --requests 20 --kill-every 20 samples/0[1-4]*.flac

With --minutes N it runs that long and adds how the memory of each process went. Prints one line of JSON; the exit
status is 1 unless nothing was lost and nothing doubled.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import secrets
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from benchmarks.common.background import Background
from benchmarks.common.command_line import measurement_parser, run_measurement
from benchmarks.common.memory_series import MemorySeries
from benchmarks.common.output import print_record, progress
from errors import ConfigError
from modules.audio.files import read_audio
from modules.contract.payloads import Audio
from modules.testing import stand_in_stages
from modules.testing.timed import PHRASES, number_of, request_audio
from pipeline import Pipeline
from workers.client.result import Result
from workers.config import PipelineConfig, load_config

IN_FLIGHT = 32
RATIO = "3:3:3"
# Many kills in a row are neither the fault of a job nor a crash loop of a stage.
PATIENCE: dict[str, Any] = {"max_attempts": 50, "deaths_per_minute": 10**6, "heartbeat_timeout_s": 3.0}
OUTCOME_TIMEOUT_S = 300  # without any outcome; a real model that was killed takes its time to load again
NUMBERS = 2**19  # different requests of the stand-ins

Check = Callable[[int, Result], bool]


class FaultInjector(Background):
    """Kills, stops and disturbs processes of a relay, on a schedule drawn from a seed, while its `with` block runs."""

    def __init__(self, pipeline: Pipeline, every_s: float, kinds: list[str], seed: int) -> None:
        super().__init__(every_s)
        self.injected: Counter[str] = Counter()
        self._pipeline, self._kinds = pipeline, kinds
        self._random = random.Random(seed)
        self._faults: dict[str, Callable[[], None]] = {
            "replica": lambda: self._signal_replica(signal.SIGKILL),
            "stall": lambda: self._signal_replica(signal.SIGSTOP),
            "broker": self._kill_broker,
            "garbage": self._send_garbage,
        }

    def tick(self) -> None:
        """Injects one fault."""
        kind = self._random.choice(self._kinds)
        with contextlib.suppress(ProcessLookupError):
            self._faults[kind]()
            self.injected[kind] += 1

    def _signal_replica(self, number: signal.Signals) -> None:
        warm = [replica.pid for replica in self._pipeline.replicas() if replica.state in ("ready", "busy")]
        pids = [pid for pid in warm if pid is not None]
        if pids:
            os.kill(self._random.choice(pids), number)

    def _kill_broker(self) -> None:
        pid = self._pipeline.broker_pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    def _send_garbage(self) -> None:
        with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
            dealer.setsockopt(zmq.LINGER, 1000)
            dealer.connect(self._pipeline.address)
            for _ in range(self._random.randrange(1, 4)):
                head = self._random.choice([b"", b"RLV\x02", b"RLV\x07"])
                dealer.send_multipart([head + secrets.token_bytes(40), b"x" * self._random.randrange(100)])


def drive(
    pipeline: Pipeline, requests: Iterable[tuple[int, Audio]], check: Check, on_end: Callable[[], None]
) -> dict[str, Any]:
    """Puts the requests through, at most IN_FLIGHT at once, and counts how they end."""
    outcomes: Counter[str] = Counter()
    accepted = lost = wrong = 0
    latencies: list[float] = []
    running: dict[Future[Result], int] = {}
    source = iter(requests)
    while True:
        while len(running) < IN_FLIGHT and (following := next(source, None)) is not None:
            number, audio = following
            running[pipeline.submit(audio, patient=True)] = number
            accepted += 1
        if not running:
            break
        done = wait(running, timeout=OUTCOME_TIMEOUT_S, return_when=FIRST_COMPLETED).done
        if not done:
            lost = len(running)
            break
        for future in done:
            number, result = running.pop(future), future.result()
            outcomes[result.outcome] += 1
            latencies.append(result.latency_s)
            wrong += result.outcome == "ok" and not check(number, result)
            on_end()
    p50, p99 = np.quantile(latencies, [0.5, 0.99]) if latencies else (float("nan"), float("nan"))
    return {
        "accepted": accepted,
        "outcomes": dict(outcomes),
        "lost": lost,
        "duplicated": wrong,
        "p50_s": round(float(p50), 4),
        "p99_s": round(float(p99), 4),
    }


def is_whole(number: int, result: Result) -> bool:
    """Tells whether a stand-in's answer has every part of its request once, and nothing of another's."""
    return (
        result.texts == {"listen": str(number), "translate": str(number)}
        and result.audio is not None
        and result.audio.seconds == PHRASES * request_audio(number).seconds
        and number_of(result.audio) == number
    )


def same_as_undisturbed(pipeline: Pipeline, clips: list[Audio]) -> Check:
    """Runs the clips before any fault, and returns a check that compares later results with theirs."""
    undisturbed = list(pipeline.map(clips))

    def check(number: int, result: Result) -> bool:
        before = undisturbed[number % len(clips)]
        if result.texts != before.texts or (result.audio is None) != (before.audio is None):
            return False
        return result.audio is None or before.audio is None or result.audio.seconds == before.audio.seconds

    return check


def relay_of(arguments: argparse.Namespace) -> tuple[PipelineConfig, list[Audio]]:
    """Returns the relay to disturb, and its recordings; none for stand-ins.

    Raises:
        ConfigError: a configuration is named but no recording.
        InputError: a recording cannot be read.
    """
    if arguments.config is None:
        stages = stand_in_stages("timed", speak={"service_s": [0.001, 0.002]})
        values = {**PATIENCE, "stages": stages, "ratio": arguments.ratio or RATIO, "cores": 64}
        return PipelineConfig(**values), []
    if not arguments.files:
        raise ConfigError(f"--config {arguments.config} has no recordings to send; name some")
    # One job a batch, because a neighbour in its batch changes a word of a real model now and then.
    alone = {name: {"max_batch": 1} for name in load_config(arguments.config).stages}
    ratio = {"ratio": arguments.ratio} if arguments.ratio else {}
    config = load_config(arguments.config, stages=alone, **PATIENCE, **ratio)
    return config, [read_audio(path) for path in arguments.files]


def main() -> int:
    """Injects the faults; the exit status says whether anything was lost or doubled."""
    parser = measurement_parser(__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="recordings, with --config")
    parser.add_argument("--requests", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--minutes", type=float, help="run this long instead, and print the memory of each process")
    parser.add_argument("--kill-every", type=float, default=0.3, metavar="S", help="seconds between two (default: 0.3)")
    parser.add_argument("--kill", default="replica,broker", help="what SIGKILL hits; empty for nothing")
    parser.add_argument("--stall", action="store_true", help="also stop replicas with SIGSTOP")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a real relay, with recordings")
    parser.add_argument("--ratio", help=f"replicas per stage (default: {RATIO} for stand-ins)")
    parser.add_argument("--seed", type=int, default=0, help="of the faults (default: 0)")
    arguments = parser.parse_args()
    kinds = [kind for kind in arguments.kill.split(",") if kind] + ["garbage"] + ["stall"] * arguments.stall
    if unknown := set(kinds) - {"replica", "broker", "garbage", "stall"}:
        parser.error(f"--kill {','.join(sorted(unknown))}: choose replica, broker or both")
    config, clips = relay_of(arguments)
    with Pipeline(config) as pipeline:
        check = same_as_undisturbed(pipeline, clips) if clips else is_whole
        began = time.monotonic()
        with MemorySeries(pipeline) as memory, progress() as bar:
            task = bar.add_task("requests", total=None if arguments.minutes else arguments.requests)
            numbers = _numbers(arguments.requests, arguments.minutes)
            requests = ((n, clips[n % len(clips)] if clips else request_audio(n)) for n in numbers)
            with FaultInjector(pipeline, arguments.kill_every, kinds, arguments.seed) as faults:
                figures = drive(pipeline, requests, check, lambda: bar.advance(task))
        figures |= {
            "seconds": round(time.monotonic() - began, 1),
            "faults": dict(faults.injected),
            "restarts": sum(replica.starts - 1 for replica in pipeline.replicas()),
        }
        if arguments.minutes:
            figures["memory"] = memory.summary()
    print_record(figures)
    return 0 if figures["lost"] == figures["duplicated"] == 0 else 1


def _numbers(requests: int, minutes: float | None) -> Iterator[int]:
    end_at = None if minutes is None else time.monotonic() + minutes * 60
    number = 0
    while number < requests if end_at is None else time.monotonic() < end_at:
        yield number % NUMBERS
        number += 1


if __name__ == "__main__":
    run_measurement(main)
