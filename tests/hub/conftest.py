"""Tests of the hub models run in .venv-hub (`make test-hub`) on tiny random checkpoints of the real classes.

A family of checkpoints is a file of tests/hub/checkpoints with ``save(folder)``, which writes a whole model folder as
the hub would hold it, or several. It is built once a session, whichever worker asks first, because importing torch
takes long.
"""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from checkout import ROOT
from modules.audio.files import read_audio
from modules.contract.payloads import Audio
from pipeline import Pipeline

OTHER_INTERPRETER = {"speech2text2": ROOT / ".venv-s2t2/bin/python"}
"""Of families that the transformers of .venv-hub cannot build."""

Checkpoint = Callable[[str], Path]
Relay = Callable[..., AbstractContextManager[Pipeline]]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Checkpoint:
    """The folder of a tiny checkpoint: a family of tests/hub/checkpoints, or FAMILY/FOLDER where it has several."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "checkpoints"
    shared.mkdir(exist_ok=True)

    def build(name: str) -> Path:
        family = name.partition("/")[0]
        folder, half = shared / family, shared / f"{family}.half"
        with FileLock(shared / f"{family}.lock"):
            if not folder.is_dir():
                module = f"tests.hub.checkpoints.{family}"
                if family in OTHER_INTERPRETER:
                    subprocess.run([OTHER_INTERPRETER[family], "-m", module, half], cwd=ROOT, check=True)
                else:
                    importlib.import_module(module).save(half)
                half.rename(folder)
        return shared / name

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
