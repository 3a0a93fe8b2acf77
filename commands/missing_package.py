"""The line that a command prints instead of a traceback when the environment lacks a package that it needs."""

from __future__ import annotations

import sys

from checkout import ROOT

OWN = ("benchmarks", "checkout", "commands", "errors", "modules", "pipeline", "samples", "tests", "workers")
HUB = ("espnet2", "espnet_model_zoo", "parallel_wavegan", "safetensors", "torch", "torchaudio", "transformers")
PEERS = ("mosec", "msgpack", "ray")


def remedy(error: ModuleNotFoundError, command: str) -> str | None:
    """The message for a package that is not installed; None when the missing module is one of the checkout's own."""
    package = (error.name or "").partition(".")[0]
    if not package or package in OWN:
        return None
    if package in HUB:
        install = "run `make hub` and take .venv-hub/bin"
    else:
        install = f"run `make {'peers' if package in PEERS else 'dev'}`"
    return f"{command} needs the package {package}, which {sys.prefix} does not have; {install} in {ROOT}"
