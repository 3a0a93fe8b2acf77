"""What Whisper and the translator get right, and what their fitted window, cached prompt and batches save.

    python -m benchmarks.models.quality [--clips DIR --references TSV] [--threads 1] [--rounds 3] [--json FILE]

Agreement is with the references, which larger models wrote, not with people: chrF and BLEU of sacrebleu (BLEU-zh for
Chinese). Only the recognition of samples/ in Spanish is compared with the words that were really said. Variants that
are compared take turns on every clip, so that whatever else the machine does slows all alike; a ratio is one of
medians.

Ten clips are few: neighbouring margins differ by several points of chrF without a trend. The defaults of Whisper were
chosen on the ten clips and 24 synthesised sentences, the translator's prompt on those sentences alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks.common.environment import environment
from checkout import ROOT
from errors import ConfigError, RelevoError
from modules.audio.files import read_audio
from modules.contract.module import Compute, Module
from modules.contract.payloads import Payload, Text
from modules.qwen import QwenTranslator
from modules.weights import locate
from modules.whisper.ct2 import WhisperCT2

SAMPLES = ROOT / "samples"
DATA = ROOT.parent / "shared" / "data"
WHISPER, QWEN = "whisper-base-ct2", "qwen2.5-coder-0.5b-ct2"
FITTED, FULL, PADDED = "fitted", "full", "full, whole clip"
# The first three are the comparison; the others show what the defaults were chosen among.
LISTENERS: dict[str, dict[str, Any]] = {
    FITTED: {},
    FULL: {"window": "full"},
    PADDED: {"window": "full", "vad": False, "segment_s": 28},
    **{f"margin {margin_s} s": {"margin_s": margin_s} for margin_s in (1, 2, 4, 6, 8)},
    "log-probability -1": {"min_log_probability": -1.0},
    "beam 5": {"beam_size": 5},
}
# Where the samples' own words are known, no other model's opinion is needed.
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
    """One way to run a module: what it answered for every input, and every time that it took."""

    name: str
    module: Module
    load_s: float
    batch: int = 1
    answers: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    second_passes: int = 0

    def run(self, inputs: Sequence[Payload], keep: bool) -> None:
        """Processes one batch and notes seconds for each input; keeps the answers of the first round."""
        started = time.perf_counter()
        outputs: list[tuple[int, Text]] = []
        for position, output in self.module.process(inputs):
            if not isinstance(output, Text):
                raise ConfigError(f"variant {self.name!r} did not answer with text: {output}")
            outputs.append((position, output))
        self.seconds.append((time.perf_counter() - started) / len(inputs))
        if keep:
            self.answers += [" ".join(o.text for p, o in outputs if p == i) for i in range(len(inputs))]
            self.second_passes += sum(note.kind == "second_pass" for _, o in outputs for note in o.notes)

    def report(self, references: Sequence[str], tokenize: str) -> dict[str, Any]:
        """Scores against the references, and times."""
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
    """Loads and warms every variant of a module; loading does not include the search for the weights."""
    folder = locate(model)
    loaded = []
    for name, options in variants.items():
        started = time.perf_counter()
        module = kind(folder, kind.options_type(**options), Compute(threads=threads))
        load_s = time.perf_counter() - started
        module.warm_up()
        loaded.append(Variant(name, module, load_s))
    return loaded


def take_turns(
    title: str, variants: Sequence[Variant], inputs: Sequence[Payload], rounds: int, progress: Progress
) -> None:
    """Runs every variant over all inputs, ``rounds`` times: A B C on the first input, A B C on the second, …"""
    task = progress.add_task(title, total=rounds * len(inputs))
    for round_ in range(rounds):
        for start in range(len(inputs)):
            for variant in variants:
                if start % variant.batch == 0:
                    variant.run(inputs[start : start + variant.batch], keep=round_ == 0)
            progress.advance(task)


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
    progress: Progress,
) -> Reports:
    """Reports of variants of one module that took turns; their models, gigabytes together, are gone on return."""
    loaded = load(kind, model, variants, threads)
    take_turns(kind.__name__, loaded, inputs, rounds, progress)
    return {variant.name: variant.report(references, tokenize) for variant in loaded}


def measure(clips: Path, references: Path, threads: int, rounds: int, progress: Progress) -> dict[str, Any]:
    """Runs everything and returns the figures."""
    rows = rows_of(references)
    english = [row["en_whisper_large"] for row in rows]
    chinese = [row["zh_opus_mt_en_zh"] for row in rows]
    audio = [read_audio(clips / row["clip"]) for row in rows]
    samples = rows_of(SAMPLES / "texts.tsv")
    spoken = [read_audio(SAMPLES / row["file"]) for row in samples]
    said = [row["text"] for row in samples]
    texts = [Text(text, "en") for text in english]

    common: dict[str, Any] = {"threads": threads, "progress": progress}
    listen = compete(WHISPER, WhisperCT2, LISTENERS, audio, english, tokenize="13a", rounds=rounds, **common)
    transcribe = compete(WHISPER, WhisperCT2, TRANSCRIBERS, spoken, said, tokenize="13a", rounds=1, **common)
    translate = compete(QWEN, QwenTranslator, TRANSLATORS, texts, chinese, tokenize="zh", rounds=rounds, **common)

    (default,) = load(QwenTranslator, QWEN, {"default": {}}, threads)
    batches = [Variant(f"batch {size}", default.module, default.load_s, size) for size in BATCHES]
    take_turns("batches", batches, texts, rounds, progress)
    relay = Variant("heard by Whisper", default.module, default.load_s)
    take_turns("both stages", [relay], [Text(text, "en") for text in listen[FITTED]["answers"]], 1, progress)
    translate |= {variant.name: variant.report(chinese, "zh") for variant in (*batches, relay)}

    return {
        "environment": environment(),
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


def rows_of(table: Path) -> list[dict[str, str]]:
    """Rows of a tab-separated table."""
    with table.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def changed(reports: Reports, one: str, other: str) -> int:
    """Number of inputs that two variants answered differently."""
    return sum(a != b for a, b in zip(reports[one]["answers"], reports[other]["answers"], strict=True))


def table(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    """A stage's variants for the terminal."""
    columns = ("chrF", "BLEU", "median s", "mean s", "max s", "second passes", "load s")
    drawn = Table(title=title)
    drawn.add_column("variant")
    for column in columns:
        drawn.add_column(column, justify="right")
    for row in rows:
        drawn.add_row(
            row["variant"],
            f"{row['chrf']:.1f}",
            f"{row['bleu']:.1f}",
            f"{row['median_s']:.2f}",
            f"{row['mean_s']:.2f}",
            f"{row['max_s']:.2f}",
            str(row["second_passes"]),
            f"{row['load_s']:.1f}",
        )
    return drawn


