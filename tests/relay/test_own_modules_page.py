"""Every code block of docs/own-modules.md is run, in its order, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from checkout import ROOT

PAGE = ROOT / "docs" / "own-modules.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A load test takes most of a minute, and its exit status depends on how busy the machine is.
LOAD_TEST = re.compile(r"relevo load --config load.yaml .*")
FILE_NAME = re.compile(r"# (\S+)\n")
# The checkout's own interpreter and command, whether or not they are installed.
SHELL = """
set -eu
python() { PYTHONPATH="$CHECKOUT:$PYTHONPATH" "$INTERPRETER" "$@"; }
relevo() { python "$CHECKOUT/pipeline.py" "$@"; }
"""


def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    blocks = BLOCK.findall(PAGE.read_text("utf-8"))
    commands = []
    for language, text in blocks:
        if language == "text":
            continue  # what a command printed
        if language == "sh":
            commands.append(LOAD_TEST.sub("relevo check --config load.yaml", text))
            continue
        name = FILE_NAME.match(text)
        assert name, f"a block of {language} names no file: {text[:60]!r}"
        file = tmp_path / name[1]
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        ["bash", "-c", SHELL + "\n".join(commands)],
        cwd=tmp_path,
        env={**environment, "CHECKOUT": str(ROOT), "INTERPRETER": sys.executable},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nok EN500.0\n" in done.stdout
    assert done.stdout.count("1 passed") == 3


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text("utf-8")):
        assert (PAGE.parent / target).exists(), target
