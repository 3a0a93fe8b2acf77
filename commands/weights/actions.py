"""The actions of `relevo weights`; each returns its exit status."""

from __future__ import annotations

from pathlib import Path
from typing import cast, get_args

from rich.text import Text as Line

from commands.output import say
from commands.tables import SafeConsole, TableColumn, print_table
from commands.weights.needed_models import needed_models
from commands.weights.watchers import watcher
from errors import ConfigError, WeightsError
from modules.weights import HubId, fetch, fetch_from_hub, load_catalog, locate, verify
from modules.weights.cache import models_folder, search_folders
from modules.weights.converted import Quantization, convert
from modules.weights.disk import megabytes
from modules.weights.locator import model_state


def list_models(weights: Path | None) -> int:
    """Prints the models of the catalogue, and the models of a hub that the checkout's configurations name."""
    models = load_catalog().models
    rows = []
    for name, model in models.items():
        sizes = megabytes(model.finished_bytes), megabytes(model.download_bytes)
        rows.append((name, *sizes, model.licence, model_state(name, weights)))
    columns = [
        TableColumn("model", "name"),
        TableColumn("size", "number"),
        TableColumn("download", "number"),
        TableColumn("licence"),
        TableColumn("state"),
    ]
    console = SafeConsole()
    print_table(console, columns, rows)
    for name, model in models.items():
        console.print(Line.assemble("\n", (name, "bold"), f": {model.description}"))
        console.print(f"Upstream: {model.upstream}. Bytes: {model.provenance}")
    console.print()
    print_table(
        console,
        [TableColumn("model of a hub"), TableColumn("for"), TableColumn("state")],
        [(name, ", ".join(needed_by), model_state(name, weights)) for name, needed_by in needed_models().items()],
    )
    return 0


def fetch_models(names: list[str], to: Path | None, source: Path | None, keep_archives: bool) -> int:
    """Brings models of the catalogue and of hubs, and prints their folders."""
    from_hub = {name: model for name in names if (model := HubId.parse(name))}
    catalogued = [name for name in names if name not in from_hub]
    folders = []
    with watcher() as progress:
        if catalogued or not from_hub:
            folders += fetch(catalogued, to=to, source=source, keep_archives=keep_archives, progress=progress)
        folders += [fetch_from_hub(model, to, progress) for model in from_hub.values()]
    for folder in folders:
        say(str(folder))
    return 0


def convert_models(names: list[str], to: Path | None, quantization: str, weights: Path | None) -> int:
    """Converts models, and prints their folders."""
    if quantization not in get_args(Quantization):
        raise ConfigError(f"--quantization {quantization}: write one of {', '.join(get_args(Quantization))}")
    target = to.expanduser().absolute() if to else models_folder()
    with watcher() as progress:
        for name in names:
            folder = convert(name, locate(name, weights), target, cast(Quantization, quantization), progress)
            say(str(folder))
    return 0


def verify_models(names: list[str], weights: Path | None) -> int:
    """Compares every file with its recorded sum; 1 when any differs."""
    status = 0
    with watcher() as progress:
        for name in names or load_catalog().models:
            try:
                progress.say(f"{name}: every file is as recorded, in {verify(name, weights, progress=progress)}")
            except WeightsError as error:
                progress.say(str(error))
                status = 1
    return status


def print_folders(name: str | None, weights: Path | None) -> int:
    """Prints the folder of a model, or the folders that are searched."""
    for folder in [locate(name, weights)] if name else search_folders(weights):
        say(str(folder))
    return 0
