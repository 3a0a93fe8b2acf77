"""The configuration of a relay: typed, every key documented, and an unknown key is an error.

Precedence is one sentence: command line > environment > file > default.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from checkout import ROOT
from errors import ConfigError
from workers.wire.addresses import is_exposed, validate_address, validate_http_address


class _Loader(yaml.SafeLoader):
    """YAML whose 1:1:2 is text, as in YAML 1.2; version 1.1 reads it as a number in base 60."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:int"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+$"), list("-+0123456789"))

ENVIRONMENT_PREFIX = "RELEVO_"
NESTED_DELIMITER = "__"
OTHER_VARIABLES = ("RELEVO_CACHE", "RELEVO_WEIGHTS")  # read by modules.weights
STAGE_NAME = re.compile(r"[a-z][a-z0-9_]*")
CUDA_DEVICE = r"^cuda:\d+$"
_FILE = "_file"  # how the file's content reaches the sources


@contextlib.contextmanager
def _as_value_error() -> Iterator[None]:
    """Lets pydantic add to a ConfigError the key that it is about."""
    try:
        yield
    except ConfigError as error:
        raise ValueError(str(error)) from error


class AutoscaleConfig(BaseModel):
    """Between which bounds, and at which load, a stage's replicas grow and shrink in number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min: int = Field(1, ge=1, description="Fewest replicas.")
    max: int = Field(ge=1, description="Most replicas.")
    wait_s: float = Field(1.0, gt=0, description="One more when jobs wait longer than this …")
    busy_above: float = Field(0.8, gt=0, lt=1, description="… and the replicas are busy for more than this share …")
    up_after_s: float = Field(5.0, gt=0, description="… for so long.")
    busy_below: float = Field(0.6, gt=0, lt=1, description="One fewer when the others would be busy for less …")
    down_after_s: float = Field(60.0, gt=0, description="… for so long.")

    @model_validator(mode="after")
    def _ordered(self) -> AutoscaleConfig:
        if self.min > self.max:
            raise ValueError(f"min: {self.min} is more than max: {self.max}")
        if self.busy_below >= self.busy_above:
            raise ValueError(f"busy_below: {self.busy_below} must be less than busy_above: {self.busy_above}")
        return self


class StageConfig(BaseModel):
    """One place in the relay: a module, its model and how its replicas run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    module: str = Field(description="A module of the registry, or 'package.file:Class' for one of your own.")
    model: str | None = Field(
        None, description="A model of `weights list` or of a hub (owner/name), or the path of a folder."
    )
    options: dict[str, Any] = Field(default_factory=dict, description="Options of the module; see its file.")
    threads: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        "auto", description="CPU threads of each replica. auto: the core budget shared by the stage's replicas."
    )
    nice: int = Field(
        0, ge=0, le=19, description="How far its replicas stand back while others want the cores too; see nice(1)."
    )
    device: Literal["cpu"] | list[Annotated[str, Field(pattern=CUDA_DEVICE)]] = Field(
        "cpu", description="cpu, or a list such as [cuda:0, cuda:1] that the replicas take in turn."
    )
    max_batch: int = Field(
        1, ge=1, description="Most jobs handed out at once; a batch is what is queued, at most this."
    )
    max_batch_cost: float | None = Field(
        None,
        gt=0,
        description="Most cost in a batch: seconds of audio or characters of text. A lone job may exceed it.",
    )
    max_wait_ms: float = Field(0, ge=0, description="How long a batch that is not full may wait for more jobs.")
    queue_items: int = Field(
        64, ge=1, description="Most jobs waiting for this stage; full, it holds back the stage before."
    )
    queue_cost: float | None = Field(
        None, gt=0, description="Most cost waiting for this stage, in the unit of max_batch_cost."
    )
    load_timeout_s: float = Field(300, gt=0, description="Longest time a replica may take to load and warm its model.")
    stuck_after_s: float = Field(
        300, gt=0, description="A replica that computes this long without an output is stuck, and is replaced."
    )
    memory_limit_mb: int | None = Field(
        None, ge=1, description="A replica whose resident memory exceeds this is replaced between two jobs."
    )
    autoscale: AutoscaleConfig | None = Field(None, description="Let the load set the number of replicas.")
    python: str | None = Field(
        None,
        description="Interpreter of its replicas, where packages cannot live together; a relative path begins at the "
        "checkout. Default: this one.",
    )

    @field_validator("python")
    @classmethod
    def _from_the_checkout(cls, python: str | None) -> str | None:
        return None if python is None else str(ROOT / python)


