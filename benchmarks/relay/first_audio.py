"""Measures the time to first audio of a long recording: streamed through the relay, against stage after stage.

    python -m benchmarks.relay.first_audio [FILE] [--rounds 2]

Stage after stage means that each stage ends before the next begins and the speech is handed over once all of it is
there, with the whole core budget for each stage (benchmarks/relay/sequential.py). The two are run in turn. Prints a
table, with the time of each stage's first output.
"""

from __future__ import annotations

import statistics
from pathlib import Path

from benchmarks.common.command_line import add_json, add_relay, add_rounds, measurement_parser, run_measurement
from benchmarks.common.expectations import expect_ok
from benchmarks.common.output import figures_table, progress, show, write_record
from benchmarks.relay.sequential import run_sequential
from checkout import ROOT
from errors import MeasurementError
from modules.audio.files import read_audio
from pipeline import Pipeline
from workers.config import nested

FIRST_AUDIO, END = "first audio", "all of it"
LONG_SAMPLE = ROOT / "samples" / "07_mercado.flac"


def streamed(config: Path, changes: list[str], ratio: str, file: Path) -> dict[str, float]:
    """Runs the relay and returns the seconds to the first output of each stage, to the first sound and to the end.

    Raises:
        MeasurementError: the request did not end ok, or brought no audio.
    """
    firsts: dict[str, float] = {}
    with Pipeline.from_config(config, ratio=ratio, **nested(changes)) as pipeline:
        stream = pipeline.stream(read_audio(file))
        for event in stream:
            if event.payload is not None:
                firsts.setdefault(event.stage, event.at_s)
        result = stream.result()
    expect_ok([result])
    if result.time_to_first_audio_s is None:
        raise MeasurementError(f"{file} brought no audio; choose a recording of speech")
    return {**firsts, FIRST_AUDIO: result.time_to_first_audio_s, END: result.latency_s}


def main() -> int:
    """Runs both in turn and prints the medians."""
    parser = measurement_parser(__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=LONG_SAMPLE, metavar="FILE", help="default: 60 s sample")
    add_relay(parser)
    parser.add_argument("--ratio", default="1:1:1", help="replicas per stage of the relay (default: 1:1:1)")
    add_rounds(parser, default=2)
    add_json(parser)
    arguments = parser.parse_args()
    runs: list[dict[str, float]] = []
    wholes: list[float] = []
    with progress() as bar:
        task = bar.add_task("runs", total=2 * arguments.rounds)
        for _ in range(arguments.rounds):
            runs.append(streamed(arguments.config, arguments.changes, arguments.ratio, arguments.file))
            bar.advance(task)
            wholes.append(run_sequential(arguments.config, arguments.changes, [arguments.file])["latency_p50_s"])
            bar.advance(task)
    medians = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    whole_s = statistics.median(wholes)
    times_earlier = whole_s / medians[FIRST_AUDIO]
    title = f"{arguments.file.name}, medians of {arguments.rounds}; first audio {times_earlier:.1f} times earlier"
    table = figures_table(title, "seconds to", f"streamed, {arguments.ratio}", "stage after stage")
    for name, seconds in medians.items():
        compared = name in (FIRST_AUDIO, END)
        label = name if compared else f"first output of {name}"
        table.add_row(label, f"{seconds:.2f}", f"{whole_s:.2f}" if compared else "")
    show(table)
    write_record(arguments.json, {"times_earlier": times_earlier, "streamed": runs, "stage_after_stage_s": wholes})
    return 0


if __name__ == "__main__":
    run_measurement(main)
