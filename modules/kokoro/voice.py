"""Kokoro as a module: Chinese text in, Chinese speech out, phrase by phrase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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
    speed: float = Field(1.0, ge=0.5, le=2.0, description="speed of the speech; 2 is twice as fast")


class Kokoro(Module):
    """Speaks Chinese text; yields Audio at 24 kHz, one for each phrase, as soon as it is computed.

    A phrase ends at a Chinese mark; see ``modules.chinese.phrases.split_phrases``. Characters without a reading are
    noted ``unspoken`` with their phrase. The texts of a batch are spoken one after the other, because the network
    computes one utterance at a time.

    ``model`` is a folder with model.onnx, vocab.json and voices/NAME.bin.
    """

    accepts = Text
    yields = Audio
    options_type = KokoroOptions

    def __init__(self, model: Path | None, options: KokoroOptions, compute: Compute) -> None:
        """Loads the model; see Module.

        Raises:
            ConfigError: the stage names no model, there is no such voice, or ONNX Runtime cannot use the device.
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
        """Speaks one short phrase. A longer one warms no more, and delays the relay by its length."""
        for _ in self.process([Text("3点。", "zh")]):
            pass

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Synthesises texts; see ``modules.tasks.synthesis.synthesise``.

        Raises:
            ModelError: the network failed.
        """
        split_text = partial(chinese_phrases, options=self._options)
        return synthesise(batch, split_text, self._synthesise_phrases, KOKORO_RATE)

    def _synthesise_phrases(self, phrases: Sequence[str]) -> Iterator[Utterance]:
        for phrase in phrases:
            phonemes, unspoken = self._phonemes(phrase, self._network.alphabet)
            notes = (Note("unspoken", unspoken),) if unspoken else ()
            has_sound = any(map(str.isalpha, phonemes))
            yield Utterance(self._network.synthesise(phonemes, self._options.speed) if has_sound else None, notes)
