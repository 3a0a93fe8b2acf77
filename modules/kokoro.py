"""Kokoro as a stage: Chinese text in, Chinese speech out, phrase by phrase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from pydantic import Field, model_validator

from errors import InputError
from modules.chinese_phonemes import ChinesePhonemes
from modules.chinese_text import ends_phrase, ends_sentence, make_speakable, split_phrases
from modules.kokoro_model import KOKORO_RATE, KokoroModel
from modules.module import Compute, Module, Options, named
from modules.payloads import Audio, Note, Payload, Samples, Text

# A Chinese syllable is at most 7 phonemes and a space: 60 of them stay within the 510 that Kokoro can take.
_MAX_PHRASE_CHARS = 60
_CHINESE = {"zh", "cmn"}


class KokoroOptions(Options):
    """Options of Kokoro."""

    voice: str = Field("zf_xiaoxiao", description="a voice in the model's folder; zf_ and zm_ speak Chinese")
    speed: float = Field(1.0, ge=0.5, le=2.0, description="2 is twice as fast")
    pause_s: float = Field(0.4, ge=0, le=3, description="silence after a sentence; half of it after other marks")
    min_phrase_chars: int = Field(6, ge=1, le=40, description="shorter phrases are joined to their neighbours")
    max_phrase_chars: int = Field(50, ge=10, le=_MAX_PHRASE_CHARS, description="longer phrases are cut")

    @model_validator(mode="after")
    def _phrase_lengths_fit(self) -> KokoroOptions:
        if self.min_phrase_chars > self.max_phrase_chars:
            raise ValueError(f"min_phrase_chars exceeds max_phrase_chars, which is {self.max_phrase_chars}")
        return self


class Kokoro(Module):
    """Speaks Chinese text; yields Audio at 24 kHz, one a phrase, as soon as it is computed.

    A phrase ends at a Chinese mark; see ``chinese_text.split_phrases``. Each Audio ends with the pause that
    belongs to its last mark, so that phrases can be played one after the other as they are. ``start_s`` and ``end_s``
    are the text's own.

    Notes of the text and of its rewriting come with the first phrase; characters without a reading with
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
        folder = named(model)
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
        for position, text in enumerate(batch):
            try:
                for audio in self._speak(text):
                    yield position, audio
            except InputError as error:
                yield position, error

    def _speak(self, text: Payload) -> Iterator[Audio]:
        if not isinstance(text, Text):
            raise InputError(f"kokoro speaks text, not {type(text).__name__}")
        if text.language.partition("-")[0].lower() not in _CHINESE:
            raise InputError(f"kokoro speaks Chinese (zh), not {text.language!r}; translate the text first")
        options = self._options
        speakable = make_speakable(text.text)
        notes, spoken = text.notes + speakable.notes, False
        phrases = split_phrases(speakable.text, options.min_phrase_chars, options.max_phrase_chars)
        for number, phrase in enumerate(phrases, 1):
            phonemes, unspoken = self._phonemes(phrase, self._network.alphabet)
            if unspoken:
                notes += (Note("unspoken", unspoken),)
            if not any(map(str.isalpha, phonemes)):
                continue
            samples = self._network.speak(phonemes, options.speed)
            pause = self._pause(phrase, is_last=number == len(phrases))
            yield Audio(np.concatenate([samples, pause]), KOKORO_RATE, text.start_s, text.end_s, notes)
            notes, spoken = (), True
        if not spoken and any(note.kind == "unspoken" for note in notes):
            raise InputError(f"nothing in {text.text!r} can be spoken in Chinese; check the stage that wrote it")

    def _pause(self, phrase: str, is_last: bool) -> Samples:
        share = 1.0 if is_last or ends_sentence(phrase) else 0.5 if ends_phrase(phrase) else 0.0
        return np.zeros(round(share * self._options.pause_s * KOKORO_RATE), np.float32)
