"""Measures the quality of Whisper and the translator, and what fitted windows, cached prompts and batches save.

    python -m benchmarks.models.quality --clips DIR --references TSV [--threads 1] [--rounds 3]

The references were written by larger models and not by people: agreement is chrF and BLEU of sacrebleu (BLEU-zh for
Chinese). Only the recognition of samples/ in Spanish is compared with the words that were really said. Variants that
are compared take turns on every clip, so that whatever else the machine does slows all of them alike. Ratios are ratios
of medians. Prints a table for each stage.

Ten clips are few: neighbouring margins differ by several points of chrF without a trend. The defaults of Whisper were
chosen on ten clips and 24 synthesised sentences, the translator's prompt on those sentences alone.
"""

from __future__ import annotations

import csv
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.progress import Progress
from rich.table import Table

from benchmarks.common.command_line import add_json, add_rounds, measurement_parser, require, run_measurement
from benchmarks.common.output import figures_table, progress, show, write_record
from checkout import ROOT
from errors import MeasurementError
from modules.audio.files import read_audio
from modules.contract.module import Compute, Module
from modules.contract.payloads import Payload, Text
from modules.qwen import QwenTranslator
from modules.weights import locate
from modules.whisper.ct2 import WhisperCT2

SAMPLES = ROOT / "samples"
WHISPER, QWEN = "whisper-base-ct2", "qwen2.5-coder-0.5b-ct2"
FITTED, FULL, PADDED = "fitted", "full", "full, whole clip"
# The first three are compared; the others show the choice that the defaults were taken from.
LISTENERS: dict[str, dict[str, Any]] = {
    FITTED: {},
    FULL: {"window": "full"},
    PADDED: {"window": "full", "vad": False, "segment_s": 28},
    **{f"margin {margin_s} s": {"margin_s": margin_s} for margin_s in (1, 2, 4, 6, 8)},
    "log-probability -1": {"min_log_probability": -1.0},
    "beam 5": {"beam_size": 5},
}
# For the samples, whose words are known.
TRANSCRIBERS = {
    name: {**options, "task": "transcribe"}
    for name, options in LISTENERS.items()
    if not options.get("min_log_probability")
}
CACHED, UNCACHED = "cached", "uncached"
TRANSLATORS: dict[str, dict[str, Any]] = {
    CACHED: {},
    UNCACHED: {"cache_prompt": False},
    "latin keep": {"latin": "keep"},
    "latin never": {"latin": "never"},
}
BATCHES = (1, 4, 8)


@dataclass
class Variant:
    """One way to run a module, with its answer to every input and every time that it took."""

    name: str
    module: Module
    load_s: float
    batch: int = 1
    answers: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    second_passes: int = 0

    def run(self, inputs: Sequence[Payload], keep: bool) -> None:
        """Processes one batch and records its seconds an input; with `keep`, its answers too.

        Raises:
            MeasurementError: the module refused an input.
        """
        started = time.perf_counter()
        outputs: list[tuple[int, Text]] = []
        for position, output in self.module.process(inputs):
            if not isinstance(output, Text):
                raise MeasurementError(f"variant {self.name!r} answered {output!r} instead of text; check its input")
            outputs.append((position, output))
        self.seconds.append((time.perf_counter() - started) / len(inputs))
        if keep:
            self.answers += [" ".join(o.text for p, o in outputs if p == i) for i in range(len(inputs))]
            self.second_passes += sum(note.kind == "second_pass" for _, o in outputs for note in o.notes)

    def report(self, references: Sequence[str], tokenize: str) -> dict[str, Any]:
        """Returns scores against the references, and times."""
        from sacrebleu import corpus_bleu, corpus_chrf

        return {
            "variant": self.name,
            "chrf": corpus_chrf(self.answers, [list(references)]).score,
            "bleu": corpus_bleu(self.answers, [list(references)], tokenize=tokenize).score,
            "median_s": statistics.median(self.seconds),
            "mean_s": statistics.mean(self.seconds),
            "max_s": max(self.seconds),
            "second_passes": self.second_passes,
            "load_s": self.load_s,
            "answers": self.answers,
        }


def load(kind: type[Module], model: str, variants: dict[str, dict[str, Any]], threads: int) -> list[Variant]:
    """Loads and warms every variant of a module; `load_s` is the loading alone."""
    folder = locate(model)
    loaded = []
    for name, options in variants.items():
        started = time.perf_counter()
        module = kind(folder, kind.options_type(**options), Compute(threads=threads))
        load_s = time.perf_counter() - started
        module.warm_up()
        loaded.append(Variant(name, module, load_s))
    return loaded


def take_turns(title: str, variants: Sequence[Variant], inputs: Sequence[Payload], rounds: int, bar: Progress) -> None:
    """Runs every variant over all inputs, `rounds` times: all variants on the first input, all on the second."""
    task = bar.add_task(title, total=rounds * len(inputs))
    for round_ in range(rounds):
        for start in range(len(inputs)):
            for variant in variants:
                if start % variant.batch == 0:
                    variant.run(inputs[start : start + variant.batch], keep=round_ == 0)
            bar.advance(task)


Reports = dict[str, dict[str, Any]]


