from __future__ import annotations

import pytest

from checkout import ROOT
from errors import ConfigError
from modules.contract.registry import module_options
from workers.config import StageConfig, load_config, nested

MINIMAL = "stages:\n  a: {module: kokoro}\n  b: {module: kokoro, threads: 3}\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "relay.yaml"
    path.write_text(MINIMAL)
    return path


def test_command_line_beats_environment_beats_file_beats_default(file, monkeypatch):
    assert load_config(file).stages["a"].threads == "auto"
    assert load_config(file).stages["b"].threads == 3
    monkeypatch.setenv("RELEVO_STAGES__B__THREADS", "4")
    assert load_config(file).stages["b"].threads == 4
    assert load_config(file, **nested(["stages.b.threads=5"])).stages["b"].threads == 5
    assert load_config(file, **nested(["stages.b.threads=5"])).stages["a"].module == "kokoro"


def test_a_ratio_needs_no_quotes(file):
    file.write_text("ratio: 1:12\n" + MINIMAL)
    assert load_config(file).replicas() == {"a": 1, "b": 12}


def test_the_ratio_may_come_from_the_environment(file, monkeypatch):
    monkeypatch.setenv("RELEVO_RATIO", "2:3")
    assert load_config(file).replicas() == {"a": 2, "b": 3}


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("RELEVO_RATOI", r"unknown environment variable RELEVO_RATOI; did you mean RELEVO_RATIO\?"),
        ("relevo_ratoi", r"unknown environment variable relevo_ratoi; did you mean RELEVO_RATIO\?"),
        ("RELEVO_RATIO__B", r"did you mean RELEVO_RATIO\?"),
        ("RELEVO_STAGES_B_THREADS", r"did you mean RELEVO_STAGES__B__THREADS\?"),
        ("RELEVO_WEIGHT", r"did you mean RELEVO_WEIGHTS\?"),
        ("RELEVO_", "remove it or correct its spelling"),
        ("RELEVO_STAGES__B__THREDS", r"unknown key 'stages\.b\.threds' .*did you mean stages\.b\.threads\?"),
        ("RELEVO_STAGES__B__AUTOSCALE__MXA", r"did you mean stages\.b\.autoscale\.max\?"),
    ],
)
def test_an_unknown_variable_is_named_with_the_nearest_known(file, monkeypatch, variable, message):
    monkeypatch.setenv(variable, "1")
    with pytest.raises(ConfigError, match=message):
        load_config(file)


def test_variables_that_are_no_keys_are_left_alone(file, monkeypatch):
    for variable in ("RELEVO_CACHE", "RELEVO_WEIGHTS", "RELEVOX", "MY_RELEVO_RATOI"):
        monkeypatch.setenv(variable, "1")
    monkeypatch.setenv("RELEVO_STAGES__B__OPTIONS__VOICE", "zm_yunxi")
    assert load_config(file).stages["b"].options == {"voice": "zm_yunxi"}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("nope=1", "unknown key 'nope'"),
        ("ratoi=1:1", r"unknown key 'ratoi' .*; did you mean ratio\?"),
        ("stages.a.thread=1", r"unknown key 'stages\.a\.thread' .*; did you mean stages\.a\.threads\?"),
        ("ratio=1:2:3", "3 parts but the relay has 2 stages"),
        ("ratio=1:0", "whole number from 1"),
        ("ratio=1:x", "whole number from 1"),
        ("stages.a.max_batch=0", "max_batch"),
        ("stages.Bad.module=kokoro", "lower-case"),
        ("stages.a.device=[gpu]", "device"),
        ("listen=somewhere", "tcp://HOST:PORT"),
        ("listen_replicas=somewhere", "tcp://HOST:PORT"),
        ("listen=tcp://0.0.0.0:5555", r"listen: tcp://0\.0\.0\.0:5555 can be reached .* needs keys"),
        ("listen_replicas=tcp://*:5555", "listen_replicas: .* needs keys"),
        ("ratio=1:0", "needs listen_replicas"),
        ("metrics=somewhere:x", "metrics: .* write HOST:PORT"),
        ("listen=tcp://127.0.0.1:80000", "listen: .* port '80000' is no number from 0 to 65535"),
        ("listen_replicas=tcp://127.0.0.1", "listen_replicas: .* has no port"),
        ("metrics=127.0.0.1:99999", "metrics: .* write HOST:PORT"),
        ("objectives_s=[0]", "objectives_s"),
        ("stages.a.autoscale={min: 2, max: 1}", "min: 2 is more than max: 1"),
        ("stages.a.autoscale={max: 2, busy_below: 0.9}", "busy_below: 0.9 must be less than busy_above"),
        ("seed", "KEY=VALUE"),
        ("ratio=[", "the value is not YAML"),
    ],
)
def test_a_wrong_key_or_value_is_named(file, assignment, message):
    with pytest.raises(ConfigError, match=message):
        load_config(file, **nested([assignment]))


def test_a_stage_may_have_all_its_replicas_elsewhere_when_they_can_dial_in(file):
    assert load_config(file, ratio="1:0", listen_replicas="tcp://127.0.0.1:0").replicas() == {"a": 1, "b": 0}


def test_an_exposed_address_is_fine_with_keys(file):
    assert load_config(file, listen="tcp://0.0.0.0:5555", keys="keys").listen == "tcp://0.0.0.0:5555"


def test_an_unreadable_or_broken_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"missing\.yaml.*No such file"):
        load_config(tmp_path / "missing.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("stages: [")
    with pytest.raises(ConfigError, match="not YAML"):
        load_config(broken)
    broken.write_text("just text")
    with pytest.raises(ConfigError, match="mapping"):
        load_config(broken)


def test_an_autoscaled_stage_begins_within_its_bounds(file):
    bounds = nested(["stages.a.autoscale={min: 2, max: 3}"])
    assert load_config(file, **bounds).replicas() == {"a": 2, "b": 1}
    with pytest.raises(ConfigError, match=r"1 is outside the bounds 2 to 3 of stages\.a\.autoscale"):
        load_config(file, ratio="1:1", **bounds)


@pytest.mark.parametrize(
    "path", [ROOT / "config.yaml", *sorted((ROOT / "pipelines").glob("*.yaml"))], ids=lambda p: p.name
)
def test_the_shipped_configurations_are_valid(path):
    stages = load_config(path).stages
    assert stages
    for stage in stages.values():
        module_options(stage.module, stage.options)


def test_a_relative_interpreter_begins_at_the_checkout_wherever_the_caller_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert StageConfig(module="kokoro", python=".venv-x/bin/python").python == str(ROOT / ".venv-x/bin/python")
    assert StageConfig(module="kokoro", python="/usr/bin/python").python == "/usr/bin/python"


def test_assignments_that_contradict_each_other_are_named():
    with pytest.raises(ConfigError, match="a was set to 1 before; set only one of them"):
        nested(["stages.a=1", "stages.a.threads=2"])
