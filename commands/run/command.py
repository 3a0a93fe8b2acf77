"""The arguments of `relevo run`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from commands.options import add_config_options, add_connect_options, check_relay_options
from commands.own_relay import MakeOwnRelay
from errors import ConfigError

DEFAULT_IN_FLIGHT = 16

DESCRIPTION = """\
Puts recordings (wav, flac, mp3, ogg, m4a; any rate, mono or stereo) through a relay, shows each one's texts as they \
come, writes the speech as WAV files, and prints the times of each stage.

The speech of NAME.flac is written to NAME.zh.wav in the folder of --output, and replaces a file of that name. When \
several recordings have the same NAME, the name of each gets its position on the command line, such as NAME-2.zh.wav; \
two recordings never share a file."""

EPILOG = """\
examples:
  relevo run --config pipelines/offline.yaml hola.wav
  relevo run --config pipelines/offline.yaml --ratio 1:1:2 --report report.json samples/*.flac
  relevo run --connect ipc:///tmp/relevo.sock --output spoken hola.wav adios.wav      with `relevo serve`

Exit status: 0 all went well, 1 a recording failed, 2 wrong usage or configuration. A recording that cannot be read, \
or whose speech cannot be written, fails alone."""


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], run: Callable[[argparse.Namespace], int]
) -> None:
    """Adds the command."""
    parser = commands.add_parser("run", help="translate recordings", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings to translate")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("output"),
        metavar="DIR",
        help="folder for the WAV files, made if it is not there (default: output)",
    )
    parser.add_argument("--report", type=Path, metavar="FILE.json", help="write every figure as JSON")
    parser.add_argument(
        "--in-flight",
        type=int,
        default=DEFAULT_IN_FLIGHT,
        metavar="N",
        help=f"most recordings on their way at once (default: {DEFAULT_IN_FLIGHT})",
    )
    add_connect_options(parser, "use the relay that `relevo serve` keeps up there, and start none", required=False)
    add_config_options(parser)
    parser.set_defaults(run=run)


def run(make_relay: MakeOwnRelay, arguments: argparse.Namespace) -> int:
    """Translates the files; 1 when any of them failed."""
    if arguments.in_flight < 1:
        raise ConfigError(f"--in-flight {arguments.in_flight}: at least one recording must be on its way")
    check_relay_options(arguments)
    from commands.run.translation import translate_files

    return translate_files(make_relay, arguments)
