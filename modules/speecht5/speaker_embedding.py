"""Speaker embeddings, the vectors that choose a voice: from a file, a row of a data set, or a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np

from errors import ConfigError
from modules.audio.waveform import SPEECH_RATE, check_audio
from modules.contract.payloads import Samples
from modules.runtimes.pytorch import TorchRuntime


def from_file(path: Path, row: int | None, size: int) -> Samples:
    """Reads a speaker embedding from a .npy, .npz or .safetensors file. Nothing is unpickled.

    Args:
        path: holds one vector, or a table with a vector in each row. Of several arrays the first by name is read.
        row: the row of a table, from 0.
        size: length of the model's vector.

    Returns:
        float32 of shape (size,).

    Raises:
        ConfigError: the file cannot be read, has no such row, or vectors of another size.
    """
    try:
        table = np.atleast_2d(_array(path))
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"speaker_embedding {path} cannot be read: {error}; use .npy, .npz or .safetensors"
        ) from error
    if row is None and len(table) > 1:
        raise ConfigError(f"speaker_embedding {path} holds {len(table)} vectors; choose one with speaker_row")
    if not 0 <= (row or 0) < len(table):
        raise ConfigError(f"speaker_embedding {path} has rows 0 to {len(table) - 1}, but no speaker_row {row}")
    return _fitting(table[row or 0], size, path)


def from_clip(path: Path, encoder: Path, size: int, runtime: TorchRuntime) -> Samples:
    """Computes the speaker embedding of a recording with an x-vector model of transformers, such as WavLMForXVector.

    Args:
        path: an audio or video file with a few seconds of one voice.
        encoder: folder of the x-vector model, with its feature extractor.
        size: length of the voice model's vector.
        runtime: runs the x-vector model, once.

    Returns:
        float32 of shape (size,).

    Raises:
        ConfigError: the encoder's vectors have another size.
        InputError: the recording cannot be used.
        WeightsError: the encoder cannot be read.
    """
    import torch
    from transformers import AutoFeatureExtractor, AutoModelForAudioXVector

    from modules.audio.files import read_audio

    audio = read_audio(path, sample_rate=SPEECH_RATE)
    check_audio(audio)
    extractor = runtime.load_component(AutoFeatureExtractor, encoder)
    model = runtime.load_component(AutoModelForAudioXVector, encoder).to(runtime.device).eval()
    inputs = extractor(audio.samples, sampling_rate=SPEECH_RATE, return_tensors="pt").to(runtime.device)
    with runtime.inference(f"computing the speaker embedding of {path}"):
        vector = torch.nn.functional.normalize(model(**inputs).embeddings[0], dim=-1)
    return _fitting(vector.float().cpu().numpy(), size, encoder)


def _fitting(vector: Any, size: int, path: Path) -> Samples:
    if vector.shape != (size,):
        raise ConfigError(f"{path} gives a speaker embedding of shape {vector.shape}; this model takes ({size},)")
    return cast(Samples, np.ascontiguousarray(vector, np.float32))


def _array(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.numpy import load_file

        arrays = load_file(path)
        return arrays[min(arrays)]
    loaded = np.load(path, allow_pickle=False)
    return loaded if isinstance(loaded, np.ndarray) else loaded[min(loaded.files)]
