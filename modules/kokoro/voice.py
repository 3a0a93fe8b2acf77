"""Kokoro as a stage: Chinese text in, Chinese speech out, phrase by phrase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import Field

from errors import InputError
from modules.chinese.phonemes import ChinesePhonemes
from modules.chinese.phrases import ChineseOptions, chinese_phrases
from modules.contract.module import Compute, Module, require_model
from modules.contract.payloads import Audio, Note, Payload, Text
from modules.kokoro.network import KOKORO_RATE, KokoroModel
from modules.tasks.synthesis import Utterance, synthesise


class KokoroOptions(ChineseOptions):
    """Options of Kokoro."""

    voice: str = Field("zf_xiaoxiao", description="a voice in the model's folder; zf_ and zm_ speak Chinese")
    speed: float = Field(1.0, ge=0.5, le=2.0, description="2 is twice as fast")


class Kokoro(Module):
    """Speaks Chinese text; yields Audio at 24 kHz, one a phrase, as soon as it is computed.

    A phrase ends at a Chinese mark; see ``chinese_text.split_phrases``. Characters without a reading are noted with
    the phrase they are missing from. Texts of a batch are spoken one after the other: the network takes one
    utterance at a time.

    ``model`` is a folder with model.onnx, vocab.json and voices/NAME.bin.
    """

    accepts = Text
    yields = Audio
    options_type = KokoroOptions

    def __init__(self, model: Path | None, options: KokoroOptions, compute: Compute) -> None:
        """See Module.

        Raises:
            ConfigError: no model is named, there is no such voice, or ONNX Runtime cannot use the device.
            WeightsError: a file of the model is missing or cannot be read.
        """
        folder = require_model(model)
        self._options = options
        # ONNX Runtime reads the network without holding Python's lock, while Python reads the dictionary.
        with ThreadPoolExecutor(1) as executor:
            network = executor.submit(KokoroModel, folder, options.voice, compute)
            self._phonemes = ChinesePhonemes()
            self._network = network.result()

    def warm_up(self) -> None:
        """Speaks one short phrase: a longer one warms no more, and delays the relay by its length."""
        for _ in self.process([Text("3点。", "zh")]):
            pass

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Yields Audio phrase by phrase; nothing for an empty text or one of marks alone.

        An InputError stands for a text in another language, or one with nothing in it that can be spoken.

        Raises:
            ModelError: the network failed.
        """
        return synthesise(batch, lambda text: chinese_phrases(text, self._options), self._say, KOKORO_RATE)

    def _say(self, phrases: Sequence[str]) -> Iterator[Utterance]:
        for phrase in phrases:
            phonemes, unspoken = self._phonemes(phrase, self._network.alphabet)
            notes = (Note("unspoken", unspoken),) if unspoken else ()
            spoken = any(map(str.isalpha, phonemes))
            yield Utterance(self._network.synthesise(phonemes, self._options.speed) if spoken else None, notes)
