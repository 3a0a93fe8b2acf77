"""Where model folders are: the cache, a folder made by ``weights fetch --to``, or a path of the user's own."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from errors import MissingWeights
from modules.weights.catalog import Catalog, Model, Sum, load_catalog
from modules.weights.converted import PREFIX, locate_converted
from modules.weights.hub_id import HubId

RECORD_FILE = "relevo.json"
FETCH_COMMAND = "python pipeline.py weights fetch"


class Record(BaseModel):
    """``relevo.json``: what a model folder holds and where it came from. Written last, so its presence means whole.

    ``packages`` are ``registry:package==version``; ``libraries`` the versions that converted the files; ``note`` what
    the user should know about a model that is not as the catalogue describes it.
    """

    model_config = ConfigDict(extra="forbid")

    model: str
    upstream: str
    licence: str
    packages: list[str]
    libraries: dict[str, str]
    files: dict[str, Sum]
    note: str | None = None


class State(StrEnum):
    """State of a model folder, as its record tells; the files themselves are read by ``verify`` alone."""

    READY = "ready"
    FALLBACK = "ready, with a fallback"
    OUTDATED = "of another catalogue"
    ABSENT = "not here"


def cache_root() -> Path:
    """The folder that holds everything Relevo keeps: RELEVO_CACHE, or ``~/.cache/relevo``."""
    return Path(os.environ.get("RELEVO_CACHE") or "~/.cache/relevo").expanduser().absolute()


def models_folder() -> Path:
    """The folder of the cache that holds one folder a model."""
    return cache_root() / "models"


def search_folders(weights: Path | None) -> list[Path]:
    """Where models are looked for, in order: ``weights``, else the variable RELEVO_WEIGHTS; then the cache."""
    chosen = weights or os.environ.get("RELEVO_WEIGHTS")
    return [Path(chosen).expanduser().absolute(), models_folder()] if chosen else [models_folder()]


def read_record(folder: Path) -> Record | None:
    """The record of a model folder; None where there is none that can be read."""
    try:
        return Record.model_validate_json((folder / RECORD_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def state(model: Model, folder: Path) -> State:
    """State of the folder of a catalogued model."""
    if not folder.is_dir():
        return State.ABSENT
    record = read_record(folder)
    if record and record.files == model.finished(fallback=False):
        return State.READY
    if record and record.files == model.finished(fallback=True):
        return State.FALLBACK
    return State.OUTDATED


def is_usable(model: Model, folder: Path) -> bool:
    """Whether a stage can be started on this folder."""
    return state(model, folder) in (State.READY, State.FALLBACK)


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
