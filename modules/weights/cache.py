"""Folders that models are kept in: the cache, and a folder made by ``weights fetch --to``."""

from __future__ import annotations

import os
from pathlib import Path

CONVERTED_PREFIX = "ct2:"
"""Begins the name of a model that was converted for CTranslate2, as in ``ct2:openai/whisper-large``."""


def cache_root() -> Path:
    """Returns the folder of everything that Relevo keeps: the variable RELEVO_CACHE, or ``~/.cache/relevo``."""
    return Path(os.environ.get("RELEVO_CACHE") or "~/.cache/relevo").expanduser().absolute()


def models_folder() -> Path:
    """Returns the folder of the cache that holds one folder for each model."""
    return cache_root() / "models"


def search_folders(weights: Path | None) -> list[Path]:
    """Returns where models are looked for: ``weights``, or the variable RELEVO_WEIGHTS, and then the cache."""
    chosen = weights or os.environ.get("RELEVO_WEIGHTS")
    return [Path(chosen).expanduser().absolute(), models_folder()] if chosen else [models_folder()]


def converted_path(model: str) -> Path:
    """Returns the place of a conversion for CTranslate2 in a folder of models.

    Args:
        model: the hub model that was converted, or the path of a folder that was.
    """
    is_path = model.startswith((".", "/", "~"))
    return Path("ct2", Path(model).expanduser().absolute().name if is_path else model)
