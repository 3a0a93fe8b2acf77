"""Every command that the documents name shows its help in the environment of `make demo`, or says what to install.

That environment has the packages of requirements/run.txt. Here an import hook stands in for it: every other package
that is installed refuses to be imported. This proves that no such import stands in the way of the help; that a command
needs nothing more once it works is shown by making the demo in a fresh clone.
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

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing and not name.startswith("_"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
program, *arguments = sys.argv[1:]
if program == "relevo":
    import pipeline
    sys.exit(pipeline.main([*arguments, "--help"]))
sys.argv = [program, "--help"]
runpy.run_module(program, run_name="__main__", alter_sys=True)
"""


def documented() -> list[str]:
    """The commands that the pages name, each once; "relevo" in a sentence is not one."""
    named = {match.groups() for page in PAGES for match in COMMAND.finditer(page.read_text("utf-8"))}
    known = next(action.choices for action in parser()._actions if action.dest == "command")
    return sorted(module or f"relevo {name}" for name, module in named if module or name in known)


@pytest.mark.parametrize("command", documented())
def test_help_is_shown_or_what_to_install_is_said_in_one_line(command):
    done = subprocess.run(
        [sys.executable, "-c", IN_THE_DEMO, *command.split()], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        assert "usage:" in done.stdout
        assert done.stderr == ""
    else:
        assert re.fullmatch(r"relevo: .* run `make \w+`.*\n", done.stderr), done.stderr
