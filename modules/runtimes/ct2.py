"""What the modules on CTranslate2 share: opening a model folder, with errors that a user can act on.

Runtime: https://github.com/OpenNMT/CTranslate2.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from errors import ConfigError, WeightsError
from modules.contract.module import Compute, require_model

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
        ConfigError: no model is named, or this machine cannot run it so.
        WeightsError: the tokenizer cannot be read.
    """
    from tokenizers import Tokenizer

    folder = require_model(model)
    loaded = open_runtime(kind, folder, compute_type, compute)
    try:
        return loaded, Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the tokenizers package raises nothing more specific
        raise WeightsError(f"{folder / 'tokenizer.json'} cannot be read ({error}); fetch the weights again") from error


def open_runtime(kind: Callable[..., _Model], folder: Path, compute_type: ComputeType, compute: Compute) -> _Model:
    """Opens a folder with model.bin.

    Args:
        kind: the class of ctranslate2 that runs it.
        folder: the model's files.
        compute_type: arithmetic to convert the weights to.
        compute: device and threads; the model never uses more threads than these.

    Raises:
        ConfigError: this machine cannot run it so.
    """
    try:
        return kind(
            str(folder),
            device=compute.device,
            compute_type=compute_type,
            inter_threads=1,
            intra_threads=compute.threads,
        )
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"{folder} does not open on {compute.device} with compute_type {compute_type}: {error}; "
            "choose another compute_type, device or model"
        ) from error
