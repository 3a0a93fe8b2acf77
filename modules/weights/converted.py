"""Hub models that were converted for CTranslate2 on this machine, and the making of them.

A configuration names one ``ct2:`` and the hub's name, as in ``ct2:openai/whisper-large``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Literal

from checkout import ROOT
from errors import ConfigError, MissingWeights, WeightsError
from modules.weights.disk import disk_errors, require_space
from modules.weights.external_command import CommandFailed, run_command
from modules.weights.progress import Progress, SilentProgress, watched

PREFIX = "ct2:"
CONVERT_COMMAND = ".venv-hub/bin/python pipeline.py weights convert"
Quantization = Literal["int8", "int8_float16", "float16", "float32"]
"""How weights are stored; a module can still compute in another arithmetic."""


def converted_path(model: str) -> Path:
    """Where, in a folder of models, the conversion of a hub model or of a folder is."""
    is_path = model.startswith((".", "/", "~"))
    return Path("ct2", Path(model).expanduser().absolute().name if is_path else model)


def locate_converted(model: str, folders: Sequence[Path]) -> Path:
    """Finds the conversion of a hub model.

    Args:
        model: the hub's name.
        folders: where models are looked for, in order.

    Raises:
        MissingWeights: it was not converted; the message carries the command that does.
    """
    candidates = [folder / converted_path(model) for folder in folders]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise MissingWeights(
        f"{model} was not converted for CTranslate2 on this machine: looked for {' and '.join(map(str, candidates))}; "
        f"run `{CONVERT_COMMAND} {model}` (`make hub` makes its environment)"
    )


def convert(
    model: str, source: Path, target: Path, quantization: Quantization = "int8", progress: Progress | None = None
) -> Path:
    """Converts a Whisper or Marian; returns the folder. One that is there already is left alone.

    The folder appears only when it is whole.

    Args:
        model: the model as the user names it.
        source: folder of its files.
        target: folder for model folders.
        quantization: how its weights are stored.
        progress: told what happens.

    Raises:
        ConfigError: this interpreter has no transformers.
        WeightsError: the model is of another kind, its files are not all there, or the disk is full.
    """
    progress = progress or SilentProgress()
    final = target / converted_path(model)
    if final.is_dir():
        progress.say(f"{final} is there already; remove it to convert {model} again")
        return final
    if find_spec("transformers") is None:
        raise ConfigError(f"converting needs transformers, which this environment has not; run `{CONVERT_COMMAND}`")
    size = sum(file.stat().st_size for file in source.rglob("*") if file.is_file())
    with disk_errors(target, size):
        final.parent.mkdir(parents=True, exist_ok=True)
        require_space({target: size})
        with TemporaryDirectory(dir=final.parent, prefix=".converting-") as half:
            whole = Path(half, final.name)
            command = [sys.executable, "-m", "modules.weights.conversion.transformers_to_ct2", str(source), str(whole)]
            try:
                with watched(progress, f"converting {model}", size) as update:
                    run_command(
                        [*command, "--quantization", quantization],
                        Path(half),
                        needed_bytes=size,
                        stop=Event(),
                        cwd=ROOT,
                        watch=update,
                    )
            except CommandFailed as error:
                raise WeightsError(f"{model} cannot be converted: {error}") from error
            whole.rename(final)
    return final
