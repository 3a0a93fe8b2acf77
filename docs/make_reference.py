"""Writes the reference pages, and the commented part of config.yaml, from the code that they describe.

    python docs/make_reference.py            writes what has changed
    python docs/make_reference.py --check    changes nothing; exit status 1 if a file is stale, and its name

Each key, option, figure and metric is described once, where it is defined. Needs no model, no torch and no terminal.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run as a script, this finds the checkout from anywhere

from docs.schema_tables import commented_keys, fields_table, keys_table  # noqa: E402
from modules.contract.module import Options  # noqa: E402
from modules.contract.registry import MODULES, module_class  # noqa: E402
from pipeline import parser  # noqa: E402
from workers.broker.metrics import Metrics  # noqa: E402
from workers.config import PipelineConfig  # noqa: E402
from workers.config.load import OTHER_VARIABLES  # noqa: E402
from workers.replica.command import parser as replica_parser  # noqa: E402
from workers.report import Report  # noqa: E402
from workers.wire.messages import StageInfo  # noqa: E402

REFERENCE = ROOT / "docs" / "reference"
CONFIG = ROOT / "config.yaml"
COLUMNS = 100  # of the terminal that help texts are wrapped for
CONFIG_WIDTH = 120
BEGIN, END = "written by docs/make_reference.py", "end of what docs/make_reference.py writes"


CONFIG_SOURCES = "workers/config/models.py and the options of modules/*"
COMMAND_SOURCES = "the parsers of commands/*, benchmarks/*/arguments.py and workers/replica/command.py"


def pages() -> dict[Path, str]:
    """Returns the content of every file that this script writes, by its path."""
    return {
        CONFIG: commented_config(CONFIG.read_text("utf-8")),
        REFERENCE / "configuration.md": _page("Configuration", CONFIG_SOURCES, configuration()),
        REFERENCE / "metrics.md": _page("Metrics", "workers/broker/metrics.py", metrics()),
        REFERENCE / "report.md": _page("Report of a run", "workers/report.py", report()),
        REFERENCE / "commands.md": _page(
            "Commands",
            "the parsers of commands/*, benchmarks/*/arguments.py and workers/replica/command.py",
            commands(),
        ),
    }


def commented_config(text: str) -> str:
    """Returns the text of config.yaml with its commented keys rewritten, between the lines that mark them."""
    schema = PipelineConfig.model_json_schema()
    definitions = schema["$defs"]
    top = {**schema, "properties": {k: v for k, v in schema["properties"].items() if k != "stages"}}
    blocks = {"stage": definitions["StageConfig"], "relay": top}

    def written(block: re.Match[str]) -> str:
        indent, kind = block["indent"], block["kind"]
        return f"{block['begin']}{commented_keys(blocks[kind], definitions, indent, CONFIG_WIDTH)}\n{block['end']}"

    return re.sub(
        rf"(?P<begin>^(?P<indent> *)# Every key of a (?P<kind>stage|relay)\b[^\n]*{re.escape(BEGIN)}[^\n]*\n).*?"
        rf"(?P<end>^ *# [^\n]*{re.escape(END)})",
        written,
        text,
        flags=re.MULTILINE | re.DOTALL,
    )


def configuration() -> str:
    """Lists the keys of a configuration and the options of every module."""
    schema = PipelineConfig.model_json_schema()
    definitions = schema["$defs"]
    variables = "\n".join(f"- `{name}`: {text}" for name, text in OTHER_VARIABLES.items())
    modules = "\n\n".join(_module(name) for name in sorted(MODULES))
    return f"""\
A configuration is a YAML file: [config.yaml](../../config.yaml) is the default, and [pipelines/](../../pipelines) has
others. An unknown key is an error. Where a key is set more than once, the order is command line > environment > file >
default:

| where | form | example |
| --- | --- | --- |
| command line | `--set KEY=VALUE`, with dots in the key | `--set stages.speak.threads=2` |
| environment | `RELEVO_` and the key in capitals, with `__` for each dot | `RELEVO_STAGES__SPEAK__THREADS=2` |
| file | nested keys | `stages: {{speak: {{threads: 2}}}}` |

Other variables that begin with `RELEVO_` are errors, apart from these:

{variables}

## Keys of a relay

{keys_table(schema)}

## StageConfig

The keys of `stages.NAME`.

