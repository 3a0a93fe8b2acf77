"""The parser of the command line: help that fits the terminal, and messages that a terminal can show."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

from commands.output import printable


class HelpFormatter(argparse.HelpFormatter):
    """Wraps paragraphs to the terminal's width; lines that begin with a blank, such as examples, stay as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        blocks = re.split(r"\n{2,}", text.strip("\n"))
        return "\n\n".join(self._fill_block(block, width, indent) for block in blocks)

    def _fill_block(self, block: str, width: int, indent: str) -> str:
        lines = block.split("\n")
        if any(line.startswith(" ") for line in lines):
            return "\n".join(indent + line for line in lines)
        return super()._fill_text(block, width, indent)


class CommandParser(argparse.ArgumentParser):
    """Parses `relevo` and each of its commands, whose parsers argparse makes of the same class."""

    def __init__(self, **options: object) -> None:
        options.setdefault("formatter_class", HelpFormatter)
        super().__init__(**options)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        """Prints the usage and the message, and ends with status 2."""
        super().error(printable(message))
