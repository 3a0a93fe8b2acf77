"""Fills in the templates of the pages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.load.formatting import number_text

_FOLDER = Path(__file__).parent


def render(template: str, **values: Any) -> str:
    """Renders a page; a name that the template uses and `values` lacks is an error."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number_text, "percent": _percent}
    return environment.get_template(template).render(values)


def packages_text(environment: Mapping[str, Any]) -> str:
    """Formats the recorded versions of packages in one line."""
    return ", ".join(f"{name} {version}" for name, version in environment["packages"].items())


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
