"""docs/protocol.md says of the wire what the code says."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any, get_args

import pytest

from checkout import ROOT
from workers.wire import codec, keys, messages
from workers.wire.messages import records

PAGE = (ROOT / "docs" / "protocol.md").read_text("utf-8")
ROLES = ("FromClient", "ToClient", "FromReplica", "ToReplica", "FromSupervisor", "ToSupervisor")
MESSAGES = {kind.__name__: kind for kind in get_args(messages.Message)}
PARTS = {
    name: kind
    for name, kind in inspect.getmembers(records, inspect.isclass)
    if issubclass(kind, records.MessagePart) and kind is not records.MessagePart
}


def section(heading: str) -> str:
    """The text under a heading, up to the next one of any depth."""
    return re.split(r"^#+ ", PAGE.split(f"# {heading}\n")[1], flags=re.MULTILINE)[0]


def rows(table: str) -> list[list[str]]:
    """The cells of a table's rows, without its head."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines[2:]]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def messages_table(role: str) -> list[list[str]]:
    return rows(PAGE.split(f"<!-- messages: {role} -->\n")[1].split("\n\n")[0])


def resolve(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("role", ROLES)
def test_every_message_of_a_role_is_documented_with_its_fields_and_no_other(role):
    documented = {quoted(name)[0]: quoted(fields) for name, fields, *_ in messages_table(role)}
    assert documented == {kind.__name__: list(kind.__struct_fields__) for kind in get_args(getattr(messages, role))}


def test_every_part_of_a_message_is_documented_with_its_fields():
    documented = {quoted(name)[0]: quoted(fields) for name, fields in rows(section("Parts of messages"))}
    assert documented == {name: list(kind.__struct_fields__) for name, kind in PARTS.items()}


def test_the_page_names_no_message_that_is_not_there():
    known = {*MESSAGES, *PARTS, "RelayClosed", "InputError"}
    in_text = re.findall(r"`([A-Z][a-z]\w*)`", PAGE)
    in_diagrams = re.findall(
        r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)*\b", "".join(re.findall(r"^    .*[│┊].*$", PAGE, re.MULTILINE))
    )
    assert in_diagrams
    assert {*in_text, *in_diagrams} <= known


def test_the_words_name_classes_that_exist():
    for word, _, where in rows(section("Words")):
        assert inspect.isclass(resolve(quoted(where)[0])), word


def test_the_bounds_are_those_of_the_code():
    documented = {quoted(name)[0]: float(value) for name, value, _ in rows(section("Bounds"))}
    assert documented == {name: float(resolve(name)) for name in documented}
    for module in (codec, keys, records):
        constants = {name for name, value in vars(module).items() if name.isupper() and isinstance(value, int | float)}
        ours = {name for name in constants if not name.startswith("HANDSHAKE")}
        assert {f"{module.__name__}.{name}" for name in ours} <= documented.keys()


def test_the_messages_with_a_payload_are_those_that_the_page_names():
    sentence = PAGE.split("have one payload")[0].rpartition("\n\n")[2]
    one = {name for name, kind in MESSAGES.items() if kind in codec.ONE_PAYLOAD}
    assert set(quoted(sentence)) == one
    assert codec.payload_count(messages.BatchLease(())) == 0
