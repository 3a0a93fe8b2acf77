"""The keys of a configuration, with their types, bounds, defaults and descriptions.

The descriptions are the only place where a key is described: `docs/make_reference.py` makes the commented part of
config.yaml and docs/reference/configuration.md of them.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from checkout import ROOT
from errors import ConfigError
from workers.wire.addresses import is_exposed, validate_address, validate_http_address

ENVIRONMENT_PREFIX = "RELEVO_"
NESTED_DELIMITER = "__"
FILE_SOURCE = "_file"  # the argument of PipelineConfig that is the content of its file
STAGE_NAME = re.compile(r"[a-z][a-z0-9_]*")
CUDA_DEVICE = r"^cuda:\d+$"


@contextlib.contextmanager
def _as_value_error() -> Iterator[None]:
    """Turns a ConfigError into what pydantic expects of a validator, so that it adds the key."""
    try:
        yield
    except ConfigError as error:
        raise ValueError(str(error)) from error


class AutoscaleConfig(BaseModel):
    """The bounds and thresholds by which the load sets the number of a stage's replicas."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min: int = Field(1, ge=1, description="Fewest replicas.")
    max: int = Field(
        ge=1,
        examples=[4],
        description="Most replicas. With threads: auto the cores are shared for so many.",
    )
    wait_s: float = Field(
        1.0, gt=0, description="Queue time, in seconds, above which the stage may need another replica."
    )
    busy_above: float = Field(
        0.8, gt=0, lt=1, description="Share of their time that the replicas must compute for another to be added."
    )
    up_after_s: float = Field(
        5.0, gt=0, description="Seconds for which both thresholds must be exceeded before a replica is added."
    )
    busy_below: float = Field(
        0.6,
        gt=0,
        lt=1,
        description="A replica is removed when the others would compute for less than this share of their time.",
    )
    down_after_s: float = Field(
        60.0, gt=0, description="Seconds for which the load must be so low before a replica is removed."
    )

    @model_validator(mode="after")
    def _ordered(self) -> AutoscaleConfig:
        if self.min > self.max:
            raise ValueError(f"min: {self.min} is more than max: {self.max}")
        if self.busy_below >= self.busy_above:
            raise ValueError(f"busy_below: {self.busy_below} must be less than busy_above: {self.busy_above}")
        return self


