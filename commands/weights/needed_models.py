"""The models of a hub that the configurations of this checkout name."""

from __future__ import annotations

from commands.shipped_configurations import shipped_configurations

_NAMES_A_MODEL = ("model", "vocoder")  # keys of a stage, and of its options


def needed_models() -> dict[str, list[str]]:
    """Returns the configurations that need each hub model, config.yaml first."""
    needed: dict[str, list[str]] = {}
    for name, configuration in shipped_configurations():
        for stage in configuration["stages"].values():
            for keys in (stage, stage.get("options", {})):
                for model in filter(None, map(keys.get, _NAMES_A_MODEL)):
                    # A name without a slash is the catalogue's, and one that begins with a dot is a path.
                    if "/" in model and not model.startswith("."):
                        configurations = needed.setdefault(model, [])
                        if name not in configurations:
                            configurations.append(name)
    return needed
