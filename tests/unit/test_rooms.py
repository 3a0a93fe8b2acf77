"""Imports go one way: the contracts of [tool.importlinter] in pyproject.toml."""

from __future__ import annotations

from importlinter.cli import lint_imports

from checkout import ROOT


def test_no_room_imports_what_stands_above_it():
    assert lint_imports(str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True) == 0


def test_every_room_says_what_belongs_in_it():
    folders = {
        file.parent for room in ("modules", "workers", "commands", "benchmarks") for file in (ROOT / room).rglob("*.py")
    }
    for folder in folders:
        assert (folder / "__init__.py").read_text("utf-8").startswith('"""'), folder
