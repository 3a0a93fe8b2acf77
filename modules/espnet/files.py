"""The files of an ESPnet voice: where they are in its folder, and how they are read without trusting them."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from errors import CorruptWeights, MissingWeights

_META = "meta.yaml"


@dataclass(frozen=True, slots=True)
class EspnetFiles:
    """One voice: ``config`` is its training configuration, ``model`` its state dict; paths below ``folder``."""

    folder: Path
    config: Path
    model: Path

    @classmethod
    def find(cls, folder: Path) -> EspnetFiles:
        """Files of a folder as espnet_model_zoo unpacks it (with meta.yaml), or with config.yaml and one .pth file.

        Raises:
            MissingWeights: a file is not there.
            CorruptWeights: meta.yaml does not name them, or names files outside of the folder.
        """
        if (folder / _META).is_file():
            meta = read_yaml(folder / _META)
            try:
                names = meta["yaml_files"]["train_config"], meta["files"]["model_file"]
            except (KeyError, TypeError) as error:
                raise CorruptWeights(f"{folder / _META} names no train_config and model_file") from error
        else:
            checkpoints = sorted(path.name for path in folder.glob("*.pth"))
            if len(checkpoints) != 1:
                raise MissingWeights(
                    f"{folder} has no meta.yaml and {len(checkpoints)} .pth files; an ESPnet voice has a meta.yaml, "
                    "or a config.yaml and one .pth file"
                )
            names = "config.yaml", checkpoints[0]
        config, model = (_below(folder, name) for name in names)
        return cls(folder, config, model)

    @contextmanager
    def portable_config(self) -> Iterator[Path]:
        """A copy of the configuration in which files that it names are found wherever the folder lies."""
        config = read_yaml(self.config)
        for key, value in config.items():
            if key.endswith("_conf") and isinstance(value, dict) and value.get("stats_file"):
                value["stats_file"] = str(_below(self.folder, value["stats_file"]))
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".yaml") as copy:
            yaml.safe_dump(config, copy, allow_unicode=True)
            copy.flush()
            yield Path(copy.name)


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping of plain values. ESPnet's own vocoder loader would let the file run code (``yaml.Loader``).

    Raises:
        MissingWeights: there is no such file.
        CorruptWeights: it holds no mapping of plain values.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingWeights(f"{path} is not there; fetch the model again") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CorruptWeights(
            f"{path} is not plain YAML: {' '.join(str(error).split())}; fetch the model again"
        ) from error
    if not isinstance(content, dict):
        raise CorruptWeights(f"{path} holds no mapping; fetch the model again")
    return content


def load_tensors(path: Path) -> Any:
    """What a checkpoint of torch holds: tensors and plain values. Nothing else is unpickled.

    Raises:
        CorruptWeights: it holds something else, or is not whole.
    """
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CorruptWeights(f"{path} is broken, or holds more than tensors: {reason}; use another model") from error


def _below(folder: Path, name: Any) -> Path:
    pure = PurePosixPath(str(name))
    if pure.is_absolute() or ".." in pure.parts:
        raise CorruptWeights(f"{folder} names a file outside of it, {str(name)!r}; use another model")
    path = folder / pure
    if not path.is_file():
        raise MissingWeights(f"{path} is not there; fetch the model again")
    return path
