"""The profile of a relay: each stage measured alone, and the requests it was measured with; kept as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from errors import ConfigError, MeasurementError


class TracedJob(msgspec.Struct, frozen=True):
    """One job of a request, with the jobs that its outputs become at the next stage. A request is its first job.

    `cost` is seconds of audio or characters of text. `factor` is the job's service time ÷ the time that the fitted
    line expects for its cost; it is 1 until the stage is fitted.
    """

    cost: float
    outputs: tuple[TracedJob, ...] = ()
    factor: float = 1.0


class StageMeasurement(msgspec.Struct, frozen=True):
    """One stage measured alone, with all its inputs queued at once.

    It ran with `replicas` of `threads` threads each, at most `max_batch` jobs in a batch, and `beside` threads of
    other processes that kept cores busy. `service_s` is each job's share of its batch's service time, in the order of
    `jobs_at`, and `batches` is the size of that batch. `cpu_s` is the CPU time of all replicas for all jobs,
    `rss_bytes` the resident memory of the largest replica, and `others_cores` how many cores the rest of the machine
    kept busy meanwhile.
    """

    replicas: int
    threads: int
    max_batch: int
    service_s: tuple[float, ...]
    batches: tuple[int, ...]
    wall_s: float
    cpu_s: float
    rss_bytes: int
    others_cores: float = 0.0
    beside: int = 0


class Profile(msgspec.Struct, frozen=True):
    """A relay's stages, measured one by one on `cores` cores."""

    environment: dict[str, object]
    cores: int
    requests: tuple[TracedJob, ...]
    stages: dict[str, tuple[StageMeasurement, ...]]

    @classmethod
    def read(cls, path: Path) -> Profile:
        """Reads a profile that `write` wrote.

        Raises:
            ConfigError: the file cannot be read, or is no profile.
        """
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError) as error:
            raise ConfigError(
                f"--profile {path} is no profile of `relevo tune` ({error}); name another file, or remove it to "
                "measure again"
            ) from error

    def joined(self, other: Profile) -> Profile:
        """Adds the measurements of another profile of the same requests.

        Raises:
            MeasurementError: the stages answered the requests with other outputs.
        """
        if self.requests != other.requests:
            raise MeasurementError("the stages gave other outputs the second time, so their times cannot be joined")
        stages = {
            name: tuple(_joined(one, two) for one, two in zip(measured, other.stages[name], strict=True))
            for name, measured in self.stages.items()
        }
        return msgspec.structs.replace(self, stages=stages)

    @property
    def others_cores(self) -> float:
        """How many cores the rest of the machine kept busy at most while a stage was measured."""
        return max(one.others_cores for measured in self.stages.values() for one in measured)

    def write(self, path: Path) -> None:
        """Writes the profile as JSON.

        Raises:
            ConfigError: the file cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(msgspec.json.format(msgspec.json.encode(self)) + b"\n")
        except OSError as error:
            raise ConfigError(f"cannot write --profile {path}: {error.strerror}") from error


def jobs_at(requests: Sequence[TracedJob], depth: int) -> Iterator[TracedJob]:
    """Yields the jobs of the stage at this place in the relay, counted from 0, in path order of each request."""
    if depth == 0:
        yield from requests
        return
    for job in requests:
        yield from jobs_at(job.outputs, depth - 1)


def _joined(one: StageMeasurement, other: StageMeasurement) -> StageMeasurement:
    return msgspec.structs.replace(
        one,
        service_s=one.service_s + other.service_s,
        batches=one.batches + other.batches,
        wall_s=one.wall_s + other.wall_s,
        cpu_s=one.cpu_s + other.cpu_s,
        rss_bytes=max(one.rss_bytes, other.rss_bytes),
        others_cores=max(one.others_cores, other.others_cores),
    )
