from __future__ import annotations

import pytest

from errors import ConfigError, MissingWeights
from workers.config import PipelineConfig
from workers.plan import make_plan, resized
from workers.processes.budget import available_cores


def config(ratio="1:1:1", **changes):
    stages = {
        "listen": {"module": "modules.testing.faulty:FaultyListen"},
        "translate": {"module": "modules.testing.faulty:FaultyTranslate"},
        "speak": {"module": "modules.testing.faulty:FaultySpeak", **changes.pop("speak", {})},
    }
    return PipelineConfig(**{"stages": stages, "ratio": ratio, "cores": 4, **changes})


def threads(plan):
    return [stage.threads for stage in plan.stages]


def test_auto_shares_the_cores_among_a_stages_replicas():
    assert threads(make_plan(config("1:2:3"))) == [4, 2, 1]


def test_a_stage_over_the_cores_is_refused_with_the_numbers_unless_allowed():
    with pytest.raises(ConfigError, match=r"speak: 5 replicas × 1 threads need 5 cores but there are 4"):
        make_plan(config("1:1:5"))
    allowed = make_plan(config("1:1:5", allow_oversubscription=True))
    assert any("5 replicas" in warning for warning in allowed.warnings)


def test_a_total_over_the_cores_is_a_warning_with_the_numbers():
    assert any("12 threads on 4 cores" in warning for warning in make_plan(config()).warnings)


def test_replicas_take_the_devices_in_turn():
    plan = make_plan(config("1:1:3", speak={"device": ["cuda:0", "cuda:1"]}))
    assert plan.stages[2].devices == ("cuda:0", "cuda:1", "cuda:0")


def test_neighbours_that_do_not_fit_are_refused():
    stages = {
        "speak": {"module": "modules.testing.faulty:FaultySpeak"},
        "translate": {"module": "modules.testing.faulty:FaultyTranslate"},
    }
    with pytest.raises(ConfigError, match="speak yields Audio but stage translate takes Text"):
        make_plan(PipelineConfig(stages=stages, cores=1))


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"module": "nonsense"}, "unknown module 'nonsense'"),
        ({"module": "modules.testing.faulty:Missing"}, "cannot import"),
        ({"module": "pathlib:Path"}, "not a subclass"),
        ({"module": "modules.testing.faulty:FaultyListen", "options": {"piecse": 1}}, "piecse"),
    ],
)
def test_a_wrong_module_or_option_is_named_with_its_stage(stage, message):
    with pytest.raises(ConfigError, match=f"stage only.*{message}"):
        make_plan(PipelineConfig(stages={"only": stage}, cores=1))


@pytest.mark.parametrize("python", ["nowhere/python", "/", __file__])
def test_an_interpreter_that_is_no_program_is_named_with_its_stage(python):
    with pytest.raises(ConfigError, match=f"stage speak: python: .*{python} is no program"):
        make_plan(config(speak={"python": python}))


def test_keys_that_are_not_there_are_named_before_anything_starts(tmp_path):
    with pytest.raises(ConfigError, match=r"broker\.key_secret"):
        make_plan(config(keys=str(tmp_path)))


def test_a_stage_served_from_elsewhere_needs_no_weights_here_until_it_is_to_run_here(tmp_path, monkeypatch):
    monkeypatch.setenv("RELEVO_CACHE", str(tmp_path))
    stages = {"speak": {"module": "kokoro", "model": "kokoro-82m-onnx"}}
    plan = make_plan(PipelineConfig(stages=stages, cores=2, ratio="0", listen_replicas="tcp://127.0.0.1:0"))
    assert (plan.stages[0].replicas, plan.stages[0].devices, plan.memory_bytes) == (0, (), 0)
    with pytest.raises(ConfigError, match="kokoro-82m-onnx is not here"):
        resized(plan, plan.stages[0], "speak", 1)


def test_missing_weights_are_named_with_the_command_that_brings_them(tmp_path, monkeypatch):
    monkeypatch.setenv("RELEVO_CACHE", str(tmp_path))
    with pytest.raises(MissingWeights, match=r"kokoro-82m-onnx.*weights fetch"):
        make_plan(PipelineConfig(stages={"speak": {"module": "kokoro", "model": "kokoro-82m-onnx"}}))


def test_a_containers_cpu_quota_bounds_the_cores(tmp_path):
    quota = tmp_path / "cpu.max"
    quota.write_text("100000 100000\n")
    assert available_cores(quota) == 1
    quota.write_text("max 100000\n")
    assert available_cores(quota) == available_cores(tmp_path / "none")


def test_an_autoscaled_stage_has_the_threads_of_its_most_replicas_and_must_fit_with_them():
    bounds = {"min": 1, "max": 4}
    plan = make_plan(config(speak={"autoscale": bounds}))
    assert threads(plan) == [4, 4, 1]
    assert threads(make_plan(config("1:1:4", speak={"autoscale": bounds}))) == [4, 4, 1]
    with pytest.raises(ConfigError, match="speak: 4 replicas × 2 threads need 8 cores but there are 4"):
        make_plan(config(speak={"autoscale": bounds, "threads": 2}))


def test_an_autoscaled_stage_is_not_scaled_beyond_its_bounds():
    plan = make_plan(config(speak={"autoscale": {"min": 1, "max": 3}}))
    assert resized(plan, plan.stages[2], "speak", 3).replicas == 3
    with pytest.raises(ConfigError, match="speak scales by itself from 1 to 3 replicas, so it cannot have 4"):
        resized(plan, plan.stages[2], "speak", 4)
