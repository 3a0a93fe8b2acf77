"""ESPnet voices as a module: Chinese text in, Chinese speech out, phrase by phrase.

The default is Tacotron 2 (Shen et al., 2018, https://arxiv.org/abs/1712.05884), trained by ESPnet
(https://arxiv.org/abs/2110.07840) on the Chinese Standard Mandarin Speech Corpus.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from errors import ConfigError, CorruptWeights, InputError
from modules.chinese.latin_words import spell_capitals
from modules.chinese.normalization import HAN
from modules.chinese.phrases import ChineseOptions, chinese_phrases
from modules.contract.module import Compute, Module, require_model
from modules.contract.payloads import Audio, Note, Payload, Text
from modules.espnet.files import EspnetFiles, load_tensors, read_yaml
from modules.espnet.lean_import import import_text2speech
from modules.espnet.vocoders import GriffinLim, ParallelWaveGAN
from modules.runtimes.pytorch import TorchRuntime
from modules.tasks.synthesis import Utterance, synthesise
from modules.weights import locate
from modules.weights.repair import repair_hint

_IS_HAN = re.compile(f"[{HAN}]")
# A mark that the voice has not learnt becomes a similar one. A mark without a similar one is left out.
_SIMILAR_MARKS = {"、": "，", "：": "，", "；": "，", "—": "，", "…": "。", "！": "。", "？": "。", "，": "", "。": ""}
_READERS = "pypinyin_g2p"


class EspnetOptions(ChineseOptions):
    """Options of EspnetTTS; the names are those of ESPnet's Text2Speech."""

    vocoder: str = Field("griffin_lim", description="griffin_lim, or the folder of a parallel_wavegan vocoder")
    griffin_lim_iters: int = Field(32, ge=1, le=200, description="iterations of griffin_lim; more sound less metallic")
    threshold: float = Field(0.5, gt=0, lt=1, description="probability of the end at which speech stops")
    minlenratio: float = Field(0.0, ge=0, description="fewest frames for each sound")
    maxlenratio: float = Field(10.0, gt=0, le=100, description="most frames for each sound; speech stops there")
    use_att_constraint: bool = Field(False, description="attention may only move forward; Tacotron 2 only")
    speed_control_alpha: float = Field(
        1.0,
        ge=0.5,
        le=2,
        description="factor on durations; 2 is twice as slow; not for Tacotron 2, which predicts none",
    )
    dtype: Literal["float32", "float64"] = Field("float32", description="arithmetic of the model")


