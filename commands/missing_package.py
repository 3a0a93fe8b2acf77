"""Names the make target that installs a package, for a command that the environment of `make demo` cannot run."""

from __future__ import annotations

import sys

from checkout import ROOT

_OWN = ("benchmarks", "checkout", "commands", "errors", "modules", "pipeline", "workers")
_HUB = ("espnet2", "espnet_model_zoo", "parallel_wavegan", "safetensors", "torch", "torchaudio", "transformers")
_PEERS = ("mosec", "msgpack", "ray")


def installed_by(package: str) -> str:
    """Returns the command that installs a package which the offline relay does without."""
    if package in _HUB:
        return "make hub"
    return "make peers" if package in _PEERS else "make dev"


def remedy(error: ModuleNotFoundError, command: str) -> str | None:
    """Returns the message for a command that lacks a package; None when a file of the checkout itself is missing."""
    package = (error.name or "").partition(".")[0]
    if not package or package in _OWN:
        return None
    return (
        f"{command} needs the package {package}, which {sys.prefix} does not have; "
        f"run `{installed_by(package)}` in {ROOT}"
    )
