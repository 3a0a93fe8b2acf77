"""Measures how far modules/whisper/hf.py and modules/whisper/ct2.py agree on the same real weights.

    .venv-hub/bin/python -m benchmarks.models.whisper_agreement DIR [--threads 1]

Whisper base, as the offline relay has it, is turned into a checkpoint of transformers by
benchmarks/models/whisper_checkpoint.py. Every recording of the folder is translated by both, greedily, with a window
of 30 s, and by the second with a fitted window too. chrF says how alike their texts are: 100 is the same words. Prints
a table. Runs in the environment of `make hub`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common.command_line import add_json, measurement_parser, require, run_measurement
from benchmarks.common.output import figures_table, progress, show, write_record
from benchmarks.models.whisper_checkpoint import save_for_transformers
from modules.audio.files import read_audio
from modules.contract.module import Compute, Module
from modules.contract.payloads import Audio, Text
from modules.weights import locate
from modules.whisper.ct2 import WhisperCT2
from modules.whisper.hf import Whisper

MODEL = "whisper-base-ct2"
TORCH, FULL, ROUNDED, FITTED = (
    "transformers",
    "CTranslate2, 30 s, float32",
    "CTranslate2, 30 s, int8",
    "CTranslate2, fitted, int8",
)
FORMATS = {".flac", ".mp3", ".ogg", ".wav"}


def whispers(threads: int, checkpoint: Path) -> dict[str, Module]:
    """Loads the Whispers; the others are compared with the first."""
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
    """Returns all the text that a Whisper writes for a clip."""
    return " ".join(text.text for _, text in module.process([clip]) if isinstance(text, Text))


def main() -> int:
    """Translates every clip with every Whisper and prints the agreement."""
    parser = measurement_parser(__doc__)
    parser.add_argument("clips", type=Path, metavar="DIR", help="folder of Spanish recordings")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of each model (default: 1)")
    add_json(parser)
    arguments = parser.parse_args()
    require("sacrebleu", "torch", "transformers")
    if not arguments.clips.is_dir():
        parser.error(f"{arguments.clips} is not a folder; name one that holds recordings")
    files = sorted(file for file in arguments.clips.iterdir() if file.suffix in FORMATS)
    if not files:
        parser.error(f"{arguments.clips} holds no recording ({', '.join(sorted(FORMATS))})")
    from sacrebleu import corpus_chrf

    with tempfile.TemporaryDirectory() as folder:
        modules = whispers(arguments.threads, Path(folder, "whisper"))
    texts: dict[str, list[str]] = {name: [] for name in modules}
    with progress() as bar:
        for file in bar.track(files, description="clips"):
            clip = read_audio(file)
            for name, module in modules.items():
                texts[name].append(heard(module, clip))
    title = f"Whisper base on {len(files)} clips, compared with modules/whisper/hf.py"
    table = figures_table(title, "Whisper", "chrF", "the same")
    figures = {}
    for name in list(modules)[1:]:
        chrf = corpus_chrf(texts[name], [texts[TORCH]]).score
        same = sum(a == b for a, b in zip(texts[name], texts[TORCH], strict=True))
        figures[name] = {"chrf": chrf, "same": same}
        table.add_row(name, f"{chrf:.1f}", f"{same} of {len(files)}")
    show(table)
    write_record(arguments.json, {"clips": [file.name for file in files], "agreement": figures, "texts": texts})
    return 0


if __name__ == "__main__":
    run_measurement(main)
