"""Our own relay with three no-op stages at 1:1:1."""

from __future__ import annotations

from benchmarks.peers.transports.drive import drive
from checkout import ROOT
from modules.testing.noop import SPEECH
from pipeline import Pipeline
from workers.config import load_config, nested


def run(max_batch: int) -> dict[str, float]:
    """Runs the relay with batches of at most `max_batch`, drives it and returns its figures."""
    file = ROOT / "pipelines" / "noop.yaml"
    batches = [f"stages.{stage}.max_batch={max_batch}" for stage in load_config(file).stages]
    with Pipeline(load_config(file, **nested(batches))) as pipeline:
        return drive(lambda: pipeline.submit(SPEECH).result())
