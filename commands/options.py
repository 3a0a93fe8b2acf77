"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from checkout import ROOT
from workers.client.client import Client
from workers.config import PipelineConfig, load_config, nested

DEFAULT_CONFIG = ROOT / "config.yaml"


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that choose and change a configuration."""
    group = parser.add_argument_group("configuration", "command line > environment (RELEVO_…) > file > default")
    group.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="the relay to run (default: config.yaml)"
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
        help="folder made by `weights fetch --to DIR` (default: RELEVO_WEIGHTS, or the cache)",
    )


def add_connect_options(parser: argparse.ArgumentParser, what: str, *, required: bool = True) -> None:
    """Adds the arguments that name a running relay; `what` is the help."""
    parser.add_argument("--connect", metavar="ADDRESS", required=required, help=what)
    parser.add_argument(
        "--keys", type=Path, metavar="DIR", help="folder with broker.key and peer.key_secret, for a relay that has keys"
    )


def client_of(arguments: argparse.Namespace) -> Client:
    """A client of the relay that the arguments of `add_connect_options` name.

    Raises:
        ConfigError: the keys cannot be read.
    """
    return Client(arguments.connect, arguments.keys)


def config_of(arguments: argparse.Namespace) -> PipelineConfig:
    """The configuration that the arguments ask for.

    Raises:
        ConfigError: a wrong key or value.
    """
    overrides = nested(arguments.assignments)
    if arguments.ratio is not None:
        overrides["ratio"] = arguments.ratio
    return load_config(arguments.config, **overrides)
