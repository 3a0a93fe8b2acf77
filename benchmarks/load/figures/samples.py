"""Raw samples: one record for every request of a load test, and the files that keep them.

Every figure of a report can be computed again from them. Nothing is binned, averaged or left out.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

import msgspec

from errors import ConfigError
from workers.wire.messages import OutcomeName

SUFFIXES = (".jsonl", ".parquet")


class SpanSample(msgspec.Struct, frozen=True, gc=False):
    """The times of one job at one stage: the fields of `workers.wire.messages.Span`, by name.

    ``start_s`` counts from the request's arrival at the broker.
    """

    stage: str
    path: tuple[int, ...]
    attempt: int
    replica: str
    start_s: float
    queue_s: float
    service_s: float
    busy_s: float
    batch: int


class RequestSample(msgspec.Struct, frozen=True, gc=False):
    """One request. Times are seconds from the beginning of its trial.

    ``scheduled_s`` is when it was to be sent, ``sent_s`` when it was sent. ``first_audio_s`` is when its first audible
    sample could be heard, or None. ``clip_s`` is the length of its recording; a text has 0. A request that had not
    ended when the trial gave it up is ``cancelled``, and ``end_s`` is that moment.
    """

    trial: int
    number: int
    clip: str
    clip_s: float
    warm_up: bool
    scheduled_s: float
    sent_s: float
    first_audio_s: float | None
    end_s: float
    outcome: OutcomeName
    error: str
    retry_after_s: float
    spans: tuple[SpanSample, ...]

    @property
    def lag_s(self) -> float:
        """How late the request was sent."""
        return self.sent_s - self.scheduled_s

    @property
    def latency_s(self) -> float:
        """From the scheduled moment to the outcome, so that no wait is hidden (coordinated omission)."""
        return self.end_s - self.scheduled_s

    @property
    def ttfa_s(self) -> float | None:
        """Time to first audio, from the scheduled moment; None without audio."""
        return None if self.first_audio_s is None else self.first_audio_s - self.scheduled_s


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(RequestSample)


def check_suffix(path: Path) -> None:
    """Refuses a name for the file of samples that would fail at the end of a long run.

    Raises:
        ConfigError: the suffix is neither .jsonl nor .parquet, or it is .parquet and pyarrow is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"samples cannot be kept as {path.name!r}; name a file that ends in {' or '.join(SUFFIXES)}")
    if path.suffix == ".parquet":
        _parquet()


def write_samples(path: Path, samples: Iterable[RequestSample]) -> None:
    """Writes the samples as JSON lines or as Parquet, by the suffix.

    Raises:
        ConfigError: see `check_suffix`.
    """
    check_suffix(path)
    if path.suffix == ".parquet":
        _parquet().write_rows(path, msgspec.to_builtins(list(samples)))
        return
    with path.open("wb") as file:
        for sample in samples:
            file.write(encode(sample))


def encode(sample: RequestSample) -> bytes:
    """Encodes a sample as one line of JSON."""
    return _encoder.encode(sample) + b"\n"


def read_samples(path: Path) -> list[RequestSample]:
    """Reads what `write_samples` wrote.

    Raises:
        ConfigError: the file cannot be read, or does not hold samples.
    """
    check_suffix(path)
    try:
        if path.suffix == ".parquet":
            return msgspec.convert(_parquet().read_rows(path), list[RequestSample])
        with path.open("rb") as file:
            return [_decoder.decode(line) for line in file]
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(
            f"{path} holds no samples of a load test ({error}); pass a folder that `relevo load` wrote"
        ) from error


def measured(samples: Iterable[RequestSample]) -> list[RequestSample]:
    """Returns the samples without those of the warm-up."""
    return [sample for sample in samples if not sample.warm_up]


def ended_ok(samples: Iterable[RequestSample]) -> list[RequestSample]:
    """Returns the samples of requests that ended well."""
    return [sample for sample in samples if sample.outcome == "ok"]


def latencies(samples: Sequence[RequestSample]) -> list[float]:
    """Returns the latencies in seconds of the requests that ended well."""
    return [sample.latency_s for sample in ended_ok(samples)]


def times_to_first_audio(samples: Sequence[RequestSample]) -> list[float]:
    """Returns the times to first audio in seconds of the requests that ended well and had audio."""
    return [sample.ttfa_s for sample in ended_ok(samples) if sample.ttfa_s is not None]


def _parquet() -> ModuleType:
    try:
        return importlib.import_module("benchmarks.load.figures.parquet")
    except ImportError as error:
        raise ConfigError(
            "Parquet needs the package pyarrow, which is not installed; run `make dev`, or keep samples as .jsonl"
        ) from error
