"""Opens models for CTranslate2 (https://github.com/OpenNMT/CTranslate2)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from errors import ConfigError, CorruptWeights, MissingWeights
from modules.contract.module import Compute, require_model
from modules.weights.repair import repair_hint

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ComputeType = Literal[
    "auto", "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16", "float16", "bfloat16", "float32"
]
"""Arithmetic of a model; ``int8`` is right for CPUs, the 16-bit floats for GPUs."""

_Model = TypeVar("_Model")


def open_model(
    kind: Callable[..., _Model], model: Path | None, compute_type: ComputeType, compute: Compute
) -> tuple[_Model, Tokenizer]:
    """Opens a folder with model.bin and tokenizer.json; see ``open_runtime``.

    Raises:
        ConfigError: the stage names no model, or this machine has no such device or arithmetic.
        WeightsError: a file is missing or cannot be read.
    """
    from tokenizers import Tokenizer

    folder = require_model(model)
    loaded = open_runtime(kind, folder, compute_type, compute)
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise MissingWeights(f"{file} is missing; {repair_hint(folder)}")
    try:
        return loaded, Tokenizer.from_file(str(file))
    except Exception as error:  # the tokenizers package raises nothing more specific
        raise CorruptWeights(f"{file} cannot be read ({error}); {repair_hint(folder)}") from error


def open_runtime(kind: Callable[..., _Model], folder: Path, compute_type: ComputeType, compute: Compute) -> _Model:
    """Opens a folder with model.bin.

    Args:
        kind: the class of ctranslate2 that runs the model.
        folder: the model's files.
        compute_type: arithmetic to convert the weights to.
        compute: device and threads; the model never uses more threads than these.

    Raises:
        ConfigError: this machine has no such device or arithmetic.
        WeightsError: a file is missing or cannot be read.
    """
    _check_device(compute_type, compute.device)
    if not (folder / "model.bin").is_file():
        raise MissingWeights(f"{folder} has no model.bin, which every model of CTranslate2 has; {repair_hint(folder)}")
    try:
        return kind(
            str(folder),
            device=compute.device,
            compute_type=compute_type,
            inter_threads=1,
            intra_threads=compute.threads,
        )
    except (RuntimeError, ValueError) as error:
        if compute.device == "cuda" and "CUDA" in str(error):
            raise ConfigError(
                f"{folder} does not open on the GPU: {error}; free its memory, or use device: cpu"
            ) from error
        raise CorruptWeights(f"{folder} does not open: {error}; {repair_hint(folder)}") from error


def _check_device(compute_type: ComputeType, device: str) -> None:
    """Refuses settings that this machine cannot run, so that any other failure is the fault of the model's files."""
    import ctranslate2  # type: ignore[import-untyped]

    try:
        supported = ctranslate2.get_supported_compute_types(device)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"CTranslate2 cannot compute on device {device!r} here ({error}); use device: cpu") from error
    if compute_type not in {"auto", *supported}:
        raise ConfigError(
            f"CTranslate2 cannot compute with compute_type {compute_type} on device {device!r} here; "
            f"use auto or one of {', '.join(sorted(supported))}"
        )