def main() -> int:
    """Parses the arguments, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, default=DATA / "clips", metavar="DIR", help="folder of Spanish clips")
    parser.add_argument(
        "--references",
        type=Path,
        default=DATA / "references.tsv",
        metavar="TSV",
        help="columns clip, en_whisper_large, zh_opus_mt_en_zh",
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of each model")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="times that every clip is run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures and answers here")
    arguments = parser.parse_args()
    for path in (arguments.clips, arguments.references):
        if not path.exists():
            print(f"{path} is not here; name the recordings with --clips and their texts with --references")
            return 2
    try:
        # NumPy's pool was made when it was imported, so its threads are limited here and not by the environment.
        with threadpool_limits(arguments.threads), Progress(console=Console(stderr=True)) as progress:
            figures = measure(arguments.clips, arguments.references, arguments.threads, arguments.rounds, progress)
    except RelevoError as error:
        print(error, file=sys.stderr)
        return 1
    console = Console()
    console.print(table("Spanish speech to English text", figures["listen"]))
    console.print(table("Spanish samples to Spanish text", figures["transcribe"]))
    console.print(table("English text to Chinese text", figures["translate"]))
    for name in figures:
        if "_is_faster_than_" in name:
            console.print(f"{name.replace('_', ' ')}: {figures[name]:.2f} times")
    for name in ("answers_changed_by_batching", "answers_changed_by_caching"):
        console.print(f"{name.replace('_', ' ')}: {figures[name]}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, ensure_ascii=False, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
