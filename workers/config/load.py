"""Reads a configuration from its file, the environment and the command line, and says what is wrong with it."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import SettingsError

from errors import ConfigError
from workers.config.models import (
    ENVIRONMENT_PREFIX,
    FILE_SOURCE,
    NESTED_DELIMITER,
    AutoscaleConfig,
    PipelineConfig,
    StageConfig,
)

OTHER_VARIABLES = {  # read by modules.weights
    "RELEVO_CACHE": "Folder that holds everything that Relevo downloads and converts. Default: ~/.cache/relevo.",
    "RELEVO_WEIGHTS": "Folder made by `relevo weights fetch --to DIR`, searched for models before the cache.",
}


class _Loader(yaml.SafeLoader):
    """YAML whose 1:1:2 is text, as in YAML 1.2; version 1.1 reads it as a number in base 60."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:int"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+$"), list("-+0123456789"))


def load_config(path: str | Path, **overrides: Any) -> PipelineConfig:
    """Reads a configuration file.

    Args:
        path: the file.
        overrides: nested values that win over the environment and the file.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or it, the environment or an override has a wrong key or
            value; each is named.
    """
    path = Path(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}; pass --config FILE") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no mapping; see pipelines/offline.yaml for one that does")
    stages = list(content["stages"]) if isinstance(content.get("stages"), dict) else []
    _check_environment(os.environ, stages)
    try:
        values: dict[str, Any] = {FILE_SOURCE: content, **overrides}
        config = PipelineConfig(**values)
    except ValidationError as error:
        problems = "; ".join(_problem(detail, stages) for detail in error.errors())
        raise ConfigError(f"{path}: {problems}") from error
    except SettingsError as error:
        raise ConfigError(f"an environment variable that begins with {ENVIRONMENT_PREFIX}: {error}") from error
    config.replicas()
    return config


def _check_environment(variables: Iterable[str], stages: Iterable[str]) -> None:
    """Refuses variables that begin like keys and are none, since pydantic-settings ignores them.

    Raises:
        ConfigError: there are such variables; each is named with the nearest that is known.
    """
    known = [key.replace(".", NESTED_DELIMITER).upper() for key in _keys(stages)]
    known += (variable.removeprefix(ENVIRONMENT_PREFIX) for variable in OTHER_VARIABLES)
    unknown = []
    for variable in sorted(variables):
        prefix, name = variable[: len(ENVIRONMENT_PREFIX)].upper(), variable[len(ENVIRONMENT_PREFIX) :].upper()
        is_of_a_stage = name.startswith(f"STAGES{NESTED_DELIMITER}")  # the rest of it is checked with the values
        if prefix == ENVIRONMENT_PREFIX and name not in known and not is_of_a_stage:
            unknown.append(f"unknown environment variable {variable}; {_remedy(name, known, ENVIRONMENT_PREFIX)}")
    if unknown:
        raise ConfigError("; ".join(unknown))


def _problem(detail: Any, stages: Iterable[str]) -> str:
    where = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        parent, dot, name = where.rpartition(".")
        known = [key.removeprefix(parent + dot) for key in _keys(stages) if key.startswith(parent + dot)]
        return f"unknown key {where!r} (value {detail['input']!r}); {_remedy(name, known, parent + dot)}"
    prefix = f"{where}: " if where else ""
    if detail["type"] == "value_error":  # a validator of ours, which names the value itself
        return f"{prefix}{detail['ctx']['error']}"
    value = f" (value {detail['input']!r})" if isinstance(detail["input"], str | int | float) else ""
    return f"{prefix}{detail['msg']}{value}"


def _remedy(name: str, known: Iterable[str], prefix: str) -> str:
    """Says what to do about an unknown name; `prefix` comes before it and the known ones."""
    nearest = difflib.get_close_matches(name, known, 1)
    return f"did you mean {prefix}{nearest[0]}?" if nearest else "remove it or correct its spelling"


def _keys(stages: Iterable[str]) -> list[str]:
    """Lists every key with its dots, such as stages.speak.threads, but not the options of modules."""
    keys = list(PipelineConfig.model_fields)
    for stage in stages:
        keys += (f"stages.{stage}.{key}" for key in StageConfig.model_fields)
        keys += (f"stages.{stage}.autoscale.{key}" for key in AutoscaleConfig.model_fields)
    return keys


def nested(assignments: list[str]) -> dict[str, Any]:
    """Returns dotted assignments such as ``stages.speak.threads=2`` as nested values; each value is read as YAML.

    Raises:
        ConfigError: an assignment has no ``=``, or its value is not YAML.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"--set {assignment!r}: write KEY=VALUE, such as stages.speak.threads=2")
        *parents, last = key.split(".")
        place = values
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ConfigError(f"--set {assignment!r}: {parent} was set to {place!r} before; set only one of them")
        try:
            place[last] = yaml.load(text, _Loader)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {assignment!r}: the value is not YAML") from error
    return values
