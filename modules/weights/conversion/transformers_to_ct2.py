"""Converts a Whisper or Marian model of transformers for CTranslate2.

``python -m modules.weights.conversion.transformers_to_ct2`` runs in the hub environment. It is a process of its own, so
that torch is not imported by the one that starts it. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

GENERATION = "generation_config.json"
# Files that the modules read besides the weights. The tokenizer.json of a Whisper is written by the conversion.
COPIED = {"whisper": [], "marian": ["source.spm", GENERATION]}


def convert(source: Path, folder: Path, quantization: str) -> None:
    """Writes ``folder`` with model.bin, its vocabulary and its tokenizer.

    Raises:
        ValueError: the model is of another kind, or its files are not all there.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    from ctranslate2.converters import TransformersConverter  # type: ignore[import-untyped]
    from transformers import WhisperTokenizerFast

    kind = json.loads((source / "config.json").read_text("utf-8")).get("model_type")
    if kind not in COPIED:
        raise ValueError(f"{source} is a model of type {kind!r}; only {' and '.join(COPIED)} are converted")
    # Older models have no such file and do not need it.
    copied = [name for name in COPIED[kind] if name != GENERATION or (source / name).is_file()]
    TransformersConverter(str(source), copy_files=copied).convert(str(folder), quantization=quantization)
    if kind == "whisper":
        tokenizer = WhisperTokenizerFast.from_pretrained(source, local_files_only=True)
        tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="folder of the model")
    parser.add_argument("folder", type=Path, help="folder to write, which must not exist")
    parser.add_argument("--quantization", default="int8", help="as CTranslate2 names it")
    arguments = parser.parse_args()
    convert(arguments.source, arguments.folder, arguments.quantization)
