"""The hub image by itself, on tiny checkpoints of the real classes and without a network."""

from __future__ import annotations

import json
import wave

import pytest

from checkout import ROOT
from tests.deploy.images.conftest import HARDENED, USER, podman

HUB = "relevo:hub"
PACKAGES = ("torch", "torchaudio", "transformers", "espnet2", "parallel_wavegan")
TINY = {"listen": "whisper", "translate": "marian", "speak": "espnet"}
SAVE = "import pathlib, sys, importlib as i; i.import_module(sys.argv[1]).save(pathlib.Path(sys.argv[2]))"


def run(*command: str, options: tuple[str, ...] = ()) -> str:
    return podman("run", "--rm", "--network=none", *HARDENED, *options, HUB, *command)


def test_it_starts_as_a_user_who_is_not_root():
    assert run("id", "--user").strip() == str(USER)


@pytest.mark.timeout(600)
def test_the_packages_of_the_hub_models_can_be_imported():
    imports = f"import json, {', '.join(PACKAGES)}; print(json.dumps([torch.__version__, torch.version.cuda]))"
    version, cuda = json.loads(run("python", "-c", imports).splitlines()[-1])
    first = (ROOT / "requirements" / "hub-first.txt").read_text()
    assert f"torch=={version.partition('+')[0]}\n" in first
    assert cuda is None  # the build for CPUs, as pip is told on the machines that run this


def test_it_has_no_compiler():
    assert run("sh", "-c", "command -v g++ || echo none").strip() == "none"


@pytest.mark.timeout(900)
def test_the_relay_of_the_default_configuration_runs_on_tiny_checkpoints(folder):
    """Whisper and Marian of transformers and Tacotron 2 of ESPnet, each in a process of its own."""
    mounts = (f"--volume={ROOT / 'tests'}:/relevo/tests:ro", f"--volume={folder}:/output")
    models = []
    for stage, family in TINY.items():
        run("python", "-c", SAVE, f"tests.hub.checkpoints.{family}", f"/output/{family}", options=mounts)
        models += ["--set", f"stages.{stage}.model=/output/{family}"]
    limit = ["--set", "stages.speak.options.maxlenratio=2"]  # random weights seldom end a sentence by themselves
    command = ["relevo", "run", *models, *limit, "--output", "/output", "--report", "/output/report.json"]
    run(*command, "samples/01_farmacia.flac", options=mounts)
    (recording,) = json.loads((folder / "report.json").read_text())["clips"]
    assert recording["outcome"] == "ok"
    assert recording["texts"].keys() == {"listen", "translate"}
    with wave.open(str(folder / "01_farmacia.zh.wav")) as spoken:
        assert spoken.getnframes() > 0
