"""Ours: three no-op stages at 1:1:1.

python -m benchmarks.peers.transports.relevo [MAX_BATCH]
"""

from __future__ import annotations

import sys

from benchmarks.peers.transports.drive import drive
from checkout import ROOT
from modules.testing.noop import SPEECH
from pipeline import Pipeline
from workers.config import load_config, nested


def main() -> None:
    """Runs the relay and drives it."""
    file = ROOT / "pipelines" / "noop.yaml"
    stages = load_config(file).stages
    batches = [f"stages.{stage}.max_batch={max_batch}" for max_batch in sys.argv[1:2] for stage in stages]
    with Pipeline(load_config(file, **nested(batches))) as pipeline:
        drive("relevo", lambda: pipeline.submit(SPEECH).result())


if __name__ == "__main__":
    main()
