"""Converts Whisper and Marian models of a hub for CTranslate2, in a process of its own."""

from __future__ import annotations

import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Literal

from checkout import ROOT
from errors import ConfigError, WeightsError
from modules.weights.cache import CONVERTED_PREFIX, converted_path
from modules.weights.checksums import checksum_of
from modules.weights.disk import disk_errors, require_space
from modules.weights.external_command import CommandFailed, run_command
from modules.weights.progress import Progress, SilentProgress, watched
from modules.weights.records import FolderRecord, folder_state, write_record
from modules.weights.repair import CONVERT_COMMAND

Quantization = Literal["int8", "int8_float16", "float16", "float32"]
"""How weights are stored; a module can still compute in another arithmetic."""


def convert(
    model: str, source: Path, target: Path, quantization: Quantization = "int8", progress: Progress | None = None
) -> Path:
    """Converts a Whisper or Marian model, unless its conversion is there and undamaged.

    The folder appears only when it is complete.

    Args:
        model: the model as the user names it: ``owner/name``, or the path of a folder.
        source: folder with the model's files.
        target: folder that holds one folder for each model.
        quantization: how weights are stored.
        progress: receives the progress.

    Returns:
        The folder of the conversion.

    Raises:
        ConfigError: this interpreter has no transformers.
        WeightsError: the model is of another kind, a file of it is missing, or the disk is full.
    """
    progress = progress or SilentProgress()
    final = target / converted_path(model)
    if folder_state(final).is_usable:
        progress.say(f"{final} is there already; remove it to convert {model} again")
        return final
    if find_spec("transformers") is None:
        raise ConfigError(f"converting needs transformers, which this environment has not; run `{CONVERT_COMMAND}`")
    size = sum(file.stat().st_size for file in source.rglob("*") if file.is_file())
    with disk_errors(target, size):
        final.parent.mkdir(parents=True, exist_ok=True)
        require_space({target: size})
        with TemporaryDirectory(dir=final.parent, prefix=".converting-") as parent:
            folder = Path(parent, final.name)
            _run_conversion(model, source, folder, quantization, size, progress)
            name = CONVERTED_PREFIX + str(final.relative_to(target / "ct2"))
            files = {str(file.relative_to(folder)): checksum_of(file) for file in folder.rglob("*") if file.is_file()}
            libraries = {library: version(library) for library in ("ctranslate2", "transformers")}
            write_record(folder, FolderRecord(model=name, upstream=model, libraries=libraries, files=files))
            if final.is_dir():
                final.rename(Path(parent, "damaged"))
            folder.rename(final)
    return final


def _run_conversion(
    model: str, source: Path, folder: Path, quantization: Quantization, size: int, progress: Progress
) -> None:
    command = [sys.executable, "-m", "modules.weights.conversion.transformers_to_ct2", str(source), str(folder)]
    try:
        with watched(progress, f"converting {model}", size) as update:
            run_command(
                [*command, "--quantization", quantization],
                folder.parent,
                needed_bytes=size,
                stop=Event(),
                cwd=ROOT,
                watch=update,
            )
    except CommandFailed as error:
        raise WeightsError(f"{model} cannot be converted: {error}") from error
