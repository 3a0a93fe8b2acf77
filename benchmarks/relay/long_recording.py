"""Measures a long recording from end to end: when its first Chinese comes, and whether memory stays flat to its end.

    python -m benchmarks.relay.long_recording [FILES] [--minutes 10]

The recording consists of FILES (default: the samples), one after the other with pauses between, over and over. Prints
one line of JSON; the exit status is 1 unless the request ended ok.
"""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.common.command_line import add_relay, measurement_parser, run_measurement, sample_files
from benchmarks.common.memory_series import MemorySeries
from benchmarks.common.output import print_record, progress
from modules.audio.files import read_audio
from modules.audio.waveform import SPEECH_RATE, resample
from modules.contract.payloads import Audio, Samples
from pipeline import Pipeline
from workers.config import nested

PAUSES_S = (0.6, 1.5, 4.0)  # between sentences, speakers and subjects


def recording(files: list[Path], seconds: float) -> Audio:
    """Joins the files with pauses between them, over and over, to a recording of this length."""
    clips = [resample(read_audio(path), SPEECH_RATE) for path in files]
    wanted = round(seconds * SPEECH_RATE)
    parts: list[Samples] = []
    length = 0
    for clip, pause_s in zip(itertools.cycle(clips), itertools.cycle(PAUSES_S)):
        if length >= wanted:
            break
        parts += [clip, np.zeros(round(pause_s * SPEECH_RATE), np.float32)]
        length += len(parts[-2]) + len(parts[-1])
    return Audio(np.concatenate(parts)[:wanted], SPEECH_RATE)


def main() -> int:
    """Sends the recording and prints its figures."""
    parser = measurement_parser(__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="recordings (default: samples/)")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the recording (default: 10)")
    add_relay(parser)
    parser.add_argument("--ratio", default="1:1:1", help="replicas per stage (default: 1:1:1)")
    arguments = parser.parse_args()
    audio = recording(arguments.files or sample_files(), arguments.minutes * 60)
    outputs: Counter[str] = Counter()
    relay = Pipeline.from_config(arguments.config, ratio=arguments.ratio, **nested(arguments.changes))
    with relay as pipeline, MemorySeries(pipeline) as memory:
        stream = pipeline.stream(audio)
        with progress() as bar:
            task = bar.add_task("spoken", total=audio.seconds)
            for event in stream:
                if event.payload is None:
                    continue
                outputs[event.stage] += 1
                if isinstance(event.payload, Audio):
                    bar.update(task, completed=event.payload.end_s)
        result = stream.result()
    print_record(
        {
            "recording_s": audio.seconds,
            "outcome": result.outcome,
            "error": result.error,
            "first_audio_s": result.time_to_first_audio_s,
            "total_s": result.latency_s,
            "chinese_s": result.audio.seconds if result.audio else 0.0,
            "outputs": dict(outputs),
            "memory": memory.summary(),
        }
    )
    return 0 if result.outcome == "ok" else 1


if __name__ == "__main__":
    run_measurement(main)
