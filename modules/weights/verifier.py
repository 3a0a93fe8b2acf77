"""Reads every byte of a model folder and compares it with what was recorded."""

from __future__ import annotations

from pathlib import Path

from errors import CorruptWeights
from modules.weights import cache
from modules.weights.catalog import Catalog, load_catalog
from modules.weights.checksums import check_file
from modules.weights.locator import locate
from modules.weights.progress import Progress, SilentProgress, watched


def verify(
    name: str, weights: Path | None = None, *, progress: Progress | None = None, catalog: Catalog | None = None
) -> Path:
    """Checks the sha256 of every file of a model, against the catalogue and the folder's own record.

    Args:
        name: a name of the catalogue.
        weights: a folder made by ``weights fetch --to``, looked at before the cache.
        progress: told which file is being read.
        catalog: the catalogue to check against; Relevo's own when None.

    Returns:
        the model's folder.

    Raises:
        ConfigError: the name is not in the catalogue.
        MissingWeights: the model is not here, or its record is not what the catalogue lists.
        CorruptWeights: files differ or are missing; the message names each of them.
    """
    catalog = catalog or load_catalog()
    (model,) = catalog.select([name]).values()
    folder = locate(name, weights, catalog)
    progress = progress or SilentProgress()
    fallback = cache.state(model, folder) is cache.FolderState.FALLBACK
    problems = []
    for path, expected in model.finished(fallback).items():
        try:
            with watched(progress, f"checking {name}/{path}", expected.bytes) as update:
                check_file(folder / path, expected, update)
        except CorruptWeights as error:
            problems.append(str(error))
    if problems:
        raise CorruptWeights(
            f"{name} is damaged: {'; '.join(problems)}. Remove {folder} and run `{cache.FETCH_COMMAND} {name}`"
        )
    return folder
