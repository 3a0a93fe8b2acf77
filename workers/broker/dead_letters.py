"""The folder of dead letters: jobs that failed `max_attempts` times, kept so that they can be examined and retried."""

from __future__ import annotations

import re
import time
from pathlib import Path

import msgspec

from errors import ConfigError
from workers.scheduling.request import Job
from workers.wire.messages import JobPath, Meta, Span

_LETTER, _PAYLOAD = "letter.json", "payload.bin"


class DeadLetter(msgspec.Struct, frozen=True):
    """One job that was given up. A file beside it holds the job's payload, as it was sent to the stage.

    ``log_tail`` is the end of the log of the replica that died last. It holds the stacks of a replica that was stuck
    or crashed.
    """

    request: str
    stage: str
    path: JobPath
    attempts: int
    reason: str
    meta: Meta
    spans: tuple[Span, ...]
    at: str
    log_tail: str = ""


def write_letter(folder: Path, job: Job, stage: str, reason: str, log_tail: str) -> Path:
    """Writes a job into a folder of its own, and returns that folder.

    Raises:
        OSError: it cannot be written.
    """
    spans = tuple(job.request.spans)
    at = time.strftime("%Y-%m-%dT%H:%M:%S")
    letter = DeadLetter(job.request.id, stage, job.path, job.attempt, reason, job.meta, spans, at, log_tail)
    name = re.sub(r"[^\w.-]", "_", f"{job.request.id}-{stage}-{job.id}")
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    (place / _PAYLOAD).write_bytes(job.frame)
    (place / _LETTER).write_bytes(msgspec.json.format(msgspec.json.encode(letter)))
    return place


def list_letters(folder: Path) -> dict[str, DeadLetter]:
    """Returns every letter by the name of its folder, oldest first."""
    found = {file.parent.name: _read(file) for file in folder.glob(f"*/{_LETTER}")}
    return dict(sorted(found.items(), key=lambda item: item[1].at))


def read_letter(folder: Path, name: str) -> tuple[DeadLetter, bytes]:
    """Returns a letter and its payload.

    Raises:
        ConfigError: there is no such letter.
    """
    place = folder / name
    if not (place / _LETTER).is_file():
        raise ConfigError(f"there is no dead letter {name!r} in {folder}; see `relevo dead list`")
    return _read(place / _LETTER), (place / _PAYLOAD).read_bytes()


def remove_letter(folder: Path, name: str) -> None:
    """Deletes a letter and its payload."""
    for file in (_PAYLOAD, _LETTER):
        (folder / name / file).unlink()
    (folder / name).rmdir()


def _read(file: Path) -> DeadLetter:
    return msgspec.json.decode(file.read_bytes(), type=DeadLetter)
