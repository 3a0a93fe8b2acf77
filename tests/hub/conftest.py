"""Tests of the hub models run in .venv-hub (`make test-hub`) on tiny random checkpoints of the real classes.

A family of checkpoints is a file of tests/hub/checkpoints with ``build(folder)``, which writes a whole model folder as
the hub would hold it. It is built once a session, whichever worker asks first, because importing torch takes long.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from modules.audio_file import read_audio
from modules.payloads import Audio
from pipeline import Pipeline

ROOT = Path(__file__).parents[2]

Checkpoint = Callable[[str], Path]
Relay = Callable[..., AbstractContextManager[Pipeline]]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Checkpoint:
    """The folder of a family's tiny checkpoint, by the name of its file in tests/hub/checkpoints."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "checkpoints"
    shared.mkdir(exist_ok=True)

    def build(family: str) -> Path:
        folder = shared / family
        with FileLock(shared / f"{family}.lock"):
            if not folder.is_dir():
                half = shared / f"{family}.half"
                half.mkdir()
                importlib.import_module(f"tests.hub.checkpoints.{family}").build(half)
                half.rename(folder)
        return folder

    return build


@pytest.fixture(scope="session")
def relay(checkpoint: Checkpoint) -> Relay:
    """Starts a pipeline file with tiny checkpoints in the place of its hub models, in processes of its own.

    relay("es-de-mms", listen="whisper", translate="marian", speak="vits") gives a context manager of the Pipeline. A
    stage that is not named keeps its model. ``stages`` changes further keys, as nested values.
    """

    @contextmanager
    def run(name: str, stages: dict[str, dict[str, Any]] | None = None, **families: str) -> Iterator[Pipeline]:
        changes = {stage: dict(keys) for stage, keys in (stages or {}).items()}
        for stage, family in families.items():
            changes.setdefault(stage, {})["model"] = str(checkpoint(family))
        file = ROOT / (f"pipelines/{name}.yaml" if name != "config" else "config.yaml")
        with Pipeline.from_config(file, stages=changes) as pipeline:
            yield pipeline

    return run


@pytest.fixture(scope="session")
def speech() -> Audio:
    """Four seconds of Spanish."""
    return read_audio(ROOT / "samples" / "01_farmacia.flac")
