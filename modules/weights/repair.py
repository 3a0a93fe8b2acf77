"""The commands that bring, check and repair the files of a model, for error messages."""

from __future__ import annotations

from pathlib import Path

from modules.weights.cache import CONVERTED_PREFIX, models_folder
from modules.weights.records import FolderRecord, read_record

WEIGHTS_COMMAND = "python pipeline.py weights"
CONVERT_COMMAND = ".venv-hub/bin/python pipeline.py weights convert"


def fetch_command(name: str) -> str:
    """The command that brings a model to the cache."""
    if name.startswith(CONVERTED_PREFIX):
        return f"{CONVERT_COMMAND} {name.removeprefix(CONVERTED_PREFIX)}"
    return f"{WEIGHTS_COMMAND} fetch {name}"


def repair_command(record: FolderRecord, folder: Path) -> str:
    """The command that makes the files in ``folder`` anew, those that are damaged."""
    is_converted = record.model.startswith(CONVERTED_PREFIX)
    command = f"{CONVERT_COMMAND} {record.upstream}" if is_converted else fetch_command(record.model)
    return command + _option("--to", record, folder)


def repair_hint(folder: Path) -> str:
    """Tells a user what to do about a model folder with a file that cannot be read.

    Args:
        folder: the model's folder, as ``locate`` returned it.

    Returns:
        The end of an error message: a verb and its object, without a full stop.
    """
    record = read_record(folder)
    if record is None:
        return (
            f"remove {folder} and bring the model again: Relevo has no record of its files to check them against "
            f"(`{WEIGHTS_COMMAND} fetch NAME` brings models of a hub)"
        )
    verify_command = f"{WEIGHTS_COMMAND} verify {record.model}{_option('--weights', record, folder)}"
    return f"run `{verify_command}`, and if it finds damage, `{repair_command(record, folder)}`"


def _option(option: str, record: FolderRecord, folder: Path) -> str:
    """The option that names the folder of models which ``folder`` lies in; empty if that is the cache."""
    models = folder.parents[len(Path(record.model.replace(CONVERTED_PREFIX, "ct2/")).parts) - 1]
    return "" if models == models_folder() else f" {option} {models}"
