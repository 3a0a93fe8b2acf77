"""What runs each stage, side by side: every backend that runs here, by itself, on the same inputs.

    .venv-hub/bin/python -m benchmarks.models.backends [--stages listen translate speak] [--inputs 4] [--json FILE]

A backend is started alone in a relay of one stage, one replica of --threads threads: seconds from its start until it
is warm, memory once it has answered, and the service time of each input. The rows marked tiny run a checkpoint of the
real classes with random weights: their figures are what the libraries cost, and say nothing about the published
models. Whisper runs on transformers on the real weights of the offline relay too
(benchmarks/models/whisper_checkpoint.py). Prints a table; --json writes every figure.
"""

from __future__ import annotations

import argparse
import importlib
import json
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common.environment import environment
from benchmarks.models.whisper_checkpoint import save_for_transformers
from checkout import ROOT
from errors import RelevoError
from modules.audio.files import read_audio
from modules.contract.payloads import Payload, Text
from modules.weights import locate
from modules.weights.converted import convert
from pipeline import Pipeline
from workers.config import PipelineConfig
from workers.report import Quantiles

ENGLISH = (
    "Good morning, what time does the pharmacy open?",
    "The train leaves in ten minutes.",
    "It rains in the north.",
    "My brother works in a hospital and is busy every day.",
)
CHINESE = ("药店几点开门？", "火车十分钟后开。", "北方正在下雨。", "我弟弟在医院工作，每天都很忙。")
CONVERTED = "ct2:"
WHISPER = "whisper-base-ct2"


@dataclass(frozen=True)
class Backend:
    """A module on a model, with options that are in its name where it has several rows.

    ``tiny`` is a family of tests/hub/checkpoints, behind ct2: if it is to be converted.
    """

    stage: str
    module: str
    model: str = ""
    tiny: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    remark: str = ""

    @property
    def title(self) -> str:
        """The model as the table names it."""
        return (self.model or f"tiny {self.tiny}") + (f", {self.remark}" if self.remark else "")


BACKENDS = (
    Backend("listen", "whisper-ct2", WHISPER, remark="fitted"),
    Backend("listen", "whisper-ct2", WHISPER, options={"window": "full"}, remark="30 s"),
    Backend("listen", "whisper", WHISPER, remark="converted back"),
    Backend("listen", "whisper-ct2", tiny="ct2:whisper", options={"max_tokens": 24}),  # it has places for 64
    Backend("listen", "whisper", tiny="whisper"),
    Backend("translate", "qwen-ct2", "qwen2.5-coder-0.5b-ct2"),
    Backend("translate", "marian-ct2", tiny="ct2:marian"),
    Backend("translate", "marian", tiny="marian"),
    Backend("speak", "kokoro", "kokoro-82m-onnx"),
    Backend("speak", "espnet-tts", tiny="espnet", options={"maxlenratio": 2.0}),  # random weights never stop
    Backend("speak", "bark", tiny="bark", options={"language": "zh", "semantic_max_new_tokens": 12}),
)


@dataclass(frozen=True)
class Row:
    """What a backend came to; ``failed`` says why it did not run."""

    stage: str
    module: str
    model: str
    tiny: bool
    ready_s: float | None = None
    rss_mib: float | None = None
    service_s: tuple[float, ...] = ()
    failed: str = ""


def folder_of(backend: Backend, scratch: Path) -> str:
    """The model of a backend, made in ``scratch`` if it is a tiny one, or real weights in another form."""
    if backend.module == "whisper" and backend.model == WHISPER:
        return str(save_for_transformers(locate(WHISPER), scratch / WHISPER))
    if not backend.tiny:
        return backend.model
    family = backend.tiny.removeprefix(CONVERTED)
    folder = scratch / family
    if not folder.is_dir():
        importlib.import_module(f"tests.hub.checkpoints.{family}").save(folder)
    return str(convert(str(folder), folder, scratch) if backend.tiny.startswith(CONVERTED) else folder)


def measure(backend: Backend, scratch: Path, inputs: list[Payload], threads: int) -> Row:
    """Runs one backend on the inputs, one after the other."""
    what = (backend.stage, backend.module, backend.title, bool(backend.tiny))
    try:
        stage = {
            "module": backend.module,
            "model": folder_of(backend, scratch),
            "options": backend.options,
            "threads": threads,
            "load_timeout_s": 900,
        }
        with Pipeline(PipelineConfig(stages={backend.stage: stage})) as pipeline:
            results = list(pipeline.map(inputs, in_flight=1))
            (replica,) = pipeline.replicas()
            rss = psutil.Process(replica.pid).memory_info().rss / 2**20
    except (RelevoError, ImportError) as error:  # ImportError: this environment cannot make the checkpoint
        return Row(*what, failed=str(error))
    failed = next((result.error for result in results if result.outcome != "ok"), "")
    service = tuple(sum(span.service_s for span in result.spans) for result in results)
    return Row(*what, pipeline.ready_s, rss, service, failed)


def table(rows: list[Row]) -> Table:
    """The rows as they are printed."""
    made = Table("stage", "module")
    made.add_column("model", overflow="fold")
    for column in ("ready s", "MiB", "service p50 s", "p95 s"):
        made.add_column(column, justify="right")
    for row in rows:
        if row.failed:
            made.add_row(row.stage, row.module, row.model, f"[red]{row.failed}")
            continue
        service = Quantiles.of(row.service_s)
        figures = (f"{row.ready_s:.1f}", f"{row.rss_mib:.0f}", f"{service.p50:.3f}", f"{service.p95:.3f}")
        made.add_row(row.stage, row.module, row.model, *figures)
    return made


def main() -> None:
    """Measures the backends and prints them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", nargs="+", choices=("listen", "translate", "speak"), metavar="NAME")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of each backend (default: 1)")
    parser.add_argument(
        "--inputs", type=int, default=4, metavar="N", help="inputs of each backend, at most 4 (default)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    arguments = parser.parse_args()
    clips = sorted((ROOT / "samples").glob("0[1-4]*.flac"))
    inputs: dict[str, list[Payload]] = {
        "listen": [read_audio(clip) for clip in clips],
        "translate": [Text(line, "en") for line in ENGLISH],
        "speak": [Text(line, "zh") for line in CHINESE],
    }
    backends = [each for each in BACKENDS if each.stage in (arguments.stages or inputs)]
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="relevo-backends-") as scratch:
        rows = [
            measure(each, Path(scratch), inputs[each.stage][: arguments.inputs], arguments.threads)
            for each in track(backends, "measuring", console=console, transient=True)
        ]
    Console().print(table(rows))
    if arguments.json:
        report = {"environment": environment(), "threads": arguments.threads, "rows": [asdict(row) for row in rows]}
        arguments.json.write_text(json.dumps(report, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
