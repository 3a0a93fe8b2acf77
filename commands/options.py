"""Arguments that several commands share, and the checks that go with them."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from checkout import ROOT
from errors import ConfigError
from workers.wire.addresses import validate_address

if TYPE_CHECKING:
    from workers.client import Client
    from workers.config import PipelineConfig

DEFAULT_CONFIG = ROOT / "config.yaml"


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that choose and change a configuration."""
    group = parser.add_argument_group(
        "configuration", "The command line wins over the environment (RELEVO_KEY=VALUE), the file and the default."
    )
    group.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration of the relay (default: config.yaml of the checkout)"
    )
    group.add_argument("--ratio", metavar="1:1:N", help="replicas per stage, such as 1:1:2")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="assignments",
        help="change any key, such as stages.speak.options.voice=zm_yunxi; may be repeated",
    )
    group.add_argument(
        "--weights",
        type=Path,
        metavar="DIR",
        help="folder made by `relevo weights fetch --to DIR` (default: RELEVO_WEIGHTS, or the cache)",
    )


def add_connect_options(parser: argparse.ArgumentParser, what: str, *, required: bool = True) -> None:
    """Adds the arguments that name a running relay; `what` is the help."""
    parser.add_argument("--connect", metavar="ADDRESS", required=required, help=what)
    parser.add_argument(
        "--keys", type=Path, metavar="DIR", help="folder with broker.key and peer.key_secret, for a relay that has keys"
    )


def client_of(arguments: argparse.Namespace) -> Client:
    """Connects to the relay that the arguments of `add_connect_options` name.

    Raises:
        ConfigError: the address is not valid, or the keys cannot be read.
    """
    from workers.client import Client

    return Client(arguments.connect, arguments.keys)


def config_of(arguments: argparse.Namespace) -> PipelineConfig:
    """Loads the configuration that the arguments of `add_config_options` ask for.

    Raises:
        ConfigError: a wrong key or value.
    """
    from workers.config import load_config, nested

    overrides = nested(arguments.assignments)
    if arguments.ratio is not None:
        overrides["ratio"] = arguments.ratio
    return load_config(arguments.config or DEFAULT_CONFIG, **overrides)


def check_relay_options(arguments: argparse.Namespace) -> None:
    """Checks the arguments of a command that starts a relay or uses a running one.

    Raises:
        ConfigError: the address of --connect is not valid, or an argument would have no effect: one of the
            configuration with --connect, or --keys without it.
    """
    if arguments.connect is None:
        if arguments.keys is not None:
            raise ConfigError(
                f"--keys {arguments.keys} needs --connect; a relay that starts here takes its keys from --set keys=DIR"
            )
        return
    validate_address(arguments.connect)
    given = {
        "--config": arguments.config,
        "--ratio": arguments.ratio,
        "--set": arguments.assignments,
        "--weights": arguments.weights,
    }
    without_effect = [option for option, value in given.items() if value]
    if without_effect:
        raise ConfigError(
            f"{', '.join(without_effect)} would have no effect with --connect {arguments.connect}: that relay has its "
            "configuration; leave out one or the other"
        )


def make_folder(folder: Path, option: str) -> None:
    """Makes a folder that files are to be written to, unless it is there.

    Raises:
        ConfigError: it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {folder} of {option}: {error.strerror}; name another") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"cannot write to the folder {folder} of {option}; name another, or change its permissions")