class PipelineConfig(BaseSettings):
    """A whole relay."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter=NESTED_DELIMITER
    )

    name: str = Field("relevo", description="What the relay is called in reports.")
    stages: dict[str, StageConfig] = Field(min_length=1, description="The stages by name, in the order of the relay.")
    ratio: str | None = Field(None, description="Replicas per stage, such as 1:1:2. Default: one of each.")
    cores: int | None = Field(None, ge=1, description="CPU cores to share out. Default: what this process may use.")
    allow_oversubscription: bool = Field(
        False, description="Accept a stage whose replicas and threads alone exceed the cores."
    )
    seed: int = Field(0, ge=0, description="Seed of every random choice that a model makes.")
    listen: str = Field(
        "ipc", description="Where clients dial in: ipc (a private socket), ipc:///path/of/socket or tcp://host:port."
    )
    listen_replicas: str = Field(
        "ipc", description="Where replicas dial in; another address than ipc lets them come from elsewhere."
    )
    keys: str | None = Field(
        None, description="Folder made by `relevo keys`; with it, every tcp:// address is encrypted."
    )
    metrics: str | None = Field(
        "127.0.0.1:0",
        description="host:port that serves /metrics, /livez and /readyz; port 0 takes a free one, null serves none.",
    )
    objectives_s: list[Annotated[float, Field(gt=0)]] = Field(
        [4.0], description="Latencies to be held, in seconds: each is an edge of the metrics' buckets."
    )
    spans: bool = Field(True, description="Keep the queue and service times of every job for the request's result.")
    max_attempts: int = Field(3, ge=1, description="How often a job is tried when the replica under it dies.")
    dead_letters: str = Field(
        "dead-letters", description="Folder that keeps the jobs that took their replicas down, to look into and retry."
    )
    deaths_per_minute: int = Field(
        5, ge=1, description="A stage whose replicas die this often within a minute is given up, with the reason."
    )
    heartbeat_timeout_s: float = Field(15, gt=0, description="A replica silent for this long is taken for stuck.")
    drain_s: float = Field(30, ge=0, description="How long accepted requests may take to finish when the relay stops.")

    @field_validator("stages")
    @classmethod
    def _stage_names(cls, stages: dict[str, StageConfig]) -> dict[str, StageConfig]:
        for name in stages:
            if not STAGE_NAME.fullmatch(name):
                raise ValueError(f"stage name {name!r}: use lower-case letters, digits and _, beginning with a letter")
        return stages

    @field_validator("listen", "listen_replicas")
    @classmethod
    def _can_listen(cls, address: str) -> str:
        with _as_value_error():
            return validate_address(address, to_listen=True)

    @field_validator("metrics")
    @classmethod
    def _can_serve_metrics(cls, address: str | None) -> str | None:
        with _as_value_error():
            return None if address is None else validate_http_address(address)

    @model_validator(mode="after")
    def _exposed_only_with_keys(self) -> PipelineConfig:
        for key, address in (("listen", self.listen), ("listen_replicas", self.listen_replicas)):
            if is_exposed(address) and self.keys is None:
                raise ValueError(
                    f"{key}: {address} can be reached from other machines, so it needs keys: a folder made by "
                    f"`relevo keys DIR`; or listen on tcp://127.0.0.1:port"
                )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the library's signature)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the library's signature)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Orders the sources: what the caller passes in, the environment, then the file's content."""
        given = dict(init_settings())
        from_file = given.pop(_FILE, {})
        return (InitSettingsSource(settings_cls, given), env_settings, InitSettingsSource(settings_cls, from_file))

    def replicas(self) -> dict[str, int]:
        """Replicas per stage, as the ratio asks.

        0 stands for a stage whose replicas all dial in from elsewhere.

        Raises:
            ConfigError: the ratio has another number of parts than there are stages, a part that is no count or is
                outside the bounds of autoscaling, or a 0 although nobody can dial in.
        """
        if self.ratio is None:
            return {name: stage.autoscale.min if stage.autoscale else 1 for name, stage in self.stages.items()}
        parts = self.ratio.split(":")
        names = ":".join(self.stages)
        if len(parts) != len(self.stages):
            raise ConfigError(
                f"ratio {self.ratio!r} has {len(parts)} parts but the relay has {len(self.stages)} stages; "
                f"write one count for each of {names}"
            )
        least = 1 if self.listen_replicas == "ipc" else 0
        if not all(part.isdecimal() and int(part) >= least for part in parts):
            raise ConfigError(
                f"ratio {self.ratio!r}: each part must be a whole number from {least}; write one for each of {names} "
                f"(0, for a stage whose replicas dial in from elsewhere, needs listen_replicas)"
            )
        counts = {name: int(part) for name, part in zip(self.stages, parts, strict=True)}
        for name, count in counts.items():
            bounds = self.stages[name].autoscale
            if bounds is not None and not bounds.min <= count <= bounds.max:
                raise ConfigError(
                    f"ratio {self.ratio!r}: {count} is outside the bounds {bounds.min} to {bounds.max} of "
                    f"stages.{name}.autoscale; begin within them"
                )
        return counts


def load_config(path: str | Path, **overrides: Any) -> PipelineConfig:
    """Reads a configuration file; `overrides` are nested values that win over environment and file.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or has a wrong key or value; each is named.
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
        values: dict[str, Any] = {_FILE: content, **overrides}
        config = PipelineConfig(**values)
    except ValidationError as error:
        problems = "; ".join(_problem(detail, stages) for detail in error.errors())
        raise ConfigError(f"{path}: {problems}") from error
    except SettingsError as error:
        raise ConfigError(f"the environment's {ENVIRONMENT_PREFIX}… variables: {error}") from error
    config.replicas()
    return config


def _check_environment(variables: Iterable[str], stages: Iterable[str]) -> None:
    """Refuses variables that look like keys and are none: pydantic-settings ignores them.

    Raises:
        ConfigError: names each of them, with the nearest that is known.
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
    """What to do about an unknown name; `prefix` is what it and the known ones have in common."""
    nearest = difflib.get_close_matches(name, known, 1)
    return f"did you mean {prefix}{nearest[0]}?" if nearest else "remove it or correct its spelling"


def _keys(stages: Iterable[str]) -> list[str]:
    """Every key with its dots, such as stages.speak.threads; the options of modules are theirs to know."""
    keys = list(PipelineConfig.model_fields)
    for stage in stages:
        keys += (f"stages.{stage}.{key}" for key in StageConfig.model_fields)
        keys += (f"stages.{stage}.autoscale.{key}" for key in AutoscaleConfig.model_fields)
    return keys


def nested(assignments: list[str]) -> dict[str, Any]:
    """Dotted assignments such as ``stages.speak.threads=2`` as nested values; each value is read as YAML.

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
        try:
            place[last] = yaml.load(text, _Loader)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {assignment!r}: the value is not YAML") from error
    return values
