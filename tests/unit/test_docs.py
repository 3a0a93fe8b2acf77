"""The README and docs/ hold together: links, commands, make targets, paths and code blocks."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
from pathlib import Path

import pytest

from checkout import ROOT
from pipeline import parser

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
TOP_LEVEL = {path.name for path in ROOT.iterdir()}


def blocks(page: Path, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(page.read_text("utf-8")) if kind == language]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text("utf-8"))


def commands() -> list[tuple[str, str]]:
    """Every command line of the pages' shell blocks, and those that are quoted in a sentence."""
    found = []
    for page in PAGES:
        lines = [line for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
        lines += [quoted for quoted in CODE.findall(prose(page)) if " " in quoted]
        found += [(page.name, line.partition(" #")[0].strip()) for line in lines]
    return found


def words(line: str, program: str) -> list[str] | None:
    """The arguments of a line that calls the program, or None. A quoted line with an ellipsis is no command."""
    if "…" in line or "|" in line:
        return None
    found = shlex.split(line)
    if not found or Path(found[0]).name != program:
        return None
    return found[1:]


def understood(arguments: list[str]) -> bool:
    """Whether the command line takes the arguments. A sentence may leave out those that are required."""
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            parser().parse_args(arguments)
    except SystemExit as end:
        return end.code == 0 or "the following arguments are required" in errors.getvalue()  # 0: --help and --version
    return True


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target in LINK.findall(prose(page)):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        place = (page.parent / file).resolve() if file else page
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), target


@pytest.mark.parametrize(("page", "line"), [each for each in commands() if words(each[1], "relevo")])
def test_every_command_is_understood(page, line):
    assert understood(words(line, "relevo")), line


@pytest.mark.parametrize(("page", "line"), [each for each in commands() if "-m benchmarks" in each[1]])
def test_every_measurement_exists(page, line):
    name = re.search(r"-m ([\w.]+)", line).group(1)
    assert importlib.util.find_spec(name), line


@pytest.mark.parametrize(("page", "line"), [each for each in commands() if words(each[1], "make")])
def test_every_make_target_exists(page, line):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert {word for word in words(line, "make") if "=" not in word} <= targets, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_quoted_path_exists(page):
    if page.name == "CHANGELOG.md":
        return  # it names what is gone
    for quoted in CODE.findall(prose(page)):
        if re.fullmatch(r"[\w./-]+", quoted) and "/" in quoted and quoted.partition("/")[0] in TOP_LEVEL - {"output"}:
            assert (ROOT / quoted).exists(), quoted


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_python_block_compiles(page):
    for block in blocks(page, "python"):
        compile(block, page.name, "exec")


def test_the_readme_is_one_screen_and_a_half():
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= 150
