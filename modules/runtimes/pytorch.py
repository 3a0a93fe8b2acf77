"""Runs models on torch: threads, device, arithmetic, random seeds, and opening model folders safely.

Nothing is downloaded; ``weights fetch`` brings models. Nothing pickled is run: safetensors are preferred, and other
checkpoints are read as tensors only.
"""

from __future__ import annotations

import json
import logging
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from errors import ConfigError, CorruptWeights, MissingWeights, ModelError
from modules.contract.module import Compute, require_model
from modules.weights.repair import repair_hint

log = logging.getLogger(__name__)

Dtype = Literal["auto", "float32", "float16", "bfloat16"]
"""Arithmetic of a model; ``auto`` is float16 on GPUs and float32 on CPUs."""


class TorchRuntime:
    """torch within the budget of a replica.

    Attributes:
        device: ``cpu`` or ``cuda``, for tensors.
        dtype: the torch.dtype of weights and activations.
    """

    def __init__(self, compute: Compute, dtype: Dtype = "auto") -> None:
        """Imports torch and limits it to ``compute.threads``. Nothing else may import torch before.

        Raises:
            ConfigError: this environment has no torch, or the stage asks for a GPU and torch has none.
        """
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ["TRANSFORMERS_VERBOSITY"] = "error"
        try:
            import torch
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"the stage runs on torch, which {sys.executable} does not have; run `make hub`, and the relay "
                "with .venv-hub/bin/python, or give the stage that interpreter: python: .venv-hub/bin/python"
            ) from error

        torch.set_num_threads(compute.threads)
        if torch.get_num_interop_threads() != 1:  # it can be set only once, and before any work
            torch.set_num_interop_threads(1)
        if compute.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError(
                "the stage's device is a GPU and torch sees none; set device: cpu, or install a torch with CUDA"
            )
        self._torch = torch
        self._seed = compute.seed
        self.device = compute.device
        self.dtype = getattr(
            torch, ("float16" if compute.device == "cuda" else "float32") if dtype == "auto" else dtype
        )

    def load(self, kind: Any, folder: Path | None) -> Any:
        """Opens a transformers model on this device, ready for inference.

        Args:
            kind: its class, with ``from_pretrained`` and a ``config_class``.
            folder: the model's files. Its config.json must name the model type of ``kind``.

        Raises:
            ConfigError: the stage names no model, or the folder holds another kind of model.
            WeightsError: a file is missing or cannot be read.
        """
        folder = require_model(folder)
        wanted = kind.config_class.model_type
        found = _model_type(folder)
        if found != wanted:
            raise ConfigError(f"{folder} holds a model of type {found!r} where {wanted!r} is needed; check `model`")
        model, report = self.load_component(kind, folder, output_loading_info=True)
        if missing := sorted(report["missing_keys"]):  # inference may not need them, but the user must know
            log.warning("%s has no weights for %s: they are random", folder, ", ".join(missing))
        return model.to(device=self.device, dtype=self.dtype).eval()

    def load_component(self, kind: Any, folder: Path, **arguments: Any) -> Any:
        """Calls ``kind.from_pretrained``: for tokenizers, processors and vocoders.

        Raises:
            WeightsError: a file is missing or cannot be read.
        """
        try:
            return kind.from_pretrained(str(folder), local_files_only=True, **arguments)
        except Exception as error:  # transformers passes on whatever its libraries raise
            raise CorruptWeights(
                f"{kind.__name__} cannot be read from {folder}: {_first_line(error)}; {repair_hint(folder)}"
            ) from error

    @contextmanager
    def inference(self, doing: str) -> Iterator[None]:
        """Runs a request without gradients, and with random numbers that depend on the seed alone.

        Args:
            doing: what is being done, for the error: "translating 3 sentences".

        Raises:
            ModelError: torch failed, for instance because memory ran out.
        """
        import numpy as np

        random.seed(self._seed)
        np.random.seed(self._seed % 2**32)  # ESPnet and Griffin-Lim draw from it
        self._torch.manual_seed(self._seed)
        try:
            with self._torch.inference_mode():
                yield
        except RuntimeError as error:
            raise ModelError(f"the model failed while {doing}: {_first_line(error)}") from error


def _model_type(folder: Path) -> str | None:
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        raise MissingWeights(
            f"{folder} has no config.json, which every transformers model has; {repair_hint(folder)}"
        ) from error
    except (OSError, ValueError) as error:
        raise CorruptWeights(f"{file} cannot be read ({error}); {repair_hint(folder)}") from error
    found = config.get("model_type") if isinstance(config, dict) else None
    return found if isinstance(found, str) else None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
