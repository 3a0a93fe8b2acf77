"""Advice for users about the files of a model: the commands that bring, check and repair them."""

from __future__ import annotations

from pathlib import Path

from modules.weights.cache import CONVERTED_PREFIX, converted_path, models_folder
from modules.weights.records import FolderRecord, read_record

WEIGHTS_COMMAND = "relevo weights"
CONVERT_COMMAND = ".venv-hub/bin/relevo weights convert"


def fetch_command(name: str) -> str:
    """Returns the command that brings a model to the cache."""
    if name.startswith(CONVERTED_PREFIX):
        return f"{CONVERT_COMMAND} {name.removeprefix(CONVERTED_PREFIX)}"
    return f"{WEIGHTS_COMMAND} fetch {name}"


def repair_advice(record: FolderRecord, folder: Path) -> str:
    """Tells how to repair a damaged model folder. It ends an error message, so it has no full stop."""
    models = _models_folder(record, folder)
    if models is None:
        return f"copy it again, or run `{fetch_command(record.model)}` and use the model {record.model}"
    is_converted = record.model.startswith(CONVERTED_PREFIX)
    command = f"{CONVERT_COMMAND} {record.upstream}" if is_converted else fetch_command(record.model)
    return f"run `{command}{_option('--to', models)}` to repair it"


def repair_hint(folder: Path) -> str:
    """Tells what to do if a file of a model folder cannot be read. It ends an error message."""
    record = read_record(folder)
    if record is None:
        return (
            f"Relevo has no record of the files in {folder} to tell which are damaged; copy them again, or remove the "
            f"folder of a hub's model and run `{WEIGHTS_COMMAND} fetch` with its name"
        )
    models = _models_folder(record, folder)
    verified = str(folder) if models is None else record.model + _option("--weights", models)
    return (
        f"run `{WEIGHTS_COMMAND} verify {verified}` to see which files are damaged; if any is, "
        f"{repair_advice(record, folder)}"
    )


def _models_folder(record: FolderRecord, folder: Path) -> Path | None:
    """Returns the folder of models that holds ``folder``; None if ``folder`` was moved or renamed."""
    name = record.model.removeprefix(CONVERTED_PREFIX)
    inside = converted_path(name) if record.model.startswith(CONVERTED_PREFIX) else Path(name)
    depth = len(inside.parts)
    return folder.parents[depth - 1] if folder.parts[-depth:] == inside.parts else None


def _option(option: str, models: Path) -> str:
    return "" if models == models_folder() else f" {option} {models}"
