"""Rules that hold in every file of the repository."""

from __future__ import annotations

import ast
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from checkout import ROOT

MAX_LINES = 400
MAX_PYTHON_FILES = 16
BINARY = {".flac", ".mp3", ".npz", ".png", ".wav"}


def tracked() -> Iterator[Path]:
    """Every file that .gitignore does not name."""
    ignored = [".git", *(line.strip("/") for line in (ROOT / ".gitignore").read_text("utf-8").split())]
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not any(fnmatch(name, pattern) for pattern in ignored)]
        yield from (Path(folder, name) for name in names if not any(fnmatch(name, pattern) for pattern in ignored))


FILES = sorted(tracked())
TEXTS = {path.relative_to(ROOT): path.read_text("utf-8") for path in FILES if path.suffix not in BINARY}
MODULES = {path: text for path, text in TEXTS.items() if path.suffix == ".py"}


def test_no_two_classes_share_a_name() -> None:
    places = defaultdict(list)
    for path, text in MODULES.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path}:{node.lineno}")
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_no_module_is_longer_than_its_reader_can_keep_in_mind() -> None:
    lengths = {str(path): text.count("\n") for path, text in MODULES.items() if path.parts[0] != "tests"}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


def test_no_folder_holds_more_modules_than_a_room_should() -> None:
    modules = defaultdict(int)
    for path in MODULES:
        modules[str(path.parent)] += 1
    assert {folder: count for folder, count in modules.items() if count > MAX_PYTHON_FILES} == {}


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(r"(?<![\w.~-])/(?:root|home|work)/", id="a path of one machine"),
        pytest.param(r"(?:files\.python" + r"hosted|py" + r"pi|registry\.npm" + r"js)\.org", id="a registry's host"),
        pytest.param(r"\bTO" + r"DO\b|\bFIX" + r"ME\b", id="work left for later"),
    ],
)
def test_no_file_contains(pattern: str) -> None:
    found = [
        f"{path}:{number}: {line.strip()}"
        for path, text in TEXTS.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if re.search(pattern, line)
    ]
    assert found == []
