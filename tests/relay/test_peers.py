"""The comparison's machinery on stand-ins that wait: real processes of ours and of the seed's architecture."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

from benchmarks.load.figures.samples import RequestSample
from benchmarks.peers.__main__ import run_bout
from benchmarks.peers.contestant import Bout, Record
from benchmarks.peers.systems.system import answer
from benchmarks.peers.view import Row, plot, table
from modules.contract.payloads import Audio
from modules.testing.timed import stages


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "stand-ins.yaml"
    relay = {"cores": 4, "dead_letters": str(tmp_path / "dead"), "stages": stages(listen=[0.01], speak=[0.3])}
    path.write_text(yaml.safe_dump(relay, sort_keys=False))
    return str(path)


def bout(config: str, *, kill: bool) -> Bout:
    return Bout(
        config=config,
        changes=(),
        ratio="1:1:2",
        files=("samples/01_farmacia.flac", "samples/02_tren.flac"),
        rate=10.0,
        requests=8,
        seed=0,
        give_up_s=8.0,
        kill=kill,
    )


def test_ours_answers_everything_and_replaces_a_killed_worker(config: str) -> None:
    record = run_bout("relevo", bout(config, kill=True))
    assert record is not None
    assert [sample.outcome for sample in record.samples] == ["ok"] * 8
    assert record.killed_at_s is not None
    assert record.ready_s > 0
    assert record.peak_rss_bytes > 50 << 20


def test_the_seeds_architecture_loses_what_its_killed_worker_had_and_nothing_stays_behind(config: str) -> None:
    record = run_bout("seed", bout(config, kill=True))
    assert record is not None
    outcomes = [sample.outcome for sample in record.samples]
    assert outcomes.count("ok") + outcomes.count("cancelled") == 8
    assert "cancelled" in outcomes
    assert not record.replaced
    assert not psutil.Process().children(recursive=True)


def test_a_loop_of_one_process_serves_in_turn(config: str) -> None:
    record = run_bout("sequential", bout(config, kill=False))
    assert record is not None
    assert [sample.outcome for sample in record.samples] == ["ok"] * 8
    ends = sorted(sample.end_s for sample in record.samples)
    assert all(after - before >= 0.3 for before, after in itertools.pairwise(ends))


def test_silence_before_the_sound_counts_into_the_first_audio() -> None:
    sound = np.concatenate([np.zeros(4_000, np.float32), np.full(4_000, 0.5, np.float32)])
    result = answer(1, [Audio(sound, 16_000)], latency_s=2.0)
    assert result.time_to_first_audio_s == pytest.approx(2.25)


def sample(number: int, outcome: str, end_s: float) -> RequestSample:
    return RequestSample(
        0, number, "clip", 1.0, False, float(number), float(number), end_s, end_s, outcome, "", 0.0, ()
    )


def test_the_table_says_what_a_kill_did(tmp_path: Path) -> None:
    calm = Record(3.0, 2**30, None, False, tuple(sample(n, "ok", n + 2.0) for n in range(4)))
    killed = Record(
        3.0, 2**30, 0.5, False, (sample(0, "ok", 2.0), sample(1, "cancelled", 9.0), sample(2, "failed", 3.0))
    )
    row = Row.of("seed", calm, killed)
    assert row.throughput_rps == pytest.approx(4 / 5)
    assert (row.p50_s, row.first_audio_p50_s) == (pytest.approx(2.0), pytest.approx(2.0))
    assert row.after_kill == "1 ok, 1 never answered, 1 failed, worker not replaced, nothing served after it"
    nothing = Row.of("mosec", None, None)
    assert nothing.throughput_rps is None
    assert table([row, nothing], "title").row_count == 2
    plot([row, nothing], tmp_path / "peers.png")
    assert (tmp_path / "peers.png").stat().st_size > 1000
    assert not math.isnan(row.ready_s or math.nan)
