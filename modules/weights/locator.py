"""Finds the folder of a model by its name: of the catalogue, of a hub, converted, or a path of the user's own."""

from __future__ import annotations

import os
from pathlib import Path

from errors import MissingWeights
from modules.weights.cache import FETCH_COMMAND, is_usable, search_folders
from modules.weights.catalog import Catalog, load_catalog
from modules.weights.converted import PREFIX, locate_converted
from modules.weights.hub_id import HubId


def locate(model: str, weights: Path | None = None, catalog: Catalog | None = None) -> Path:
    """Finds the folder of a model. Reads no weights and needs no network.

    Args:
        model: a name of the catalogue; a model of a hub, as ``owner/name`` or ``owner/name@revision``, after ``ct2:``
            if its conversion is meant; or the path of a folder, which begins with ``.`` or has a ``/`` in it.
        weights: a folder made by ``weights fetch --to``, looked at before the cache.
        catalog: the catalogue to look in; Relevo's own when None.

    Raises:
        MissingWeights: the folder is not there; the message says where it was looked for and what brings it.
    """
    if model.startswith(PREFIX):
        return locate_converted(model.removeprefix(PREFIX), search_folders(weights))
    hub_id = HubId.parse(model)
    if hub_id is not None:
        return _locate_hub(hub_id, weights)
    if model.startswith(".") or os.sep in model or "/" in model:
        folder = Path(model).expanduser().absolute()
        if not folder.is_dir():
            raise MissingWeights(f"there is no folder {folder} (the model is given as the path {model!r})")
        return folder
    catalog = catalog or load_catalog()
    if model not in catalog.models:
        raise MissingWeights(
            f"no model is called {model!r}; the catalogue has {', '.join(catalog.models)}; "
            "a folder of your own is given by a path that begins with ./ or /, a model of a hub by owner/name"
        )
    folders = [folder / model for folder in search_folders(weights)]
    for folder in folders:
        if is_usable(catalog.models[model], folder):
            return folder
    outdated = [str(folder) for folder in folders if folder.is_dir()]
    found = f"{' and '.join(outdated)} holds other files than the catalogue lists" if outdated else "it is not there"
    raise MissingWeights(
        f"the model {model} is not on this machine: looked for {' and '.join(map(str, folders))}, {found}; "
        f"run `{FETCH_COMMAND} {model}`"
    )


def _locate_hub(model: HubId, weights: Path | None) -> Path:
    folders = [folder / str(model) for folder in search_folders(weights)]
    here = next((folder for folder in folders if folder.is_dir()), None) or model.in_hub_cache()
    if here is None:
        raise MissingWeights(
            f"the model {model} is not on this machine: looked for {' and '.join(map(str, folders))} and in the hub's "
            f"own cache; run `{FETCH_COMMAND} {model}`, or with `--to DIR` on a machine with a connection, bring DIR "
            "over and pass --weights DIR (pipelines/offline.yaml needs no hub)"
        )
    return here
