"""Measures every backend of each stage by itself, on the same inputs.

    .venv-hub/bin/python -m benchmarks.models.backends [--stages listen translate speak] [--inputs 4] [--json FILE]

A backend runs alone in a relay of one stage, one replica of --threads threads. Measured are the seconds from its start
until it is warm, its memory once it has answered, and the service time of each input. The rows marked tiny run a
checkpoint of the real classes with random weights: they show what the libraries cost, and nothing about the published
models. transformers' Whisper runs on the real weights of the offline relay too
(benchmarks/models/whisper_checkpoint.py). Prints a table; a backend whose packages are missing has the reason in its
row. `make hub` installs all of them.
"""

from __future__ import annotations

import importlib
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from rich.table import Table

from benchmarks.common.command_line import add_json, measurement_parser, run_measurement, sample_files
from benchmarks.common.output import figures_table, progress, show, write_record
from benchmarks.models.whisper_checkpoint import save_for_transformers
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
    """A module on a model.

    `tiny` is a family of tests/hub/checkpoints, with the prefix ``ct2:`` where it is to be converted. `remark` tells
    several rows of one model apart.
    """

    stage: str
    module: str
    model: str = ""
    tiny: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    remark: str = ""

    @property
    def title(self) -> str:
        """Returns the model as the table names it."""
        return (self.model or f"tiny {self.tiny}") + (f", {self.remark}" if self.remark else "")


BACKENDS = (
    Backend("listen", "whisper-ct2", WHISPER, remark="fitted"),
    Backend("listen", "whisper-ct2", WHISPER, options={"window": "full"}, remark="30 s"),
    Backend("listen", "whisper", WHISPER, remark="converted back"),
    Backend("listen", "whisper-ct2", tiny="ct2:whisper", options={"max_tokens": 24}),  # it has positions for 64
    Backend("listen", "whisper", tiny="whisper"),
    Backend("translate", "qwen-ct2", "qwen2.5-coder-0.5b-ct2"),
    Backend("translate", "marian-ct2", tiny="ct2:marian"),
    Backend("translate", "marian", tiny="marian"),
    Backend("speak", "kokoro", "kokoro-82m-onnx"),
    Backend("speak", "espnet-tts", tiny="espnet", options={"maxlenratio": 2.0}),  # random weights never stop
    Backend("speak", "bark", tiny="bark", options={"language": "zh", "semantic_max_new_tokens": 12}),
)


@dataclass(frozen=True)
class BackendFigures:
    """The figures of one backend. `failed` says why it did not run."""

    stage: str
    module: str
    model: str
    tiny: bool
    ready_s: float | None = None
    rss_mib: float | None = None
    service_s: tuple[float, ...] = ()
    failed: str = ""


def folder_of(backend: Backend, scratch: Path) -> str:
    """Returns the model of a backend; a tiny one, and real weights in another form, are made in `scratch`."""
    if backend.module == "whisper" and backend.model == WHISPER:
        return str(save_for_transformers(locate(WHISPER), scratch / WHISPER))
    if not backend.tiny:
        return backend.model
    family = backend.tiny.removeprefix(CONVERTED)
    folder = scratch / family
    if not folder.is_dir():
        importlib.import_module(f"tests.hub.checkpoints.{family}").save(folder)
    return str(convert(str(folder), folder, scratch) if backend.tiny.startswith(CONVERTED) else folder)


def measure(backend: Backend, scratch: Path, inputs: list[Payload], threads: int) -> BackendFigures:
    """Runs one backend on the inputs, one after the other; an error is part of its figures."""
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
        return BackendFigures(*what, failed=str(error))
    failed = next((result.error for result in results if result.outcome != "ok"), "")
    service = tuple(sum(span.service_s for span in result.spans) for result in results)
    return BackendFigures(*what, pipeline.ready_s, rss, service, failed)


def backends_table(backends: list[BackendFigures]) -> Table:
    """Makes the table, one backend a row."""
    table = figures_table(
        "every backend alone",
        *("stage", "module", "model", "ready s", "MiB", "service p50 s", "p95 s"),
        texts=3,
    )
    for backend in backends:
        if backend.failed:
            table.add_row(backend.stage, backend.module, backend.model, f"[red]{backend.failed}")
            continue
        service = Quantiles.of(backend.service_s)
        table.add_row(
            backend.stage,
            backend.module,
            backend.model,
            f"{backend.ready_s:.1f}",
            f"{backend.rss_mib:.0f}",
            f"{service.p50:.3f}",
            f"{service.p95:.3f}",
        )
    return table


def main() -> int:
    """Measures the backends and prints them."""
    parser = measurement_parser(__doc__)
    parser.add_argument(
        "--stages", nargs="+", choices=("listen", "translate", "speak"), metavar="NAME", help="only these"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of each backend (default: 1)")
    parser.add_argument("--inputs", type=int, default=4, metavar="N", help="of each backend, at most 4 (default: 4)")
    add_json(parser)
    arguments = parser.parse_args()
    inputs: dict[str, list[Payload]] = {
        "listen": [read_audio(clip) for clip in sample_files(4)],
        "translate": [Text(line, "en") for line in ENGLISH],
        "speak": [Text(line, "zh") for line in CHINESE],
    }
    backends = [each for each in BACKENDS if each.stage in (arguments.stages or inputs)]
    figures = []
    with tempfile.TemporaryDirectory(prefix="relevo-backends-") as scratch, progress() as bar:
        for backend in bar.track(backends, description="backends"):
            given = inputs[backend.stage][: arguments.inputs]
            figures.append(measure(backend, Path(scratch), given, arguments.threads))
    show(backends_table(figures))
    write_record(arguments.json, {"threads": arguments.threads, "backends": [asdict(each) for each in figures]})
    return 0


if __name__ == "__main__":
    run_measurement(main)
