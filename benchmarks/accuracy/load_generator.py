"""How exact the load generator itself is: how late it sends, and whether it drifts.

    python -m benchmarks.accuracy.load_generator [--rate 500] [--seconds 60]

An open loop of equal gaps against the relay of pipelines/noop.yaml, whose stages compute nothing, with payloads of a
fifth of a second of sound, so that the machine is not busy with bytes. Prints one line of JSON. The drift is the median
lag of the last tenth of the run less that of the first: a schedule that slips shows there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from benchmarks.common.environment import environment
from benchmarks.load.figures.level_figures import send_lag
from benchmarks.load.figures.samples import RequestSample, latencies
from benchmarks.load.figures.statistics import percentile
from benchmarks.load.sending.arrivals import Bound, Constant
from benchmarks.load.sending.sender import TrialOrder
from benchmarks.load.trials.relay_under_load import own_relay
from benchmarks.load.trials.trial import run_trial
from checkout import ROOT
from modules.audio.files import write_wav
from modules.contract.payloads import Audio
from workers.config import load_config

CLIP_S, RATE_HZ = 0.2, 16_000
SMALL = {"stages": {"speak": {"options": {"audio_s": CLIP_S}}}}


def main() -> None:
    """Prints one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=500.0, help="requests per second (default: 500)")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the run (default: 60)")
    parsed = parser.parse_args()
    arrivals = Constant().draw(parsed.rate, Bound(seconds=parsed.seconds), seed=0)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        tempfile.TemporaryDirectory(prefix="relevo-accuracy-") as folder,
        Progress(*columns, transient=True, console=Console(file=sys.stderr)) as progress,
        own_relay(load_config(ROOT / "pipelines" / "noop.yaml", **SMALL), None) as relay,
    ):
        clip = Path(folder) / "noise.wav"
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, round(CLIP_S * RATE_HZ)).astype(np.float32)
        write_wav(clip, Audio(noise, RATE_HZ))
        task = progress.add_task("sending", total=len(arrivals))
        order = TrialOrder(relay.client.address, [str(clip)], samples="", arrivals=arrivals)
        trial, samples = run_trial(
            relay,
            order,
            arrivals="constant",
            rate=parsed.rate,
            on_progress=lambda sent: progress.update(task, completed=sent.ended),
        )
    print(json.dumps(accuracy(samples) | {"sender_cpu_s": round(trial.sender_cpu_s, 2), "environment": environment()}))


def accuracy(samples: list[RequestSample]) -> dict[str, object]:
    """The figures, times in milliseconds."""
    lag, took = send_lag(samples), latencies(samples)
    lags = [sample.lag_s for sample in samples]
    tenth = max(1, len(lags) // 10)
    return {
        "requests": len(samples),
        "outcomes": Counter(sample.outcome for sample in samples),
        "lag_p50_ms": round(lag.p50 * 1000, 3),
        "lag_p99_ms": None if lag.p99 is None else round(lag.p99 * 1000, 3),
        "lag_max_ms": round(lag.largest * 1000, 3),
        "drift_ms": round((statistics.median(lags[-tenth:]) - statistics.median(lags[:tenth])) * 1000, 3),
        "latency_p50_ms": round(percentile(took, 0.5) * 1000, 3) if took else None,
        "latency_p95_ms": round(percentile(took, 0.95) * 1000, 3) if took else None,
        "invalid": lag.matters,
    }


if __name__ == "__main__":
    main()
