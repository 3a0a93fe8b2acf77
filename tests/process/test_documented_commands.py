"""Every command that the documents name shows its help in the environment of `make demo`.

That environment has the packages of requirements/run.txt. Here import hooks stand in for it, which find no other
installed package. This proves that the help needs none of them. It proves nothing about what a command needs once it
works: for that there is the demo itself, in a fresh clone.
"""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from checkout import ROOT
from pipeline import parser

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"\brelevo ([a-z]+)\b|-m ((?:benchmarks|workers|samples)(?:\.\w+)+)")
IN_THE_DEMO = """
import importlib.metadata, re, runpy, sys
from pathlib import Path

def name_of(requirement):
    return re.sub(r"[-_.]+", "-", re.split(r"[=\\[]", requirement)[0]).lower()

lines = Path("requirements/run.txt").read_text().splitlines()
installed = {"relevo"} | {name_of(line) for line in lines if line and not line.lstrip().startswith("#")}
missing = {
    module for module, packages in importlib.metadata.packages_distributions().items()
    if not installed & set(map(name_of, packages))
}

class InTheDemo:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, *where):
        return None if name.partition(".")[0] in missing else self.finder.find_spec(name, *where)

sys.meta_path[:] = map(InTheDemo, sys.meta_path)
program, *arguments = sys.argv[1:]
if program == "relevo":
    import pipeline
    sys.exit(pipeline.main(arguments))
sys.argv = [program, *arguments]
runpy.run_module(program, run_name="__main__", alter_sys=True)
"""


def documented() -> list[str]:
    """The commands that the pages name, each once; "relevo" in a sentence is not one."""
    named = {match.groups() for page in PAGES for match in COMMAND.finditer(page.read_text("utf-8"))}
    known = next(action.choices for action in parser()._actions if action.dest == "command")
    return sorted(module or f"relevo {name}" for name, module in named if module or name in known)


def in_the_demo(*command: str) -> subprocess.CompletedProcess[str]:
    code = [sys.executable, "-c", IN_THE_DEMO, *command]
    return subprocess.run(code, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", documented())
def test_help_is_shown(command):
    done = in_the_demo(*command.split(), "--help")
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    "command",
    [
        "relevo load --rate 1 --requests 1",
        "relevo compare reports/ONE reports/OTHER",
        "relevo tune samples/01_farmacia.flac",
        "benchmarks.accuracy.tuner",
    ],
)
def test_a_package_that_is_not_there_is_named_with_what_installs_it(command):
    done = in_the_demo(*command.split())
    assert done.returncode in (1, 2)
    assert re.fullmatch(r"relevo: .*\w+.* run `make dev`.*\n", done.stderr), done.stderr
