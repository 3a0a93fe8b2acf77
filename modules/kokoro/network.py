"""The Kokoro network: phonemes of any of its languages in, a waveform out.

Kokoro-82M is StyleTTS 2 (Li et al., 2023, https://arxiv.org/abs/2306.07691) with an ISTFTNet decoder, Apache-2.0.
Its ONNX export computes one utterance at a time. A voice is a table of style vectors, one for each length in phonemes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from errors import ConfigError, CorruptWeights, MissingWeights, ModelError
from modules.contract.module import Compute
from modules.contract.payloads import Samples
from modules.weights.repair import repair_hint

KOKORO_RATE = 24000
"""Sample rate of the waveform in Hz."""
MAX_PHONEMES = 510
"""The network's 512 positions, less the padding at both ends."""

_STYLE_SIZE = 256
_PADDING = 0
# A waveform below this share of its peak counts as silence.
_SILENCE = 0.01
# Silence that is kept around speech, because onsets and tails are soft.
_LEAD_S = 0.05
_TAIL_S = 0.1


class KokoroModel:
    """One voice of Kokoro on ONNX Runtime.

    Args:
        folder: holds ``model.onnx``, ``vocab.json`` and ``voices/NAME.bin``.
        voice: name of the voice.
        compute: threads and device to use.

    Raises:
        ConfigError: there is no such voice, or ONNX Runtime cannot compute on the device.
        MissingWeights: a file of the model is missing.
        CorruptWeights: a file of the model cannot be read.
    """

    def __init__(self, folder: Path, voice: str, compute: Compute) -> None:
        self._styles = _read_voice(folder, voice)
        self._ids = _read_vocabulary(folder)
        self._session = _open_session(folder, compute)

    @property
    def alphabet(self) -> frozenset[str]:
        """Every phoneme and mark that the network knows."""
        return frozenset(self._ids)

    def synthesise(self, phonemes: str, speed: float = 1.0) -> Samples:
        """Synthesises one utterance.

        Args:
            phonemes: 1 to 510 characters of ``alphabet``.
            speed: 1 is the voice's own pace, 2 is twice as fast.

        Returns:
            float32 samples of shape (n,) at 24 kHz, scaled down where the network exceeds [-1, 1]. Silence around the
            speech is cut to 50 ms before and 100 ms after.

        Raises:
            ModelError: the network failed, or it does not accept the phonemes.
        """
        unknown = sorted(set(phonemes) - self._ids.keys())
        if unknown or not 0 < len(phonemes) <= MAX_PHONEMES:
            raise ModelError(
                f"Kokoro cannot speak {len(phonemes)} phonemes {phonemes[:40]!r} (unknown: {unknown}); "
                f"pass 1 to {MAX_PHONEMES} that it knows"
            )
        feed = {
            "tokens": np.array([[_PADDING, *(self._ids[c] for c in phonemes), _PADDING]], np.int64),
            "style": self._styles[len(phonemes) - 1][None],
            "speed": np.array([speed], np.float32),
        }
        try:
            samples = self._session.run(None, feed)[0].ravel()
        except Exception as error:  # ONNX Runtime's own exceptions have no common public base
            raise ModelError(f"Kokoro failed on the phonemes {phonemes[:40]!r}: {error}") from error
        return _trimmed(samples / max(1.0, float(np.abs(samples).max())))


def voices(folder: Path) -> list[str]:
    """Returns the names of the voices in a model's folder."""
    return sorted(path.stem for path in (folder / "voices").glob("*.bin"))


def _read_voice(folder: Path, voice: str) -> Samples:
    names = voices(folder)
    if not names:
        raise MissingWeights(f"{folder / 'voices'} holds no voice; {repair_hint(folder)}")
    if voice not in names:
        raise ConfigError(f"there is no voice {voice!r}; use one of {', '.join(names)}")
    path = folder / "voices" / f"{voice}.bin"
    table = np.fromfile(path, np.float32)
    if table.size != MAX_PHONEMES * _STYLE_SIZE:
        raise CorruptWeights(
            f"{path} holds {table.size} numbers instead of {MAX_PHONEMES} x {_STYLE_SIZE}; {repair_hint(folder)}"
        )
    return table.reshape(MAX_PHONEMES, _STYLE_SIZE)


def _read_vocabulary(folder: Path) -> dict[str, int]:
    path = folder / "vocab.json"
    try:
        ids = json.loads(path.read_text(encoding="utf-8"))["vocab"]
        return {str(phoneme): int(number) for phoneme, number in ids.items()}
    except FileNotFoundError as error:
        raise MissingWeights(f"{path} is missing; {repair_hint(folder)}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptWeights(f"{path} is not a vocabulary ({error}); {repair_hint(folder)}") from error


def _open_session(folder: Path, compute: Compute) -> Any:
    import onnxruntime  # type: ignore[import-untyped]

    provider = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}.get(compute.device)
    if provider not in onnxruntime.get_available_providers():
        raise ConfigError(f"ONNX Runtime cannot compute on device {compute.device!r} here; use cpu")
    path = folder / "model.onnx"
    if not path.is_file():
        raise MissingWeights(f"{path} is missing; {repair_hint(folder)}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = compute.threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait take the cores from the other replicas.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(path, options, providers=[provider])
    except Exception as error:  # as above
        raise CorruptWeights(f"{path} does not open ({error}); {repair_hint(folder)}") from error


def _trimmed(samples: Samples) -> Samples:
    """Cuts the silence around speech."""
    level = np.abs(samples)
    audible = np.flatnonzero(level > _SILENCE * level.max())
    start = max(0, int(audible[0]) - round(_LEAD_S * KOKORO_RATE)) if audible.size else 0
    end = int(audible[-1]) + round(_TAIL_S * KOKORO_RATE) if audible.size else len(samples)
    return samples[start:end]
