from __future__ import annotations

import io

import pytest

from commands.tables import SafeConsole, TableColumn, print_table

COLUMNS = [TableColumn("stage", "name"), TableColumn("module"), TableColumn("queue", "number")]
ROWS = [("translate", "modules.testing.faulty:FakeTranslate", "1234.56 / 7890.12")]


def printed(width: int, columns=COLUMNS, rows=ROWS, title=None) -> str:
    console = SafeConsole()
    console.file, console.width = io.StringIO(), width
    print_table(console, columns, rows, title=title)
    return console.file.getvalue()


def test_a_wide_terminal_gets_a_row_a_stage():
    assert "│ translate │ modules.testing.faulty:FakeTranslate │ 1234.56 / 7890.12 │" in printed(80)


@pytest.mark.parametrize("width", range(20, 80))
def test_no_width_cuts_a_name_or_a_number(width):
    text = printed(width, title="queue in seconds")
    assert "translate" in text
    assert "1234.56 / 7890.12" in text if width >= 28 else "7890.12" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


def test_a_narrow_terminal_gets_a_line_a_cell():
    lines = printed(40).splitlines()
    assert lines[0] == "stage translate"
    assert lines[-1] == "  queue: 1234.56 / 7890.12"


@pytest.mark.parametrize("width", [30, 100])
@pytest.mark.parametrize("text", ["[/INST]", "[bold]", ":smile:", "[/x]"])
def test_no_text_is_markup(width, text):
    assert printed(width, [TableColumn(text), TableColumn("b")], [(text, text)], title=text).count(text) >= 3


@pytest.mark.parametrize("width", [30, 100])
def test_no_control_character_of_a_text_reaches_the_terminal(width):
    text = printed(width, rows=[("a\x1b[2J", "\x07b", "\x9b1")], title="\x1b]0;title\x07")
    assert not set(text) & set("\x1b\x07\x9b")
    assert r"a\x1b[2J" in text


def test_an_output_that_is_no_terminal_has_whole_lines(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    console = SafeConsole()
    console.file = io.StringIO()
    print_table(console, COLUMNS, [("a", "word " * 100, "1")])
    assert len(console.file.getvalue().splitlines()) == 5
