"""A long recording from end to end: when its first Chinese comes, and whether memory stays flat until its last.

    python -m benchmarks.relay.long_recording [FILES] [--minutes 10]

The recording is made of the samples (or of FILES), one after the other with a pause between, over and over. Prints one
line of JSON; exit status 1 unless the request ended well.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from benchmarks.common.environment import environment
from benchmarks.common.memory_series import MemorySeries
from checkout import ROOT
from modules.audio.files import read_audio
from modules.audio.waveform import SPEECH_RATE, resample
from modules.contract.payloads import Audio
from pipeline import Pipeline

PAUSES_S = (0.6, 1.5, 4.0)  # between sentences, speakers and subjects


def recording(files: list[Path], seconds: float) -> Audio:
    """The files with pauses between them, over and over, for so many seconds."""
    clips = [resample(read_audio(path), SPEECH_RATE) for path in files]
    parts: list[np.ndarray] = []
    length = 0
    for clip, pause_s in zip(itertools.cycle(clips), itertools.cycle(PAUSES_S)):
        parts += [clip, np.zeros(round(pause_s * SPEECH_RATE), np.float32)]
        length += len(parts[-2]) + len(parts[-1])
        if length >= seconds * SPEECH_RATE:
            return Audio(np.concatenate(parts)[: round(seconds * SPEECH_RATE)], SPEECH_RATE)
    raise SystemExit("there are no files to make a recording of; name some, or leave them out for the samples")


def main() -> int:
    """Sends the recording and prints what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    samples = sorted((ROOT / "samples").glob("*.flac"))
    parser.add_argument("files", nargs="*", type=Path, default=samples, metavar="FILE", help="default: the samples")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the recording (default: 10)")
    parser.add_argument("--config", type=Path, default=ROOT / "pipelines" / "offline.yaml", metavar="FILE")
    parser.add_argument("--ratio", default="1:1:1", help="replicas per stage (default: 1:1:1)")
    arguments = parser.parse_args()
    audio = recording(arguments.files, arguments.minutes * 60)
    outputs: Counter[str] = Counter()
    with Pipeline.from_config(arguments.config, ratio=arguments.ratio) as pipeline, MemorySeries(pipeline) as memory:
        stream = pipeline.stream(audio)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("spoken", total=audio.seconds)
            for event in stream:
                if event.payload is None:
                    continue
                outputs[event.stage] += 1
                if isinstance(event.payload, Audio):
                    progress.update(task, completed=event.payload.end_s)
        result = stream.result()
    figures = {
        "recording_s": audio.seconds,
        "outcome": result.outcome,
        "error": result.error,
        "first_audio_s": result.time_to_first_audio_s,
        "total_s": result.latency_s,
        "chinese_s": result.audio.seconds if result.audio else 0.0,
        "outputs": dict(outputs),
        "memory": memory.summary(),
        "environment": environment(),
    }
    print(json.dumps(figures))
    return 0 if result.outcome == "ok" else 1


if __name__ == "__main__":
    sys.exit(main())