{keys_table(definitions["StageConfig"])}

## AutoscaleConfig

The keys of `stages.NAME.autoscale`.

{keys_table(definitions["AutoscaleConfig"])}

## Options of the modules

The keys of `stages.NAME.options`, by the stage's module. A module of your own, `package.file:Class`, has the options of
its class.

{modules}
"""


def metrics() -> str:
    """Lists the metrics of a relay, as the broker makes them."""
    stage = "NAME"
    families = Metrics([stage], []).families([StageInfo(stage, "", 1, 0, 1, 0, 0)], ())
    sections = []
    for family in families:
        values: dict[str, list[str]] = {}
        for sample in family.samples:
            for label, value in sample.labels.items():
                values.setdefault(label, []).append(value)
        buckets = dict.fromkeys(values.pop("le", []))
        lines = [family.documentation, "", f"- type: {family.type}"]
        for label, seen in values.items():
            named = (
                "the name of the stage" if label == "stage" else ", ".join(f"`{each}`" for each in dict.fromkeys(seen))
            )
            lines.append(f"- label `{label}`: {named}")
        if buckets:
            lines.append(f"- buckets, upper edges: {', '.join(buckets)}")
        total = "_total" if family.type == "counter" else ""
        sections.append(f"## `{family.name}{total}`\n\n" + "\n".join(lines))
    return f"""\
The broker serves these at `/metrics`, on the address of the key `metrics`, as Prometheus text or OpenMetrics. A
histogram has the series `_bucket`, `_sum` and `_count`. The buckets of histograms in seconds get another edge for each
of `objectives_s`.

{chr(10).join(f"{section}{chr(10)}" for section in sections)}"""


def report() -> str:
    """Lists the fields of a run's JSON report."""
    schema = Report.model_json_schema()
    others = "\n\n".join(
        f"## {name}\n\n{each['description']}\n\n{fields_table(each)}" for name, each in sorted(schema["$defs"].items())
    )
    return f"""\
`relevo run --report FILE.json` writes one JSON object, a Report. Its JSON Schema is `Report.model_json_schema()` of
`workers.report`.

## Report

{schema["description"]}

{fields_table(schema)}

{others}
"""


def commands() -> str:
    """Returns the help text of every command."""
    with _terminal_of(COLUMNS):
        texts = [*_help_texts(parser()), *_help_texts(replica_parser())]
    return "\n\n".join(f"## `{program}`\n\n```text\n{text.rstrip()}\n```" for program, text in texts) + "\n"


def _page(title: str, source: str, content: str) -> str:
    return f"<!-- Written by docs/make_reference.py from {source}; change it there. -->\n\n# {title}\n\n{content}"


def _module(name: str) -> str:
    module = module_class(name)
    options = module.options_type
    schema = options.model_json_schema()
    table = keys_table(schema) if schema["properties"] else "It has no options."
    texts = [_plain(inspect.getdoc(module)).split("\n\n")[0]]
    if options is not Options:
        texts.append(_plain(inspect.getdoc(options)))
    described = "\n\n".join(texts)
    return f"### {name}\n\n{module.accepts.__name__} → {module.yields.__name__}. {described}\n\n{table}"


def _plain(docstring: str | None) -> str:
    """Turns a docstring into Markdown."""
    return (docstring or "").replace("``", "`")


def _help_texts(command: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """Yields the name and help text of a command and of all its subcommands."""
    yield command.prog, command.format_help()
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _help_texts(each)


@contextmanager
def _terminal_of(columns: int) -> Iterator[None]:
    """Wraps help texts for a terminal of this width, whatever the real one is."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(columns)
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def stale() -> dict[Path, str]:
    """Returns the files that are not as the code has them, with the content that they should have."""
    return {file: text for file, text in pages().items() if not file.exists() or file.read_text("utf-8") != text}


def main() -> int:
    """Writes or checks the files."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="change nothing; exit status 1 if a file is stale")
    check = arguments.parse_args().check
    files = stale()
    for file, text in files.items():
        if not check:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, "utf-8")
        print(f"{'stale' if check else 'written'}: {file.relative_to(ROOT)}")
    if check and files:
        print("run: python docs/make_reference.py", file=sys.stderr)
    return int(check and bool(files))


if __name__ == "__main__":
    sys.exit(main())
