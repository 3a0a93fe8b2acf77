"""Imports go one way: the contracts of [tool.importlinter] in pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from checkout import ROOT


def test_no_room_imports_what_stands_above_it():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_room_says_what_belongs_in_it():
    folders = {
        file.parent for room in ("modules", "workers", "commands", "benchmarks") for file in (ROOT / room).rglob("*.py")
    }
    for folder in folders:
        assert (folder / "__init__.py").read_text("utf-8").startswith('"""'), folder
