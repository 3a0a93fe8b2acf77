"""docker-compose.yml and the Dockerfile, without an engine: validated, and their commands run side by side here."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.common.port import free_port
from checkout import ROOT
from pipeline import parser
from tests.conftest import clip, until
from workers.client.client import Client

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))[
    "services"
]
WAIT_S = 60


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed; see .ci/run")
def test_docker_compose_accepts_the_file():
    done = subprocess.run(
        ["docker-compose", "config", "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_hadolint_finds_no_fault_with_the_dockerfile():
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, ROOT / "deploy" / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_images_are_pinned_and_nothing_is_published_beyond_this_machine():
    for name, service in SERVICES.items():
        assert re.search(r":(v?\d+\.\d+\.\d+|offline)$", service["image"]), name
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name


def test_what_is_mounted_and_copied_is_there():
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (ROOT / source).exists(), source
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    for line in kept:
        assert not line.startswith("!") or (ROOT / line[1:]).exists(), line
    image = (ROOT / "deploy" / "Dockerfile").read_text()
    assert "requirements/run.txt" in image
    for stage in image.split("\nFROM ")[2:]:
        assert stage.index("\nUSER 10001") > stage.index("\nCOPY . ."), "what runs is not root's"


@pytest.fixture
def container(tmp_path, fake_config):
    """Starts a command of a service as its container would, with volumes and ports of the test's own."""
    ports = {port: free_port() for port in ("7000", "7001", "9464")}
    folders = {f"/{name}": str(tmp_path / name) for name in ("peer-keys", "keys", "dead-letters")}
    (tmp_path / "peer-keys").mkdir()

    def here(text: str) -> str:
        text = text.replace("pipelines/offline.yaml", str(fake_config())).replace("$$", "$")
        text = re.sub(r"\b(relay|0\.0\.0\.0):", "127.0.0.1:", text)
        for there, ours in ports.items():
            text = re.sub(rf":{there}\b", f":{ours}", text)
        for there, folder in folders.items():
            text = re.sub(rf"(?<![\w/]){there}\b", folder, text)
        return text.replace("${SPEAK_THREADS:-1}", "1")

    with contextlib.ExitStack() as stack:

        def start(name: str, command: list[str] | None = None) -> subprocess.Popen[str]:
            service = SERVICES[name]
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            given = {key: here(value) for key, value in service.get("environment", {}).items()}
            process = subprocess.Popen(
                [here(word) for word in command or service["command"]],
                cwd=ROOT,
                env={**os.environ, "PATH": path, **given},
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            return process

        start.here = here
        yield start


def test_the_services_commands_make_a_relay_that_is_ready_once_the_speech_stage_has_dialled_in(container, tmp_path):
    health = SERVICES["relay"]["healthcheck"]["test"][1:]

    def healthy() -> bool:
        return container("relay", health).wait(WAIT_S) == 0

    def alive() -> bool:
        assert relay.poll() is None, "the relay has ended"
        return container("relay", live).wait(WAIT_S) == 0

    assert container("keys").wait(WAIT_S) == 0
    assert container("keys").wait(WAIT_S) == 0  # as at every later start
    assert {file.name for file in (tmp_path / "peer-keys").iterdir()} == {"broker.key", "peer.key_secret"}
    relay = container("relay")
    image = (ROOT / "deploy" / "Dockerfile").read_text()
    live = yaml.safe_load(re.search(r"^HEALTHCHECK.*\\\n *CMD (\[.*\])$", image, re.MULTILINE)[1])
    until(alive)
    assert not healthy()
    speakers = [container("speak") for _ in range(2)]
    assert relay.stdout.readline() == f"ready at {container.here('tcp://relay:7000')}\n"
    assert healthy()
    with Client(container.here("tcp://relay:7000"), tmp_path / "peer-keys") as client:
        until(lambda: client.status().stages[-1].ready == 2)
        assert client.submit(clip()).result(WAIT_S).outcome == "ok"
    relay.terminate()
    assert relay.wait(WAIT_S) == 0
    assert [speaker.wait(WAIT_S) for speaker in speakers] == [0, 0]


def test_the_commands_that_the_file_shows_are_ones_that_the_command_line_takes():
    text = re.sub(r" \\\n# +", " ", (ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    shown = re.findall(r"python pipeline\.py (.+)", text)
    assert shown
    for command in shown:
        parser().parse_args(shlex.split(command))
