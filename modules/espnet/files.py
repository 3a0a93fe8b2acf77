"""The files of an ESPnet voice: found in its folder and read without running anything that they contain."""

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
from modules.weights.repair import repair_hint

_META = "meta.yaml"


@dataclass(frozen=True, slots=True)
class EspnetFiles:
    """One voice: the files of its training configuration and of its state dict, both below ``folder``."""

    folder: Path
    config: Path
    model: Path

    @classmethod
    def find(cls, folder: Path) -> EspnetFiles:
        """Finds the files of a folder that espnet_model_zoo unpacked, or that has config.yaml and one .pth file.

        Raises:
            MissingWeights: a file is missing.
            CorruptWeights: meta.yaml does not name the files, or names files outside of the folder.
        """
        if (folder / _META).is_file():
            meta = read_yaml(folder / _META, folder)
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
        """Writes a temporary copy of the configuration whose paths are valid wherever the folder is."""
        config = read_yaml(self.config, self.folder)
        for key, value in config.items():
            if key.endswith("_conf") and isinstance(value, dict) and value.get("stats_file"):
                value["stats_file"] = str(_below(self.folder, value["stats_file"]))
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".yaml") as copy:
            yaml.safe_dump(config, copy, allow_unicode=True)
            copy.flush()
            yield Path(copy.name)


def read_yaml(path: Path, folder: Path) -> dict[str, Any]:
    """Reads a mapping of plain values. ESPnet's own vocoder loader would let the file run code (``yaml.Loader``).

    Args:
        path: the file.
        folder: the model's folder, which the error gives advice about.

    Raises:
        MissingWeights: there is no such file.
        CorruptWeights: it holds no mapping of plain values.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingWeights(f"{path} is missing; {repair_hint(folder)}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise CorruptWeights(f"{path} is not plain YAML: {reason}; {repair_hint(folder)}") from error
    if not isinstance(content, dict):
        raise CorruptWeights(f"{path} holds no mapping; {repair_hint(folder)}")
    return content


def load_tensors(path: Path, folder: Path) -> Any:
    """Reads the tensors and plain values of a torch checkpoint. Nothing else is unpickled.

    Args:
        path: the checkpoint.
        folder: the model's folder, which the error gives advice about.

    Raises:
        CorruptWeights: it holds something else, or is incomplete.
    """
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CorruptWeights(
            f"{path} is broken, or holds more than tensors: {reason}; use another model, or {repair_hint(folder)}"
        ) from error


def _below(folder: Path, name: Any) -> Path:
    """Returns the path of a file that a file of the folder names, and that must be in the folder."""
    pure = PurePosixPath(str(name))
    if pure.is_absolute() or ".." in pure.parts:
        raise CorruptWeights(f"{folder} names a file outside of it, {str(name)!r}; use another model")
    path = folder / pure
    if not path.is_file():
        raise MissingWeights(f"{path} is missing; {repair_hint(folder)}")
    return path
