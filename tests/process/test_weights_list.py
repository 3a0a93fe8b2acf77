from __future__ import annotations

import os
import subprocess
import sys

from checkout import ROOT


def test_the_list_tells_which_models_of_a_hub_are_here_and_what_needs_the_others(tmp_path):
    (tmp_path / "openai" / "whisper-large").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, ROOT / "pipeline.py", "weights", "list", "--weights", tmp_path],
        env=os.environ | {"RELEVO_CACHE": str(tmp_path / "cache"), "HF_HOME": str(tmp_path / "hf"), "COLUMNS": "200"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = {
        cells[0]: cells[1:]
        for line in done.stdout.splitlines()
        if (cells := [c.strip() for c in line.split("│")[1:-1]])
    }
    configurations, state = rows["openai/whisper-large"]
    assert configurations.split(", ")[0] == "config"
    assert state == "ready"
    assert rows["Helsinki-NLP/opus-mt-en-zh"][-1] == "not here"
