"""Measures how fast Kokoro speaks, how soon the first sound is heard, and how well it is understood.

    python -m benchmarks.models.speech [--threads 1] [--before MODEL.onnx] [--references TSV] [--lines N]

Each line is spoken phrase by phrase and, for comparison, in one piece; with --before, by another network too. They take
turns line by line, so that whatever else the machine does slows all of them alike. Whisper base then writes down what
it hears, and that is compared with the text: as characters, and as syllables with their tones. Syllables are fairer to
a voice, because Chinese has many characters for one sound. Prints a table.
"""

from __future__ import annotations

import csv
import re
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pypinyin import Style, lazy_pinyin

from benchmarks.common.command_line import add_json, measurement_parser, require, run_measurement
from benchmarks.common.output import figures_table, progress, show, write_record
from errors import MeasurementError
from modules.audio.waveform import SPEECH_RATE, resample
from modules.chinese.normalization import make_speakable
from modules.contract.module import Compute
from modules.contract.payloads import Audio, Samples, Text
from modules.kokoro.network import KOKORO_RATE
from modules.kokoro.voice import Kokoro, KokoroOptions
from modules.weights import locate

if TYPE_CHECKING:
    from faster_whisper import WhisperModel  # type: ignore[import-untyped]

LINES = (
    "今天天气很好，我们去公园散步吧。",
    "请问，最近的地铁站怎么走？",
    "她昨天晚上没有睡好，所以今天很累。",
    "这家饭馆的面条特别好吃，价格也不贵。",
    "我弟弟在医院工作，每天都很忙。",
    "火车已经开走了，我们只能等下一班。",
    "孩子们在院子里踢足球，笑声传得很远。",
    "如果明天下雨，比赛就会推迟。",
    "他把钥匙忘在办公室里了。",
    "老师让我们写一篇关于家乡的作文。",
    "窗户外面有一棵很高的树。",
    "医生说你应该多喝水，多休息。",
    "会议18:30开始，请提前5分钟到。",
    "这件衣服打了20%的折扣。",
    "从1998年到2012年，他一直住在北京。",
    "气温下降到了-3°C。",
    "一共是2杯咖啡，35元。",
    "请打开GPS，再看看地图。",
    "他的朋友Carlos住在Toledo。",
    "我想用WiFi给家里发一封邮件。",
)
NOW, UNSPLIT, BEFORE = "now", "now, in one piece", "before"
AUDIBLE = 0.01  # a sample above this is heard
UNSPLIT_CHARS = 40  # longer than any phrase of the lines
_HEARING_HINT = "以下是普通话的句子。"


@dataclass
class SpokenLine:
    """One line that was spoken once: its text, its cost in seconds, its sound, and what Whisper heard."""

    line: str
    network: str
    seconds: float
    cpu_s: float
    first_sound_s: float
    audio_s: float
    phrases: int
    heard: str = ""
    samples: Samples = field(default_factory=lambda: np.zeros(0, np.float32), repr=False)


def speak(kokoro: Kokoro, network: str, line: str) -> SpokenLine:
    """Speaks a line. `first_sound_s` includes the silence that the first phrase begins with.

    Raises:
        MeasurementError: Kokoro refuses the line.
    """
    began, cpu = time.perf_counter(), time.process_time()
    first_s = 0.0
    pieces: list[Samples] = []
    for _, audio in kokoro.process([Text(line, "zh")]):
        if not isinstance(audio, Audio):
            raise MeasurementError(f"Kokoro refuses {line!r}: {audio}; leave the line out")
        if not pieces:
            silence_s = np.flatnonzero(np.abs(audio.samples) > AUDIBLE)[0] / KOKORO_RATE
            first_s = time.perf_counter() - began + float(silence_s)
        pieces.append(audio.samples)
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    samples = np.concatenate(pieces)
    return SpokenLine(line, network, seconds, cpu_s, first_s, len(samples) / KOKORO_RATE, len(pieces), samples=samples)


def listen(whisper: WhisperModel, samples: Samples) -> str:
    """Returns the text that Whisper hears, in the script that it chooses."""
    narrow = resample(Audio(samples, KOKORO_RATE), SPEECH_RATE)
    segments, _ = whisper.transcribe(
        narrow, language="zh", beam_size=5, temperature=0.0, condition_on_previous_text=False,
        initial_prompt=_HEARING_HINT,
    )  # fmt: skip
    return "".join(segment.text for segment in segments)