def compete(
    model: str,
    kind: type[Module],
    variants: dict[str, dict[str, Any]],
    inputs: Sequence[Payload],
    references: Sequence[str],
    *,
    tokenize: str,
    threads: int,
    rounds: int,
    bar: Progress,
) -> Reports:
    """Lets variants of one module take turns and returns their reports; their models are freed on return."""
    loaded = load(kind, model, variants, threads)
    take_turns(kind.__name__, loaded, inputs, rounds, bar)
    return {variant.name: variant.report(references, tokenize) for variant in loaded}


def measure(clips: Path, references: Path, threads: int, rounds: int, bar: Progress) -> dict[str, Any]:
    """Runs every comparison and returns its figures."""
    rows = rows_of(references)
    english = [row["en_whisper_large"] for row in rows]
    chinese = [row["zh_opus_mt_en_zh"] for row in rows]
    audio = [read_audio(clips / row["clip"]) for row in rows]
    samples = rows_of(SAMPLES / "texts.tsv")
    spoken = [read_audio(SAMPLES / row["file"]) for row in samples]
    said = [row["text"] for row in samples]
    texts = [Text(text, "en") for text in english]

    common: dict[str, Any] = {"threads": threads, "bar": bar}
    listen = compete(WHISPER, WhisperCT2, LISTENERS, audio, english, tokenize="13a", rounds=rounds, **common)
    transcribe = compete(WHISPER, WhisperCT2, TRANSCRIBERS, spoken, said, tokenize="13a", rounds=1, **common)
    translate = compete(QWEN, QwenTranslator, TRANSLATORS, texts, chinese, tokenize="zh", rounds=rounds, **common)

    (default,) = load(QwenTranslator, QWEN, {"default": {}}, threads)
    batches = [Variant(f"batch {size}", default.module, default.load_s, size) for size in BATCHES]
    take_turns("batches", batches, texts, rounds, bar)
    relay = Variant("heard by Whisper", default.module, default.load_s)
    take_turns("both stages", [relay], [Text(text, "en") for text in listen[FITTED]["answers"]], 1, bar)
    translate |= {variant.name: variant.report(chinese, "zh") for variant in (*batches, relay)}

    return {
        "threads": threads,
        "rounds": rounds,
        "clips": len(audio),
        "listen": list(listen.values()),
        "transcribe": list(transcribe.values()),
        "translate": list(translate.values()),
        "answers_changed_by_batching": {batch.name: changed(translate, CACHED, batch.name) for batch in batches},
        "answers_changed_by_caching": changed(translate, CACHED, UNCACHED),
        "fitted_is_faster_than_full": listen[FULL]["median_s"] / listen[FITTED]["median_s"],
        "fitted_is_faster_than_full_whole_clip": listen[PADDED]["median_s"] / listen[FITTED]["median_s"],
        "cached_is_faster_than_uncached": translate[UNCACHED]["median_s"] / translate[CACHED]["median_s"],
    }


def rows_of(tsv: Path) -> list[dict[str, str]]:
    """Reads the rows of a tab-separated table with a header."""
    with tsv.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def changed(reports: Reports, one: str, other: str) -> int:
    """Counts the inputs that two variants answered differently."""
    return sum(a != b for a, b in zip(reports[one]["answers"], reports[other]["answers"], strict=True))


def variants_table(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    """Makes the table of a stage's variants."""
    table = figures_table(title, "variant", "chrF", "BLEU", "median s", "mean s", "max s", "second passes", "load s")
    for row in rows:
        table.add_row(
            row["variant"],
            f"{row['chrf']:.1f}",
            f"{row['bleu']:.1f}",
            f"{row['median_s']:.2f}",
            f"{row['mean_s']:.2f}",
            f"{row['max_s']:.2f}",
            str(row["second_passes"]),
            f"{row['load_s']:.1f}",
        )
    return table


def main() -> int:
    """Measures every variant and prints the tables."""
    parser = measurement_parser(__doc__)
    parser.add_argument("--clips", type=Path, required=True, metavar="DIR", help="folder of Spanish recordings")
    parser.add_argument(
        "--references",
        type=Path,
        required=True,
        metavar="TSV",
        help="their texts: columns clip, en_whisper_large, zh_opus_mt_en_zh",
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of each model (default: 1)")
    add_rounds(parser, default=3)
    add_json(parser)
    arguments = parser.parse_args()
    require("sacrebleu", "threadpoolctl")
    for path in (arguments.clips, arguments.references):
        if not path.exists():
            parser.error(f"{path} does not exist; name the recordings with --clips and their texts with --references")
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    # NumPy's pool was made when it was imported, so its threads are limited here and not by the environment.
    with threadpool_limits(arguments.threads), progress() as bar:
        figures = measure(arguments.clips, arguments.references, arguments.threads, arguments.rounds, bar)
    show(
        variants_table("Spanish speech to English text", figures["listen"]),
        variants_table("Spanish samples to Spanish text", figures["transcribe"]),
        variants_table("English text to Chinese text", figures["translate"]),
    )
    for name in figures:
        if "_is_faster_than_" in name:
            print(f"{name.replace('_', ' ')}: {figures[name]:.2f} times")
    for name in ("answers_changed_by_batching", "answers_changed_by_caching"):
        print(f"{name.replace('_', ' ')}: {figures[name]}")
    write_record(arguments.json, figures)
    return 0


if __name__ == "__main__":
    run_measurement(main)
