"""The command line of a measurement: the options that several have, and how a measurement ends."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from checkout import ROOT
from commands.missing_package import installed_by
from commands.output import lasting_output, say
from errors import ConfigError, RelevoError

OFFLINE = ROOT / "pipelines" / "offline.yaml"
EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130
_PACKAGES = (
    "espnet2",
    "jiwer",
    "matplotlib",
    "mosec",
    "opencc",
    "ray",
    "sacrebleu",
    "simpy",
    "threadpoolctl",
    "torch",
    "transformers",
)
# The command that installs each package that a measurement needs and the offline relay does without.
INSTALLED_BY = {package: installed_by(package) for package in _PACKAGES}


def measurement_parser(description: str | None) -> argparse.ArgumentParser:
    """Makes a parser whose help shows the file's docstring as it is written, and how the file is run."""
    spec = sys.modules["__main__"].__spec__
    prog = f"python -m {spec.name.removesuffix('.__main__')}" if spec else None
    return argparse.ArgumentParser(
        prog=prog, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_relay(parser: argparse.ArgumentParser) -> None:
    """Adds --config and --set, which name the relay to measure."""
    parser.add_argument(
        "--config", type=Path, default=OFFLINE, metavar="FILE", help="the relay (default: pipelines/offline.yaml)"
    )
    parser.add_argument(
        "--set", action="append", default=[], dest="changes", metavar="KEY=VALUE", help="change a key; may be repeated"
    )


def add_rounds(parser: argparse.ArgumentParser, default: int) -> None:
    """Adds --rounds: in each round everything is run once, so that a drift of the machine's speed meets all alike."""
    parser.add_argument("--rounds", type=int, default=default, metavar="N", help="rounds (default: %(default)s)")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds --json, the file for every figure."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure, with the environment")


def sample_files(count: int | None = None) -> list[Path]:
    """Returns the recordings of samples/ in their order, or the first `count` of them."""
    return sorted((ROOT / "samples").glob("*.flac"))[:count]


def require(*packages: str) -> None:
    """Refuses to begin a measurement that would fail at its end.

    Raises:
        ConfigError: a package is not installed; the message says which command installs it.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise ConfigError(f"{package} is not installed; run `{INSTALLED_BY[package]}`, which brings it")


def run_measurement(main: Callable[[], int]) -> NoReturn:
    """Runs a measurement's main function and exits with its status; an error of ours is one line on standard error."""
    with lasting_output():  # a reader that goes away ends no measurement
        try:
            status = main()
        except RelevoError as error:
            say(f"relevo: {error}", error=True)
            status = EXIT_USAGE if isinstance(error, ConfigError) else EXIT_FAILED
        except KeyboardInterrupt:
            status = EXIT_INTERRUPTED
    sys.exit(status)
