"""Makes the pictures and recordings of the README from a real run: ``python docs/make_demo.py``.

It runs what ``make demo`` runs, draws what that prints as ``docs/demo.svg``, and writes the Chinese that the first
sample became as ``docs/audio/01_farmacia.zh.mp3``. Run it on a quiet machine: the picture shows the times of the run.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import av
from rich.console import Console

from checkout import ROOT
from modules.audio.files import read_audio

COLUMNS = 150
CLIP = "01_farmacia"
COMMAND = ["run", "--config", "pipelines/offline.yaml", "--ratio", "1:1:1", "--report", "output/report.json"]


def main() -> None:
    """Runs the demo and writes both files."""
    samples = sorted(path.relative_to(ROOT) for path in (ROOT / "samples").glob("*.flac"))
    relevo = Path(sys.executable).with_name("relevo")
    done = subprocess.run(
        [relevo, *COMMAND, *samples],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": str(COLUMNS)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    draw(done.stdout, ROOT / "docs" / "demo.svg")
    encode(ROOT / "output" / f"{CLIP}.zh.wav", ROOT / "docs" / "audio" / f"{CLIP}.zh.mp3")


def draw(output: str, picture: Path) -> None:
    """Draws what a run prints at its end, from its first recording on, as an SVG."""
    lines = output.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("samples/"))
    console = Console(record=True, width=COLUMNS, markup=False, highlight=False, file=io.StringIO())
    for line in ["$ make demo", *lines[first:]]:
        console.print(line)
    picture.write_text(console.export_svg(title="make demo"), encoding="utf-8")


def encode(recording: Path, target: Path) -> None:
    """Encodes a WAV file as MP3 of 64 kbit/s."""
    audio = read_audio(recording)
    target.parent.mkdir(exist_ok=True)
    with av.open(str(target), "w") as container:
        stream = container.add_stream("mp3", rate=audio.sample_rate, layout="mono")
        stream.bit_rate = 64_000
        frame = av.AudioFrame.from_ndarray(audio.samples[None, :], format="fltp", layout="mono")
        frame.sample_rate = audio.sample_rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)


if __name__ == "__main__":
    main()
