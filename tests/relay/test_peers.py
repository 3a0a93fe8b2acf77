"""The comparison's machinery on stand-ins that wait: real processes of ours and of the seed's architecture."""

from __future__ import annotations

import itertools
import math
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from benchmarks.load.figures.samples import RequestSample
from benchmarks.peers.__main__ import trial_in_a_process
from benchmarks.peers.comparison import KillOutcome, SystemFigures, comparison_table, errors_of, plot
from benchmarks.peers.systems.system import whole_answer
from benchmarks.peers.systems.worker_marks import WorkerMarks
from benchmarks.peers.trial import SecondTry, TrialPlan, TrialRecord
from benchmarks.peers.worker_kill import kill_holding_worker
from checkout import ROOT
from modules.contract.payloads import Audio
from modules.testing import stand_in_stages, write_configuration

# A worker that holds a request when it is told to; it answers each line once the mark is made.
WORKER = """
import contextlib, sys
from benchmarks.peers.systems.worker_marks import WorkerMarks
marks = WorkerMarks(sys.argv[1], 2)
marks.set_ready()
holding = contextlib.ExitStack()
print("ready", flush=True)
for line in sys.stdin:
    holding.enter_context(marks.holding()) if line == "hold\\n" else holding.close()
    print(line, end="", flush=True)
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    stages = stand_in_stages("timed", listen={"service_s": [0.01]}, speak={"service_s": [0.3]})
    return str(write_configuration(tmp_path / "stand-ins.yaml", stages, cores=4, dead_letters=str(tmp_path / "dead")))


def plan(config: str, *, kill: bool, replacement_s: float = 20.0) -> TrialPlan:
    return TrialPlan(
        config=config,
        changes=(),
        ratio="1:1:2",
        files=("samples/01_farmacia.flac", "samples/02_tren.flac"),
        rate=10.0,
        requests=8,
        seed=0,
        give_up_s=8.0,
        replacement_s=replacement_s,
        kill=kill,
    )


def outcomes(record: TrialRecord) -> list[str]:
    return [sample.outcome for sample in record.samples]


def test_ours_answers_what_a_killed_worker_had_in_hand_and_replaces_the_worker(config: str) -> None:
    record = trial_in_a_process("relevo", plan(config, kill=True))
    assert record is not None
    assert record.killed_at_s is not None
    assert outcomes(record) == ["ok"] * 8
    assert record.second_tries == ()
    assert record.replaced_at_s is not None
    assert record.replaced_at_s > record.killed_at_s
    assert record.ready_s > 0
    assert record.peak_rss_bytes > 50 << 20


def test_the_seeds_architecture_loses_the_request_in_hand_and_nothing_stays_behind(config: str) -> None:
    record = trial_in_a_process("seed", plan(config, kill=True, replacement_s=0.5))
    assert record is not None
    assert record.killed_at_s is not None
    assert sorted(outcomes(record)) == ["cancelled"] + ["ok"] * 7
    assert [again.outcome for again in record.second_tries] == ["ok"]
    assert record.replaced_at_s is None
    assert not psutil.Process().children(recursive=True)


@pytest.mark.parametrize(("system", "package"), [("mosec", "mosec"), ("ray", "ray")])
def test_others_lose_their_worker_with_a_request_in_hand(config: str, system: str, package: str) -> None:
    pytest.importorskip(package, reason="installed by `make peers`")
    record = trial_in_a_process(system, plan(config, kill=True))
    assert record is not None
    assert record.killed_at_s is not None
    assert len(record.second_tries) == 8 - outcomes(record).count("ok")


def test_a_loop_of_one_process_serves_in_turn(config: str) -> None:
    record = trial_in_a_process("sequential", plan(config, kill=False))
    assert record is not None
    assert outcomes(record) == ["ok"] * 8
    ends = sorted(sample.end_s for sample in record.samples)
    assert all(after - before >= 0.3 for before, after in itertools.pairwise(ends))


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", WORKER, str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()


def told(worker: subprocess.Popen[str], word: str) -> None:
    assert worker.stdin is not None
    assert worker.stdout is not None
    print(word, file=worker.stdin, flush=True)
    assert worker.stdout.readline() == f"{word}\n"


def test_only_a_worker_that_holds_a_request_is_killed(worker: subprocess.Popen[str], tmp_path: Path) -> None:
    marks = WorkerMarks(tmp_path, 2)
    assert marks.workers() == {worker.pid}
    assert kill_holding_worker(marks, random.Random(0)) is None
    told(worker, "hold")
    told(worker, "release")
    assert kill_holding_worker(marks, random.Random(0)) is None
    told(worker, "hold")
    assert kill_holding_worker(WorkerMarks(tmp_path, 1), random.Random(0)) is None
    assert kill_holding_worker(marks, random.Random(0)) == worker.pid
    assert worker.wait() == -9
    assert marks.holds(worker.pid)
    assert marks.workers() == set()


def test_a_worker_that_has_just_answered_goes_on(
    worker: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = WorkerMarks(tmp_path, 2)
    told(worker, "hold")
    answers = iter([True, False])  # it answers between the two looks
    monkeypatch.setattr(marks, "holds", lambda pid: next(answers))
    assert kill_holding_worker(marks, random.Random(0)) is None
    told(worker, "release")


def test_silence_before_the_sound_counts_into_the_first_audio() -> None:
    sound = np.concatenate([np.zeros(4_000, np.float32), np.full(4_000, 0.5, np.float32)])
    result = whole_answer(1, [Audio(sound, 16_000)], latency_s=2.0)
    assert result.time_to_first_audio_s == pytest.approx(2.25)


def sample(number: int, outcome: str, end_s: float, error: str = "") -> RequestSample:
    return RequestSample(
        0, number, "clip", 1.0, False, float(number), float(number), end_s, end_s, outcome, error, 0.0, ()
    )


CALM = TrialRecord(3.0, 2**30, None, None, tuple(sample(n, "ok", n + 2.0) for n in range(4)), ())


def test_the_table_says_what_a_kill_did(tmp_path: Path) -> None:
    samples = (sample(0, "ok", 2.0), sample(1, "cancelled", 9.0), sample(2, "failed", 3.0, "gone\nat line 3"))
    killed = TrialRecord(3.0, 2**30, 0.5, 2.75, samples, (SecondTry(1, "ok", 1.0), SecondTry(2, "ok", 2.0)))
    figures = SystemFigures.of("seed", CALM, killed)
    assert figures.throughput_rps == pytest.approx(4 / 5)
    assert (figures.p50_s, figures.first_audio_p50_s) == (pytest.approx(2.0), pytest.approx(2.0))
    assert figures.kill == KillOutcome(
        "1 ok, 1 never answered, 1 failed, nothing served after it", "2 ok", "after 2.2 s"
    )
    assert errors_of(killed) == ["gone"]
    nothing = SystemFigures.of("mosec", None, None)
    assert (nothing.throughput_rps, nothing.kill.requests) == (None, "–")
    assert comparison_table([figures, nothing], "title").row_count == 2
    plot([figures, nothing], tmp_path / "peers.png")
    assert (tmp_path / "peers.png").stat().st_size > 1000
    assert not math.isnan(figures.ready_s or math.nan)


def test_a_trial_without_a_kill_does_not_pass_for_one_that_lost_nothing() -> None:
    assert KillOutcome.of(CALM) == KillOutcome(requests="no worker was found with a request in hand")
