"""The offline image by itself, as the compose file restricts it and without a network."""

from __future__ import annotations

import json
import wave

import pytest

from checkout import ROOT
from modules.weights.cache import cache_root
from tests.deploy.images.build import PIP_SETTINGS
from tests.deploy.images.conftest import HARDENED, USER, podman

OFFLINE = "relevo:offline"
WEIGHTS = (f"--volume={cache_root()}:/weights:ro",)


def run(*command: str, options: tuple[str, ...] = ()) -> str:
    return podman("run", "--rm", "--network=none", *HARDENED, *options, OFFLINE, *command)


def test_it_starts_as_a_user_who_is_not_root():
    assert run("id", "--user").strip() == str(USER)


def test_check_accepts_the_configuration_and_prints_the_plan():
    plan = run(
        "relevo", "check", "--config", "pipelines/offline.yaml", options=(f"--volume={cache_root()}:/weights:ro",)
    )
    for stage in ("listen", "translate", "speak"):
        assert stage in plan


def test_it_translates_a_clip_with_weights_that_it_cannot_write_to(folder):
    mounts = (*WEIGHTS, f"--volume={folder}:/output")
    command = ("relevo", "run", "--config", "pipelines/offline.yaml", "--output", "/output", "--report")
    run(*command, "/output/report.json", "samples/01_farmacia.flac", options=mounts)
    with wave.open(str(folder / "01_farmacia.zh.wav")) as spoken:
        assert spoken.getnframes() > spoken.getframerate()
    (recording,) = json.loads((folder / "report.json").read_text())["clips"]
    assert recording["outcome"] == "ok"
    assert "药" in recording["texts"]["translate"]  # the clip asks for a pharmacy


@pytest.mark.parametrize("target", ["offline", "hub"])
def test_an_image_holds_no_settings_of_the_machine_that_built_it(target):
    config = json.loads(podman("image", "inspect", f"relevo:{target}"))[0]["Config"]
    names = {variable.partition("=")[0] for variable in config["Env"]}
    assert not names & {f"PIP_{setting.upper().replace('-', '_')}" for setting in PIP_SETTINGS}
    listed = podman("run", "--rm", "--network=none", f"relevo:{target}", "pip", "config", "list")
    assert {line.split("=")[0] for line in listed.split()} <= {":env:.no-cache-dir", ":env:.disable-pip-version-check"}


def test_it_holds_only_what_dockerignore_names():
    wanted = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(run("ls", "/relevo").split()) - {"relevo.egg-info"} == wanted
