"""Ours: three no-op stages at 1:1:1."""

from __future__ import annotations

from benchmarks.environment import ROOT
from benchmarks.noop import SPEECH
from benchmarks.peers.drive import drive
from pipeline import Pipeline

if __name__ == "__main__":
    with Pipeline.from_config(ROOT / "pipelines" / "noop.yaml") as pipeline:
        drive("relevo", lambda: pipeline.submit(SPEECH).result())