class EspnetTTS(Module):
    """Speaks Chinese text with an ESPnet voice; yields Audio at the voice's sample rate, one for each phrase.

    Numbers and Latin words are rewritten as for every Chinese voice; see
    ``modules.chinese.normalization.make_speakable``. The voice has Chinese sounds only, so letters are spelled with
    the syllables that Chinese speakers use for them. A character whose sounds the voice has not learnt is noted
    ``unspoken``, a phrase that reached ``maxlenratio`` is noted ``truncated``.

    Text2Speech is not thread-safe (https://github.com/espnet/espnet/issues/3222): a process has one, and the texts of
    a batch are spoken one after the other. Tacotron 2 drops units at random while it speaks, and Griffin-Lim begins
    with random phases. Each phrase starts from the seed, so it sounds the same whatever was spoken before.

    ``model`` is a folder of espnet_model_zoo or of the hub. Nothing in it is unpickled except tensors.
    """

    accepts = Text
    yields = Audio
    options_type = EspnetOptions

    def __init__(self, model: Path | None, options: EspnetOptions, compute: Compute) -> None:
        """Loads the model; see Module.

        Raises:
            ConfigError: the stage names no model, it reads another language, or an option does not fit it.
            WeightsError: a file of the model or the vocoder is missing or cannot be read.
        """
        self._options = options
        self._runtime = TorchRuntime(compute, "float32")
        self._tts = _open(EspnetFiles.find(require_model(model)), options, self._runtime.device)
        self._ids = {token: number for number, token in enumerate(self._tts.train_args.token_list)}

    def warm_up(self) -> None:
        """Speaks one short phrase. A longer one warms no more, and delays the relay by its length."""
        for _ in self.process([Text("你好。", "zh")]):
            pass

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Synthesises texts; see ``modules.tasks.synthesis.synthesise``.

        Raises:
            ModelError: the network or the vocoder failed.
        """
        split_text = partial(chinese_phrases, options=self._options)
        return synthesise(batch, split_text, self._synthesise_phrases, self._tts.fs)

    def _synthesise_phrases(self, phrases: Sequence[str]) -> Iterator[Utterance]:
        for phrase in phrases:
            tokens, unspoken = self._tokens(spell_capitals(phrase))
            notes = (Note("unspoken", unspoken),) if unspoken else ()
            if not any(map(str.isalnum, "".join(tokens))):
                yield Utterance(None, notes)
                continue
            yield self._utterance(phrase, [self._ids[token] for token in tokens], notes)

    def _utterance(self, phrase: str, ids: list[int], notes: tuple[Note, ...]) -> Utterance:
        import numpy as np

        with self._runtime.inference(f"speaking {phrase!r}"):
            output = self._tts(np.array(ids))
        ends = output.get("prob")
        if ends is not None and not (ends[-self._tts.tts.reduction_factor :] >= self._options.threshold).any():
            notes += (Note("truncated", f"the speech of {phrase!r} stopped at its limit; raise maxlenratio"),)
        return Utterance(output["wav"].float().cpu().numpy(), notes)

    def _tokens(self, phrase: str) -> tuple[list[str], str]:
        """Returns the tokens of a phrase that the voice knows, and the characters that it has no sound for."""
        unspoken = ""
        known = ""
        for char in phrase:
            if _IS_HAN.match(char):
                if self._knows(char):
                    known += char
                else:
                    unspoken += char
            else:
                known += self._mark(char)
        # Among its neighbours a character may have a reading that it does not have alone.
        tokens = self._sounds(known)
        strange = "".join(token for token in tokens if token not in self._ids)
        return [token for token in tokens if token in self._ids], unspoken + strange

    def _mark(self, mark: str) -> str:
        while mark and mark not in self._ids:
            mark = _SIMILAR_MARKS.get(mark, "")
        return mark

    def _knows(self, char: str) -> bool:
        sounds = self._sounds(char)
        return bool(sounds) and all(sound in self._ids for sound in sounds)

    def _sounds(self, text: str) -> list[str]:
        preprocess = self._tts.preprocess_fn
        tokens: list[str] = preprocess.tokenizer.text2tokens(preprocess.text_cleaner(text)) if text else []
        return tokens


def _open(files: EspnetFiles, options: EspnetOptions, device: str) -> Any:
    """Opens Text2Speech with the weights of ``files`` and the vocoder of ``options``."""
    text2speech = import_text2speech()
    with files.portable_config() as config:
        reader = read_yaml(config, files.folder).get("g2p")
        if not str(reader).startswith(_READERS):
            raise ConfigError(f"{files.folder} reads with {reader}, not with a {_READERS}; choose a Chinese voice")
        # Without a model_file, because ESPnet would unpickle whatever that holds.
        tts = text2speech(
            train_config=config,
            threshold=options.threshold,
            minlenratio=options.minlenratio,
            maxlenratio=options.maxlenratio,
            use_att_constraint=options.use_att_constraint,
            speed_control_alpha=options.speed_control_alpha,
            dtype=options.dtype,
            device=device,
        )
    missing, _ = tts.model.load_state_dict(load_tensors(files.model, files.folder), strict=False)
    if lost := {name for name, _ in tts.model.named_parameters()}.intersection(missing):
        raise CorruptWeights(
            f"{files.model} lacks {len(lost)} weights, such as {min(lost)}; {repair_hint(files.folder)}"
        )
    if options.speed_control_alpha != 1.0 and "alpha" not in tts.decode_conf:
        raise ConfigError(f"{files.folder} has no speed control (speed_control_alpha); leave it at 1")
    if tts.tts.require_vocoder:
        if options.vocoder == "griffin_lim":
            tts.vocoder = GriffinLim(tts.feats_extract, options.griffin_lim_iters)
        else:
            tts.vocoder = ParallelWaveGAN(locate(options.vocoder), device)
    return tts