class StageConfig(BaseModel):
    """One stage of a relay: a module, its model, and how its replicas run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    module: str = Field(
        examples=["whisper"],
        description="A module by its registered name, or as package.file:Class for one of your own.",
    )
    model: str | None = Field(
        None,
        description="A model of `relevo weights list`, one of a hub (owner/name or owner/name@revision), or the "
        "path of a folder.",
    )
    options: dict[str, Any] = Field(
        {}, description="Options of the module; docs/reference/configuration.md lists them."
    )
    threads: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        "auto", description="CPU threads of each replica. auto shares the cores among the stage's replicas."
    )
    nice: int = Field(
        0, ge=0, le=19, description="Niceness of its replicas: how far they give way to others on the cores; nice(1)."
    )
    device: Literal["cpu"] | list[Annotated[str, Field(pattern=CUDA_DEVICE)]] = Field(
        "cpu", description="cpu, or a list such as [cuda:0, cuda:1] whose devices the replicas take in turn."
    )
    max_batch: int = Field(1, ge=1, description="Most jobs in a batch. A batch is what is queued, up to this number.")
    max_batch_cost: float | None = Field(
        None,
        gt=0,
        description="Most cost of a batch: seconds of audio, or characters of text. A single job may exceed it.",
    )
    max_wait_ms: float = Field(
        0, ge=0, description="Milliseconds that a batch may wait for more jobs, unless it is full."
    )
    queue_items: int = Field(
        64,
        ge=1,
        description="Most jobs that wait for this stage. When it is full, the stage before it is held back; the first "
        "stage rejects requests, except a few of a priority that hardly waits there.",
    )
    queue_cost: float | None = Field(
        None, gt=0, description="Maximum cost in this stage's queue, in the unit of max_batch_cost."
    )
    load_timeout_s: float = Field(
        300, gt=0, description="Seconds that a replica may take to load its model and warm it up."
    )
    stuck_after_s: float = Field(
        300, gt=0, description="Seconds that a replica may compute without an output; then it is stuck, and replaced."
    )
    memory_limit_mb: int | None = Field(
        None, ge=1, description="MiB of resident memory above which a replica is replaced, between two jobs."
    )
    autoscale: AutoscaleConfig | None = Field(
        None, description="Lets the load set the number of replicas, one at a time. null keeps the number of the ratio."
    )
    python: str | None = Field(
        None,
        description="Interpreter of its replicas, for packages that exclude those of other stages. It needs "
        "requirements/replica.in and the packages of the module. A relative path begins at the checkout. null takes "
        "the interpreter of the relay.",
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

    name: str = Field("relevo", description="Name of the relay in reports.")
    stages: dict[str, StageConfig] = Field(min_length=1, description="The stages by name, in the order of the relay.")
    ratio: str | None = Field(
        None,
        description="Replicas per stage, such as 1:1:2. null starts one of each, or the min of autoscale. With another "
        "listen_replicas than ipc a stage may have 0: all of its replicas connect from elsewhere.",
    )
    cores: int | None = Field(
        None,
        ge=1,
        description="CPU cores to share out. null counts those that this process may use: its affinity, bounded by the "
        "container's CPU quota.",
    )
    allow_oversubscription: bool = Field(
        False, description="Accepts a stage whose replicas times threads exceed the cores."
    )
    seed: int = Field(0, ge=0, description="Seed of every random choice that a model makes.")
    listen: str = Field(
        "ipc",
        description="Where clients connect: ipc (a private socket), ipc:///path/of/socket or tcp://HOST:PORT. Port 0 "
        "takes a free one.",
    )
    listen_replicas: str = Field(
        "ipc",
        description="Where replicas connect, in the same forms. Another value than ipc lets them come from elsewhere: "
        "python -m workers.replica --stage NAME --connect ADDRESS.",
    )
    keys: str | None = Field(
        None,
        description="Folder of keys, made by `relevo keys DIR`. With it every tcp:// address is encrypted and open "
        "only to peers with an admitted key. An address that other machines can reach must have it.",
    )
    metrics: str | None = Field(
        "127.0.0.1:0",
        description="HOST:PORT that serves /metrics, /livez and /readyz, to everyone who can reach it. Port 0 takes a "
        "free one; null serves none.",
    )
    objectives_s: list[Annotated[float, Field(gt=0)]] = Field(
        [4.0], description="Latencies to keep within, in seconds. Each is an edge of the metrics' buckets."
    )
    spans: bool = Field(True, description="Adds the queue and service time of every job to the request's result.")
    max_attempts: int = Field(3, ge=1, description="Attempts of a job before it becomes a dead letter.")
    memory_mb: int | None = Field(
        None,
        ge=1,
        description="MiB of payloads that the broker holds before it rejects requests, shared among the clients. null "
        "is a quarter of the machine's memory, at most 2048.",
    )
    dead_letters: str = Field(
        "dead-letters", description="Folder that keeps dead letters, for `relevo dead` to show and retry."
    )
    deaths_per_minute: int = Field(
        5, ge=1, description="A stage whose replicas die this often within a minute is given up, with the reason."
    )
    heartbeat_timeout_s: float = Field(
        15, gt=0, description="Seconds without a heartbeat after which a replica is silent, and replaced."
    )
    broker_timeout_s: float = Field(
        10, gt=0, description="Seconds without a heartbeat after which the broker is taken for frozen and replaced."
    )
    drain_s: float = Field(
        30, ge=0, description="Seconds that accepted requests may take to finish when the relay stops."
    )

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
        """Orders the sources: arguments, then the environment, then the file's content."""
        given = dict(init_settings())
        from_file = given.pop(FILE_SOURCE, {})
        return (InitSettingsSource(settings_cls, given), env_settings, InitSettingsSource(settings_cls, from_file))

    def replicas(self) -> dict[str, int]:
        """Returns the number of replicas of each stage, as the ratio asks.

        It is 0 for a stage whose replicas all connect from elsewhere.

        Raises:
            ConfigError: the ratio has another number of parts than there are stages, a part that is no count or is
                outside the bounds of autoscaling, or a 0 although no replica can connect from elsewhere.
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
                f"(0, for a stage whose replicas connect from elsewhere, needs listen_replicas)"
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
