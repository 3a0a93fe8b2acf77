"""Turns JSON schemas, as pydantic makes them of our models, into the words and tables of the reference."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

Schema = dict[str, Any]


def keys_table(schema: Schema) -> str:
    """Makes a Markdown table of the keys of a schema: name, type, default and description."""
    required = schema.get("required", ())
    rows = [
        (f"`{key}`", type_words(field), "required" if key in required else f"`{_yaml(field['default'])}`", _text(field))
        for key, field in schema["properties"].items()
    ]
    return _table(("key", "type", "default", "description"), rows)


def fields_table(schema: Schema) -> str:
    """Makes a Markdown table of a schema's fields: name, type and description. Every field is always present."""
    rows = [(f"`{key}`", type_words(field), _text(field)) for key, field in schema["properties"].items()]
    return _table(("field", "type", "description"), rows)


def type_words(schema: Schema) -> str:
    """Names the type of a value in words, such as "integer from 1 to 5 or `null`"."""
    if "anyOf" in schema:
        return " or ".join(type_words(each) for each in schema["anyOf"])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        values = [f"`{value}`" for value in schema["enum"]]
        return " or ".join(values) if len(values) < 3 else f"one of {', '.join(values)}"
    match schema.get("type"):
        case "integer" | "number" as kind:
            return f"{kind}{_bounds(schema)}"
        case "string":
            kind = "path" if schema.get("format") == "path" else "text"
            return f"{kind} that matches `{schema['pattern']}`" if "pattern" in schema else kind
        case "boolean":
            return "`true` or `false`"
        case "null":
            return "`null`"
        case "array":
            return f"list of {type_words(schema['items'])}"
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return f"mapping of names to {type_words(schema['additionalProperties'])}"
    return "mapping"


def commented_keys(schema: Schema, definitions: dict[str, Schema], indent: str, width: int) -> str:
    """Formats the keys of a schema as commented YAML lines, each with its default and its description, aligned.

    Args:
        schema: the schema.
        definitions: the schemas that it refers to.
        indent: blanks before each line.
        width: longest line, in characters.
    """
    entries = list(_entries(schema, definitions, ""))
    column = max(len(entry) for entry, _ in entries) + 1
    lines = []
    for entry, description in entries:
        wrapped = textwrap.wrap(description, width - len(f"{indent}# ") - column - 2)
        lines.append(f"{indent}# {entry:{column}}# {wrapped[0]}")
        lines += (f"{indent}# {'':{column}}# {line}" for line in wrapped[1:])
    return "\n".join(lines)


def _entries(schema: Schema, definitions: dict[str, Schema], indent: str) -> Iterator[tuple[str, str]]:
    """Yields each key with its default, and its description; a mapping's own keys follow it."""
    required = schema.get("required", ())
    for key, field in schema["properties"].items():
        text = _text(field)
        if key in required:
            value, text = _yaml(field["examples"][0]) if "examples" in field else "", f"Required. {text}"
        else:
            value = _yaml(field["default"])
        references = [each["$ref"].rpartition("/")[2] for each in field.get("anyOf", ()) if "$ref" in each]
        if not references:
            yield f"{indent}{key}: {value}".rstrip(), text
            continue
        yield f"{indent}{key}:", f"Default: {value}. {text}"
        yield from _entries(definitions[references[0]], definitions, f"{indent}  ")


def _bounds(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f" from {least:g} to {most:g}"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[name]:g}" for name, sign in signs.items() if name in schema]
    return f" {' and '.join(bounds)}" if bounds else ""


def _text(field: Schema) -> str:
    text: str = field["description"]
    return text


def _yaml(value: Any) -> str:
    if isinstance(value, str):
        return value
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n").removesuffix("\n...")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
