"""Reads every byte of a model folder and compares it with the folder's record."""

from __future__ import annotations

from pathlib import Path

from errors import CorruptWeights, MissingWeights
from modules.weights.catalog import Catalog
from modules.weights.checksums import check_file
from modules.weights.locator import locate, places_of
from modules.weights.progress import Progress, SilentProgress, watched
from modules.weights.records import FolderState, read_record, write_record
from modules.weights.repair import repair_advice, repair_hint


def verify(
    name: str, weights: Path | None = None, *, progress: Progress | None = None, catalog: Catalog | None = None
) -> Path:
    """Checks the size and sha256 of every file of a model.

    What it finds is written into the folder's record: ``locate`` refuses a folder with damaged files afterwards, and
    ``fetch`` repairs it.

    Args:
        name: a name that ``locate`` takes.
        weights: a folder made by ``weights fetch --to``, searched before the cache.
        progress: receives the progress.
        catalog: the catalogue to look names up in; Relevo's own by default.

    Returns:
        The model's folder.

    Raises:
        MissingWeights: the model is not on this machine, is not the one that the catalogue lists, or has no record.
        CorruptWeights: files differ or are missing. The message names each of them.
    """
    progress = progress or SilentProgress()
    there = (FolderState.READY, FolderState.FALLBACK, FolderState.DAMAGED)
    folder = next((place.folder for place in places_of(name, weights, catalog) if place.state in there), None)
    folder = folder or locate(name, weights, catalog)  # which raises the error
    record = read_record(folder)
    if record is None:
        raise MissingWeights(f"{name} cannot be verified: {repair_hint(folder)}")
    faults: dict[str, str] = {}
    for path, expected in record.files.items():
        try:
            with watched(progress, f"checking {name}/{path}", expected.bytes) as update:
                check_file(folder / path, expected, update)
        except CorruptWeights as error:
            faults[path] = str(error)
    remedy = repair_advice(record, folder)
    if record.damaged != list(faults):
        try:
            write_record(folder, record.model_copy(update={"damaged": list(faults)}))
        except OSError as error:
            remedy = f"make {folder} writable, or remove it ({error.strerror}), and {remedy}"
    if faults:
        raise CorruptWeights(f"{name} is damaged: {'; '.join(faults.values())}; {remedy}")
    return folder
