"""Finds the folder of a model by its name: of the catalogue, of a hub, of a conversion, or the path of a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from errors import CorruptWeights, MissingWeights
from modules.weights.cache import CONVERTED_PREFIX, converted_path, search_folders
from modules.weights.catalog import Catalog, load_catalog
from modules.weights.hub_id import HubId
from modules.weights.records import FolderState, catalog_state, damage, folder_state, read_record
from modules.weights.repair import fetch_command, repair_advice, repair_hint

_SHOWN_FAULTS = 3


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """A folder where a model may be, and what is there."""

    folder: Path
    state: FolderState


def locate(model: str, weights: Path | None = None, catalog: Catalog | None = None) -> Path:
    """Finds the folder of a model. Looks at the sizes of its files, reads no weights and needs no network.

    Args:
        model: a name of the catalogue (``whisper-base-ct2``); a model of a hub (``owner/name`` or
            ``owner/name@revision``); its conversion (``ct2:owner/name``); or the path of a folder, which begins with
            ``.`` or contains ``/``.
        weights: a folder made by ``weights fetch --to``, searched before the cache.
        catalog: the catalogue to look names up in; Relevo's own by default.

    Returns:
        The first folder whose files are complete.

    Raises:
        MissingWeights: the model is not on this machine. The message names the folders that were searched and the
            command that brings the model.
        CorruptWeights: files of the model are missing or have another size than recorded, or ``verify`` found them
            changed. The message names them and the command that repairs them.
    """
    places = places_of(model, weights, catalog)
    for place in places:
        if place.state.is_usable:
            return place.folder
    for place in places:
        if place.state is FolderState.DAMAGED:
            raise CorruptWeights(_damaged(model, place.folder))
    raise MissingWeights(_missing(model, places))


def model_state(model: str, weights: Path | None = None, catalog: Catalog | None = None) -> FolderState:
    """Returns the state of the first folder that has a model; see ``locate`` for the arguments."""
    states = (place.state for place in places_of(model, weights, catalog))
    return next((state for state in states if state is not FolderState.ABSENT), FolderState.ABSENT)


def places_of(model: str, weights: Path | None = None, catalog: Catalog | None = None) -> list[ModelPlace]:
    """Lists the folders where a model may be, in the order of the search; see ``locate`` for the arguments.

    Raises:
        MissingWeights: no model can have this name.
    """
    searched = search_folders(weights)
    if model.startswith(CONVERTED_PREFIX):
        return _uncatalogued([folder / converted_path(model.removeprefix(CONVERTED_PREFIX)) for folder in searched])
    hub_id = HubId.parse(model)
    if hub_id is not None:
        in_hub_cache = hub_id.in_hub_cache()
        return _uncatalogued([folder / model for folder in searched] + ([in_hub_cache] if in_hub_cache else []))
    if model.startswith(".") or os.sep in model or "/" in model:
        return _uncatalogued([Path(model).expanduser().absolute()])
    catalog = catalog or load_catalog()
    if model not in catalog.models:
        raise MissingWeights(
            f"no model is called {model!r}; the catalogue has {', '.join(catalog.models)}; "
            "a folder of your own is given by a path that begins with ./ or /, a model of a hub by owner/name"
        )
    folders = [folder / model for folder in searched]
    return [ModelPlace(folder, catalog_state(catalog.models[model], folder)) for folder in folders]


def _uncatalogued(folders: list[Path]) -> list[ModelPlace]:
    return [ModelPlace(folder, folder_state(folder)) for folder in folders]


def _damaged(model: str, folder: Path) -> str:
    faults = damage(folder)
    more = f" and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
    record = read_record(folder)
    remedy = repair_advice(record, folder) if record else repair_hint(folder)
    return f"the model {model} is damaged in {folder}: {', '.join(faults[:_SHOWN_FAULTS])}{more}; {remedy}"


def _missing(model: str, places: list[ModelPlace]) -> str:
    folders = " and ".join(str(place.folder) for place in places)
    if model.startswith(CONVERTED_PREFIX):
        name = model.removeprefix(CONVERTED_PREFIX)
        return (
            f"{name} was not converted for CTranslate2 on this machine: looked for {folders}; "
            f"run `{fetch_command(model)}` (`make hub` makes its environment)"
        )
    if HubId.parse(model) is not None:
        return (
            f"the model {model} is not on this machine: looked for {folders} and in the hub's own cache; "
            f"run `{fetch_command(model)}`, or with `--to DIR` on a machine with a connection, copy DIR here and pass "
            "--weights DIR (pipelines/offline.yaml needs no hub)"
        )
    outdated = " and ".join(str(place.folder) for place in places if place.state is FolderState.OUTDATED)
    if not outdated and ("/" in model or model.startswith(".")):
        return f"there is no folder {folders} (the model is given as the path {model!r})"
    found = f"{outdated} holds other files than the catalogue lists" if outdated else "it is not there"
    return f"the model {model} is not on this machine: looked for {folders}, {found}; run `{fetch_command(model)}`"
