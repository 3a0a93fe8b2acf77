"""Which models of a hub the configurations of this checkout name."""

from __future__ import annotations

import yaml

from checkout import ROOT

_NAMES_A_MODEL = ("model", "vocoder")  # keys of a stage, and of its options


def needed_models() -> dict[str, list[str]]:
    """Names of models of a hub → names of the configurations that need them, config.yaml's first."""
    needed: dict[str, list[str]] = {}
    for file in [ROOT / "config.yaml", *sorted((ROOT / "pipelines").glob("*.yaml"))]:
        for stage in yaml.safe_load(file.read_text("utf-8"))["stages"].values():
            for keys in (stage, stage.get("options", {})):
                for model in filter(None, map(keys.get, _NAMES_A_MODEL)):
                    # A name without a slash is the catalogue's, and one that begins with a dot is a path.
                    if "/" in model and not model.startswith("."):
                        configurations = needed.setdefault(model, [])
                        if file.stem not in configurations:
                            configurations.append(file.stem)
    return needed
