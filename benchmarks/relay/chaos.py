"""Drives a relay under load while its processes are killed, stopped and sent garbage; counts what was lost.

    python -m benchmarks.relay.chaos [--requests 10000] [--kill-every 0.3] [--kill replica,broker] [--stall]

By default the stages are stand-ins that wait about a millisecond, and every answer is checked against its request.
With --config FILE and recordings it is that relay; then every answer is compared with an undisturbed run's, as with
--config pipelines/offline.yaml --requests 20 --kill-every 20 samples/0[1-4]*.flac
With --minutes N it runs that long and prints how the memory of each process went. Prints one line of JSON; exit
status 1 unless nothing was lost and nothing doubled.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Any

import numpy as np
import zmq
from rich.console import Console
from rich.progress import Progress

from benchmarks.common.background import Background
from benchmarks.common.environment import environment
from benchmarks.common.memory_series import MemorySeries
from modules.audio.files import read_audio
from modules.contract.payloads import Audio
from modules.testing.timed import PHRASES, number_of, request_audio, stages
from pipeline import Pipeline
from workers.client.result import Result
from workers.config import PipelineConfig, load_config

IN_FLIGHT = 32
RATIO = "3:3:3"
# A storm of kills is no fault of the jobs, and no crash loop of a stage.
PATIENCE: dict[str, Any] = {"max_attempts": 50, "deaths_per_minute": 10**6, "heartbeat_timeout_s": 3.0}
OUTCOME_TIMEOUT_S = 300  # nothing ends any more; a real model that was killed takes its time to load again

Check = Callable[[int, Result], bool]


class Trouble(Background):
    """Makes trouble from a thread of its own, on a schedule drawn from a seed."""

    def __init__(self, pipeline: Pipeline, every_s: float, kinds: list[str], seed: int) -> None:
        super().__init__(every_s)
        self.made: Counter[str] = Counter()
        self._pipeline, self._kinds = pipeline, kinds
        self._random = random.Random(seed)

    def look(self) -> None:
        """Makes trouble once."""
        kind = self._random.choice(self._kinds)
        with contextlib.suppress(ProcessLookupError):
            getattr(self, f"_{kind}")()
            self.made[kind] += 1

    def _replica(self) -> None:
        self._signal(signal.SIGKILL)

    def _stall(self) -> None:
        self._signal(signal.SIGSTOP)

    def _signal(self, number: signal.Signals) -> None:
        warm = [replica.pid for replica in self._pipeline.replicas() if replica.state in ("ready", "busy")]
        pids = [pid for pid in warm if pid is not None]
        if pids:
            os.kill(self._random.choice(pids), number)

    def _broker(self) -> None:
        pid = self._pipeline.broker_pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    def _garbage(self) -> None:
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
        if not done:  # nothing ends any more
            lost = len(running)
            break
        for future in done:
            number, result = running.pop(future), future.result()
            outcomes[result.outcome] += 1
            latencies.append(result.latency_s)
            wrong += result.outcome == "ok" and not check(number, result)
            on_end()
    return {
        "accepted": accepted,
        "outcomes": dict(outcomes),
        "lost": lost,
        "duplicated": wrong,
        "p50_s": round(float(np.quantile(latencies, 0.5)), 4),
        "p99_s": round(float(np.quantile(latencies, 0.99)), 4),
    }


def is_whole(number: int, result: Result) -> bool:
    """Whether a stand-in's answer has every part of its request once, and nothing of another's."""
    return (
        result.texts == {"listen": str(number), "translate": str(number)}
        and result.audio is not None
        and result.audio.seconds == PHRASES * request_audio(number).seconds
        and number_of(result.audio) == number
    )


def main() -> int:
    """Runs the storm; the exit status says whether anything was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="recordings, with --config")
    parser.add_argument("--requests", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--minutes", type=float, help="run this long instead, and print the memory of each process")
    parser.add_argument("--kill-every", type=float, default=0.3, metavar="S", help="seconds between two (default: 0.3)")
    parser.add_argument("--kill", default="replica,broker", help="what SIGKILL hits; empty for nothing")
    parser.add_argument("--stall", action="store_true", help="also stop replicas with SIGSTOP")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a real relay, with recordings")
    parser.add_argument("--ratio", help=f"replicas per stage (default: {RATIO} for stand-ins)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    kinds = [kind for kind in arguments.kill.split(",") if kind] + ["garbage"] + ["stall"] * arguments.stall
    if arguments.config is None:
        values = {**PATIENCE, "stages": stages(speak=[0.001, 0.002]), "ratio": arguments.ratio or RATIO, "cores": 64}
        config = PipelineConfig(**values)
        clips: list[Audio] = []
    else:
        # one job a batch, since who shares a batch changes a word now and then
        alone = {name: {"max_batch": 1} for name in load_config(arguments.config).stages}
        ratio = {"ratio": arguments.ratio} if arguments.ratio else {}
        config = load_config(arguments.config, stages=alone, **PATIENCE, **ratio)
        clips = [read_audio(path) for path in arguments.files]
    with Pipeline(config) as pipeline:
        check = is_whole if not clips else _same_as_undisturbed(pipeline, clips)
        began = time.monotonic()
        with MemorySeries(pipeline) as memory, Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("requests", total=None if arguments.minutes else arguments.requests)
            numbers = _numbers(arguments.requests, arguments.minutes)
            requests = ((n, clips[n % len(clips)] if clips else request_audio(n)) for n in numbers)
            with Trouble(pipeline, arguments.kill_every, kinds, arguments.seed) as trouble:
                figures = drive(pipeline, requests, check, lambda: progress.advance(task))
        figures |= {
            "seconds": round(time.monotonic() - began, 1),
            "trouble": dict(trouble.made),
            "restarts": sum(replica.starts - 1 for replica in pipeline.replicas()),
        }
        if arguments.minutes:
            figures["memory"] = memory.summary()
    print(json.dumps({**figures, "environment": environment()}))
    return 0 if figures["lost"] == figures["duplicated"] == 0 else 1


def _numbers(requests: int, minutes: float | None) -> Iterator[int]:
    end_at = None if minutes is None else time.monotonic() + minutes * 60
    number = 0
    while number < requests if end_at is None else time.monotonic() < end_at:
        yield number % 2**19
        number += 1


def _same_as_undisturbed(pipeline: Pipeline, clips: list[Audio]) -> Check:
    """Compares each result with that of the same clip before any trouble."""
    calm = list(pipeline.map(clips))

    def check(number: int, result: Result) -> bool:
        before = calm[number % len(clips)]
        if result.texts != before.texts or (result.audio is None) != (before.audio is None):
            return False
        return result.audio is None or before.audio is None or result.audio.seconds == before.audio.seconds

    return check


if __name__ == "__main__":
    sys.exit(main())
