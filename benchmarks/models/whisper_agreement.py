"""Do the two Whispers agree? modules/whisper/hf.py and modules/whisper/ct2.py on the same real weights.

    .venv-hub/bin/python -m benchmarks.models.whisper_agreement CLIPS [--threads 1] [--json FILE]

Whisper base, as the offline relay has it, is turned into a checkpoint of transformers by
benchmarks/models/whisper_checkpoint.py. Every recording of the folder is translated by both, greedily, with a window
of 30 s, and by the second with a fitted window too. chrF tells how alike their texts are: 100 is the same words. Runs
in the hub environment (`make hub`).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common.environment import environment
from benchmarks.models.whisper_checkpoint import save_for_transformers
from modules.audio.files import read_audio
from modules.contract.module import Compute, Module
from modules.contract.payloads import Audio, Text
from modules.weights import locate
from modules.whisper.ct2 import WhisperCT2
from modules.whisper.hf import Whisper

MODEL = "whisper-base-ct2"
TORCH, FULL, ROUNDED, FITTED = "transformers", "CTranslate2, 30 s, float32", "CTranslate2, 30 s, int8", "… fitted, int8"
FORMATS = {".flac", ".mp3", ".ogg", ".wav"}


def whispers(threads: int, checkpoint: Path) -> dict[str, Module]:
    """The Whispers that are compared; the first is what the others are held against."""
    source, compute = locate(MODEL), Compute(threads=threads)
    variants: dict[str, dict[str, Any]] = {
        FULL: {"window": "full", "compute_type": "float32"},
        ROUNDED: {"window": "full"},
        FITTED: {},
    }
    torch = Whisper(save_for_transformers(source, checkpoint), Whisper.options_type(), compute)
    return {TORCH: torch} | {
        name: WhisperCT2(source, WhisperCT2.options_type(**options), compute) for name, options in variants.items()
    }


def heard(module: Module, clip: Audio) -> str:
    """All that a Whisper writes of a clip."""
    return " ".join(text.text for _, text in module.process([clip]) if isinstance(text, Text))


def main() -> None:
    """Parses the arguments, measures, prints."""
    from sacrebleu import corpus_chrf

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, metavar="CLIPS", help="folder of Spanish recordings")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of each model")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every text here")
    arguments = parser.parse_args()
    files = sorted(file for file in arguments.clips.iterdir() if file.suffix in FORMATS)
    if not files:
        parser.error(f"{arguments.clips} holds no recording ({', '.join(sorted(FORMATS))})")
    with tempfile.TemporaryDirectory() as folder:
        modules = whispers(arguments.threads, Path(folder, "whisper"))
    texts: dict[str, list[str]] = {name: [] for name in modules}
    for file in track(files, "Listening", console=Console(stderr=True)):
        clip = read_audio(file)
        for name, module in modules.items():
            texts[name].append(heard(module, clip))

    table = Table(title=f"Whisper base on {len(files)} clips, held against modules/whisper/hf.py")
    for column in ("Whisper", "chrF", "the same"):
        table.add_column(column, justify="left" if column == "Whisper" else "right")
    figures = {}
    for name in list(modules)[1:]:
        chrf = corpus_chrf(texts[name], [texts[TORCH]]).score
        same = sum(a == b for a, b in zip(texts[name], texts[TORCH], strict=True))
        figures[name] = {"chrf": chrf, "same": same}
        table.add_row(name, f"{chrf:.1f}", f"{same} of {len(files)}")
    Console().print(table)
    if arguments.json:
        record = {"environment": environment(), "clips": [file.name for file in files], "agreement": figures}
        arguments.json.write_text(json.dumps(record | {"texts": texts}, ensure_ascii=False, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