def characters(text: str) -> str:
    """Returns the characters that are compared: simplified Han and capitals, with numbers spelled."""
    from opencc import OpenCC

    simplified = OpenCC("t2s").convert(make_speakable(text).text)
    return re.sub(r"[^一-鿿A-Z]", "", simplified)


def syllables(text: str) -> str:
    """Returns the syllables of `characters(text)` with tone numbers, separated by spaces."""
    return " ".join(lazy_pinyin(characters(text), style=Style.TONE3, neutral_tone_with_five=True))


def summary(results: list[SpokenLine]) -> dict[str, float]:
    """Returns speed and errors of one network over its lines."""
    import jiwer

    texts, heard = [r.line for r in results], [r.heard for r in results]
    audio_s = sum(r.audio_s for r in results)
    return {
        "seconds_per_line": statistics.mean(r.seconds for r in results),
        "cpu_s_per_line": statistics.mean(r.cpu_s for r in results),
        "audio_s_per_line": audio_s / len(results),
        "real_time_factor": sum(r.seconds for r in results) / audio_s,
        "first_sound_s": statistics.mean(r.first_sound_s for r in results),
        "character_error": jiwer.cer([*map(characters, texts)], [*map(characters, heard)]),
        "toned_syllable_error": jiwer.wer([*map(syllables, texts)], [*map(syllables, heard)]),
    }


def open_networks(before: Path | None, threads: int, options: KokoroOptions) -> dict[str, Kokoro]:
    """Loads the network of the cache, phrase by phrase and in one piece, and `before` with the same voices."""
    folder, compute = locate("kokoro-82m-onnx"), Compute(threads=threads)
    whole = options.model_copy(update={"min_phrase_chars": UNSPLIT_CHARS})
    networks = {NOW: Kokoro(folder, options, compute), UNSPLIT: Kokoro(folder, whole, compute)}
    if before is not None:
        with tempfile.TemporaryDirectory() as name:
            other = Path(name)
            for file in ("vocab.json", "voices"):
                (other / file).symlink_to(folder / file)
            (other / "model.onnx").symlink_to(before.resolve())
            networks[BEFORE] = Kokoro(other, options, compute)
    return networks


def read_lines(references: Path | None, limit: int | None) -> list[str]:
    """Returns the lines above, or the last column of a tab-separated file with a header."""
    if references is None:
        return list(LINES)[:limit]
    with references.open(encoding="utf-8", newline="") as rows:
        return [row[-1] for row in csv.reader(rows, delimiter="\t")][1:][:limit]


def main() -> int:
    """Speaks and hears every line and prints the table."""
    parser = measurement_parser(__doc__)
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of each model (default: 1)")
    parser.add_argument("--voice", default=KokoroOptions().voice, help="default: %(default)s")
    parser.add_argument(
        "--before", type=Path, metavar="MODEL.onnx", help="another network to compare, such as the int8 original"
    )
    parser.add_argument("--references", type=Path, metavar="TSV", help="speak the last column of this file")
    parser.add_argument("--lines", type=int, metavar="N", help="only so many lines")
    add_json(parser)
    arguments = parser.parse_args()
    require("jiwer", "opencc")
    from faster_whisper import WhisperModel

    lines = read_lines(arguments.references, arguments.lines)
    options = KokoroOptions(voice=arguments.voice)
    began = time.perf_counter()
    networks = open_networks(arguments.before, arguments.threads, options)
    load_s = (time.perf_counter() - began) / len(networks)
    for network in networks.values():
        network.warm_up()
    results = []
    with progress() as bar:
        for line in bar.track(lines, description="speaking"):
            results += [speak(kokoro, name, line) for name, kokoro in networks.items()]
        whisper = WhisperModel(str(locate("whisper-base-ct2")), compute_type="float32", cpu_threads=arguments.threads)
        for result in bar.track(results, description="hearing"):
            result.heard = listen(whisper, result.samples)
    summaries = {name: summary([r for r in results if r.network == name]) for name in networks}
    title = f"Kokoro, {options.voice}, {len(lines)} lines, {arguments.threads} threads; {load_s:.1f} s to load"
    table = figures_table(title, "", *summaries)
    for key in summaries[NOW]:
        table.add_row(key.replace("_", " "), *(f"{each[key]:.3f}" for each in summaries.values()))
    show(table)
    raw = [{key: value for key, value in asdict(result).items() if key != "samples"} for result in results]
    write_record(arguments.json, {"threads": arguments.threads, "load_s": load_s, "summaries": summaries, "lines": raw})
    return 0


if __name__ == "__main__":
    run_measurement(main)
