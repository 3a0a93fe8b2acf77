"""The arguments of `relevo tune`, checked before anything starts."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from benchmarks.tune import command
from benchmarks.tune.options import tune_options
from checkout import ROOT
from errors import ConfigError

CLIP = str(ROOT / "samples" / "01_farmacia.flac")


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return parser.parse_args(["tune", *arguments])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no recordings were given"),
        (["--plan", "cores=4"], "--plan with a --profile"),
        (["/no/such.wav"], "there is no file /no/such.wav"),
        ([CLIP, "--arrivals", "closed:3"], "no rate to tune for"),
        ([CLIP, "--arrivals", "ramp:3"], "no rate to tune for"),
        ([CLIP, "--rate", "0"], "--rate 0: write requests per second, above 0"),
        ([CLIP, "--rate", "inf"], "--rate inf"),
        ([CLIP, "--memory-gb", "-1"], "--memory-gb -1"),
        ([CLIP, "--requests", "0"], "--requests 0"),
        ([CLIP, "--threads", "1", "0"], "--threads 0"),
        ([CLIP, "--confirm", "-1"], "--confirm -1"),
        ([CLIP, "--slo", "4s"], "such as p95=4s"),
        ([CLIP, "--gpu-speed", "speak=2"], "needs --plan"),
        ([CLIP, "--plan", "cores=0"], "a machine has 1 core or more"),
        ([CLIP, "--plan", "cores"], "write it like cores=64"),
        ([CLIP, "--plan", "cpus=4"], "cpus is unknown"),
        ([CLIP, "--plan", "cores=4,gpus=-1"], "0 or more"),
        ([CLIP, "--plan", "cores=inf"], "a machine has"),
        ([CLIP, "--plan", "cores=4", "--gpu-speed", "speak=2"], "needs GPUs in --plan cores=4"),
        ([CLIP, "--plan", "gpus=1", "--gpu-speed", "sing=2"], "no such stage, only listen, translate, speak"),
        ([CLIP, "--plan", "gpus=1", "--gpu-speed", "speak"], "such as speak=20"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_starts(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        tune_options(parse(*arguments))
    assert message in str(refusal.value)


@pytest.mark.parametrize("option", ["--write", "--json", "--profile"])
def test_a_folder_that_cannot_be_written_is_refused_before_the_work(option: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=option):
        tune_options(parse(CLIP, option, str(tmp_path / "file" / "out")))


def test_a_machine_is_planned_in_its_units() -> None:
    plan = tune_options(parse(CLIP, "--plan", "cores=16,gpus=2,memory_gb=8", "--gpu-speed", "speak=10")).plan
    assert plan is not None
    assert (plan.cores, plan.gpus, plan.memory_bytes, plan.gpu_speeds) == (16, 2, 8 << 30, {"speak": 10.0})
