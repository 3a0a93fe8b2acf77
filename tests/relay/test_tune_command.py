"""`relevo tune` from end to end, on stand-ins that wait: real processes, few settings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks.load.sending.clips import InputClip
from benchmarks.tune.confirmation import measure, predict
from benchmarks.tune.model.fit import fit
from benchmarks.tune.model.measure import StageInputs, measure_stages
from benchmarks.tune.model.profile import Profile, StageMeasurement, TracedJob, jobs_at
from benchmarks.tune.setting import Machine, Setting, stage_plans
from modules.testing import stand_in_stages, write_configuration
from modules.testing.timed import request_audio
from pipeline import main
from workers.config import PipelineConfig, load_config

TIMES = {"listen": [0.02], "speak": [0.06, 0.1]}


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    stages = stand_in_stages("timed", **{stage: {"service_s": times} for stage, times in TIMES.items()})
    dead = str(tmp_path / "dead")
    return write_configuration(tmp_path / "stand-ins.yaml", stages, name="stand-ins", cores=2, dead_letters=dead)


@pytest.fixture
def profile_file(tmp_path: Path) -> Path:
    """A made-up profile of these stages on two cores."""

    def measurements(seconds: float) -> tuple[StageMeasurement, ...]:
        made = [(1, 1, 1.0, 1.0), (1, 2, 0.6, 1.8), (2, 1, 1.1, 1.0)]
        return tuple(
            StageMeasurement(
                n, k, 1, (seconds * share,) * 2, (1, 1), 2 * seconds, 2 * seconds * share * demand, 100 << 20
            )
            for n, k, share, demand in made
        )

    request = TracedJob(3.0, (TracedJob(20.0, (TracedJob(9.0, (TracedJob(2.0), TracedJob(2.0))),)),))
    stages_ = {"listen": measurements(0.4), "translate": measurements(0.8), "speak": measurements(3.0)}
    path = tmp_path / "profile.json"
    Profile({}, 2, (request, request), stages_).write(path)
    return path


def test_a_profile_of_real_processes_finds_the_waits_and_the_shape_of_the_requests(config_file: Path) -> None:
    seen: list[str] = []
    config = load_config(config_file)
    found = measure_stages(config, StageInputs.trace(config, [request_audio(n) for n in (0, 1)]), (1,), 1, seen.append)
    assert list(found.stages) == ["listen", "translate", "speak"]
    assert [len(list(jobs_at(found.requests, depth))) for depth in range(4)] == [2, 2, 2, 4]  # speech has two phrases
    single = found.stages["speak"][0]
    assert (single.replicas, single.threads, single.max_batch) == (1, 1, 1)
    assert all(took_s >= wait_s for took_s, wait_s in zip(single.service_s, TIMES["speak"], strict=True))
    assert single.rss_bytes > 10 << 20
    assert [cell.replicas for cell in found.stages["speak"] if not cell.beside] == [1, 2]
    assert [cell.threads for cell in found.stages["speak"] if cell.beside] == [2]
    assert len(seen) == 3 * len(found.stages["speak"])  # one line of progress for each thing that is measured


def test_a_real_run_and_its_prediction_are_of_the_same_requests(config_file: Path) -> None:
    config = load_config(config_file)
    clips = [InputClip(str(n), request_audio(n)) for n in (0, 1)]
    plans, setting = stage_plans(config), Setting((1, 1, 2), (1, 1, 1))
    model = fit(
        measure_stages(config, StageInputs.trace(config, [clip.payload for clip in clips]), (1,), 1, lambda _: None)
    )
    ended: list[str] = []
    counted = 13
    run = measure(config, plans, setting, clips, counted, lambda sample: ended.append(sample.clip))
    predicted = predict(model, plans, setting, Machine(2), counted)
    # of the ten callers' requests 5 end before those that count, and 10 are cancelled after them
    assert sorted(ended) == ["0"] * 14 + ["1"] * 14
    ideal = 2 / np.mean(TIMES["speak"]) * (1 + 2 / counted)  # two phrases may have begun before
    assert run.rps < ideal  # nothing is quicker than the waits
    assert predicted.rps < ideal
    assert run.p95_s > 0
    assert 0 <= predicted.cpu_share < 1


def test_it_simulates_confirms_and_writes_a_configuration_that_check_accepts(
    config_file: Path, profile_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tuned, figures = tmp_path / "tuned.yaml", tmp_path / "tune.json"
    arguments = ["samples/01_farmacia.flac", "--config", config_file, "--profile", profile_file, "--slo", "p95=20s"]
    arguments += ["--confirm", "1", "--confirm-requests", "4", "--requests", "60", "--write", tuned, "--json", figures]
    assert main(["tune", *map(str, arguments)]) == 0
    shown = capsys.readouterr().out
    assert "Simulated, not measured" not in shown
    assert "The limit is" in shown
    assert "running 1 setting for real" in shown
    assert "knee" in shown
    written = json.loads(figures.read_text())
    first = written["ranking"][0]["setting"]
    assert [one["setting"] for one in written["confirmed"]] == [first]
    config = load_config(tuned)
    assert config.ratio == ":".join(map(str, first["replicas"]))
    assert [stage.threads for stage in config.stages.values()] == first["threads"]
    assert config.stages["speak"].options == {"service_s": TIMES["speak"]}  # the file stands by itself
    assert main(["check", "--config", str(tuned)]) == 0


def test_a_plan_is_simulated_and_says_so(
    config_file: Path, profile_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tuned = tmp_path / "elsewhere.yaml"
    arguments = ["--config", config_file, "--profile", profile_file, "--plan", "cores=16,gpus=2,memory_gb=8"]
    arguments += ["--gpu-speed", "speak=10", "--requests", "40", "--write", tuned]
    assert main(["tune", *map(str, arguments)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Simulated, not measured: 16 cores and 2 GPUs, from a profile made on 2 cores")
    assert "simulated only, on no machine yet" in tuned.read_text()
    config = PipelineConfig(**yaml.safe_load(tuned.read_text().replace("ratio: ", "ratio: !!str ")))
    assert config.cores == 16


def test_a_wrong_argument_ends_with_status_2_and_one_line(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", "--plan", "cores=0", "--config", str(config_file)]) == 2
    assert capsys.readouterr().err.startswith("relevo: --plan 'cores=0'")
