"""Makes the Spanish clips of this folder: ``python -m samples.make_samples``.

It reads texts.tsv, speaks each text with one of Kokoro's Spanish voices, writes FLAC files beside it, and writes their
lengths into texts.tsv. Nothing is random, so the same weights make the same clips. It needs the weights of the model
kokoro-82m-onnx (``relevo weights fetch``), and the development requirements for the phonemes.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import av
import numpy as np
from misaki.espeak import EspeakG2P
from rich.console import Console

from modules.audio.waveform import SPEECH_RATE, resample
from modules.contract.module import Compute
from modules.contract.payloads import Audio, Samples
from modules.kokoro.network import KOKORO_RATE, KokoroModel
from modules.weights import locate

FOLDER = Path(__file__).parent
TEXTS = FOLDER / "texts.tsv"

_SENTENCE_PAUSE_S = 0.7


@dataclass
class SpokenText:
    """A row of texts.tsv: file name, voice, length in seconds, and the text."""

    file: str
    voice: str
    seconds: str
    text: str


def read_texts(path: Path = TEXTS) -> list[SpokenText]:
    """Reads the rows of a texts.tsv."""
    with path.open(encoding="utf-8", newline="") as lines:
        return [SpokenText(**row) for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]


def write_texts(samples: list[SpokenText], path: Path) -> None:
    """Writes the rows of a texts.tsv."""
    with path.open("w", encoding="utf-8", newline="") as lines:
        names = [field.name for field in fields(SpokenText)]
        writer = csv.DictWriter(lines, names, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
        writer.writeheader()
        writer.writerows(map(asdict, samples))


def synthesise(text: str, model: KokoroModel, phonemes: EspeakG2P) -> Samples:
    """Synthesises Spanish text sentence by sentence, with pauses between them: float32 of shape (n,) at 24 kHz."""
    return np.concatenate(list(_sentences(text, model, phonemes)))


def _sentences(text: str, model: KokoroModel, phonemes: EspeakG2P) -> Iterator[Samples]:
    for number, sentence in enumerate(re.split(r"(?<=[.!?]) ", text)):
        if number:
            yield np.zeros(round(_SENTENCE_PAUSE_S * KOKORO_RATE), np.float32)
        yield model.synthesise(phonemes(re.sub("[¿¡]", "", sentence))[0])


def write_flac(path: Path, samples: Samples) -> None:
    """Writes samples at 24 kHz as 16-bit mono FLAC at 16 kHz, the sample rate of speech recognisers."""
    resampled = resample(Audio(samples, KOKORO_RATE), SPEECH_RATE)
    pcm = np.round(np.clip(resampled, -1, 1) * 32767).astype(np.int16)
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=SPEECH_RATE, layout="mono", options={"compression_level": "12"})
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = SPEECH_RATE
        container.mux([*stream.encode(frame), *stream.encode(None)])


def main() -> None:
    """Makes every clip of texts.tsv."""
    parser = argparse.ArgumentParser(description="Make the Spanish clips of this folder from texts.tsv.")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder to write to; default: this one")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    console = Console()
    folder, phonemes, samples = locate("kokoro-82m-onnx"), EspeakG2P("es"), read_texts()
    for sample in samples:
        model = KokoroModel(folder, sample.voice, Compute(threads=arguments.threads))
        spoken = synthesise(sample.text, model, phonemes)
        sample.seconds = f"{len(spoken) / KOKORO_RATE:.2f}"
        write_flac(arguments.output / sample.file, spoken)
        console.print(f"{sample.file}  {sample.seconds} s  {sample.voice}")
    write_texts(samples, arguments.output / TEXTS.name)


if __name__ == "__main__":
    main()
