"""Measures how late the load generator sends its requests, and whether its schedule drifts.

    python -m benchmarks.accuracy.load_generator [--rate 500] [--seconds 60]

It sends an open loop of equal gaps to the relay of pipelines/noop.yaml, whose stages compute nothing. The payloads are
0.2 s of sound, so that the machine is not busy with bytes. Prints one line of JSON. The drift is the median lag of the
last tenth of the run less that of the first tenth.
"""

from __future__ import annotations

import statistics
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.common.command_line import measurement_parser, run_measurement
from benchmarks.common.output import print_record, progress
from benchmarks.load.figures.samples import RequestSample, latencies
from benchmarks.load.figures.send_lag import send_lag
from benchmarks.load.figures.statistics import percentile
from benchmarks.load.sending.arrivals import Bound, Constant
from benchmarks.load.sending.sender_messages import TrialOrder
from benchmarks.load.trials.relay_under_load import own_relay
from benchmarks.load.trials.trial import run_trial
from checkout import ROOT
from modules.audio.files import write_wav
from modules.contract.payloads import Audio
from workers.config import load_config

CLIP_S, RATE_HZ = 0.2, 16_000
SHORT_SPEECH = {"stages": {"speak": {"options": {"audio_s": CLIP_S}}}}


def main() -> int:
    """Runs one trial and prints one line of JSON."""
    parser = measurement_parser(__doc__)
    parser.add_argument("--rate", type=float, default=500.0, help="requests per second (default: 500)")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the run (default: 60)")
    parsed = parser.parse_args()
    arrivals = Constant().draw(parsed.rate, Bound(seconds=parsed.seconds), seed=0)
    with (
        tempfile.TemporaryDirectory(prefix="relevo-accuracy-") as folder,
        progress() as bar,
        own_relay(load_config(ROOT / "pipelines" / "noop.yaml", **SHORT_SPEECH), None) as relay,
    ):
        clip = Path(folder) / "noise.wav"
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, round(CLIP_S * RATE_HZ)).astype(np.float32)
        write_wav(clip, Audio(noise, RATE_HZ))
        task = bar.add_task("sending", total=len(arrivals))
        order = TrialOrder(relay.client.address, [str(clip)], samples="", arrivals=arrivals)
        found = run_trial(
            relay,
            order,
            arrivals="constant",
            rate=parsed.rate,
            on_progress=lambda sent: bar.update(task, completed=sent.ended),
        )
    print_record({**accuracy(found.samples), "sender_cpu_s": round(found.trial.sender_cpu_s, 2)})
    return 0


def accuracy(samples: Sequence[RequestSample]) -> dict[str, object]:
    """Returns the figures; times are in milliseconds."""
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
        "invalid": lag.invalid,
    }


if __name__ == "__main__":
    run_measurement(main)
