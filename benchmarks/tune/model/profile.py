"""What was measured of each stage alone, and the requests that it was measured on; kept as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec


class TracedJob(msgspec.Struct, frozen=True):
    """A payload that one stage takes and the payloads that it makes of it, which the next stage takes.

    `cost` is seconds of audio or characters of text. `factor` is its service time at this stage over the time that
    the fit expects for its cost; 1 until the stage is fitted.
    """

    cost: float
    outputs: tuple[TracedJob, ...] = ()
    factor: float = 1.0


class StageMeasurement(msgspec.Struct, frozen=True):
    """A stage alone with so many replicas, threads each, and jobs in a batch at most; all its inputs queued at once.

    `beside` is how many threads of nobody's kept cores busy meanwhile. `service_s` has each job's share of its batch's
    service time, in the order of `jobs_at`. `cpu_s` is the CPU time of all replicas for all jobs, `rss_bytes` the
    resident memory of the largest, `others_cores` how many cores the rest of the machine kept busy meanwhile.
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
            SystemExit: the file is not a profile.
        """
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except msgspec.DecodeError as error:
            raise SystemExit(f"{path} is no profile of benchmarks.tune ({error}); measure again") from error

    def joined(self, other: Profile) -> Profile:
        """Adds the repeats of another profile of the same requests.

        Raises:
            SystemExit: the stages made other things of the requests.
        """
        if self.requests != other.requests:
            raise SystemExit("the stages answered otherwise the second time, so their times cannot be joined")
        stages = {
            name: tuple(_joined(one, two) for one, two in zip(cells, other.stages[name], strict=True))
            for name, cells in self.stages.items()
        }
        return msgspec.structs.replace(self, stages=stages)

    @property
    def others_cores(self) -> float:
        """The most that the rest of the machine was busy while a cell was measured, in cores."""
        return max(cell.others_cores for cells in self.stages.values() for cell in cells)

    def write(self, path: Path) -> None:
        """Writes it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self)) + b"\n")


def jobs_at(requests: Sequence[TracedJob], depth: int) -> Iterator[TracedJob]:
    """The jobs of the stage at this place in the relay, in path order of each request."""
    if depth == 0:
        yield from requests
        return
    for piece in requests:
        yield from jobs_at(piece.outputs, depth - 1)


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
