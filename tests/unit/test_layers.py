"""Imports go one way: the contracts of [tool.importlinter] in pyproject.toml."""

from __future__ import annotations

from importlinter.cli import lint_imports

from checkout import ROOT


def test_no_folder_imports_from_a_layer_above():
    assert lint_imports(str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True) == 0


def test_every_folder_says_what_belongs_in_it():
    folders = {
        file.parent for top in ("modules", "workers", "commands", "benchmarks") for file in (ROOT / top).rglob("*.py")
    }
    for folder in folders:
        assert (folder / "__init__.py").read_text("utf-8").startswith('"""'), folder
