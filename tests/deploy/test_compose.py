"""docker-compose.yml and the Dockerfile without a container: checked, and the services' commands run side by side."""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from checkout import ROOT
from pipeline import parser
from tests.conftest import clip
from workers.client import Client

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))[
    "services"
]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
VOLUMES = ("peer-keys", "keys", "dead-letters")
WAIT_S = 120


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


def test_what_is_mounted_is_there():
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (ROOT / source).exists(), source


def test_the_images_get_every_module_that_is_installed_and_nothing_that_is_gone():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert [name for name in kept if not (ROOT / name).exists()] == []
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {pattern.rstrip("*") for pattern in setup["packages"]["find"]["include"]}
    assert {f"{module}.py" for module in setup["py-modules"]} | packages <= kept


def test_what_an_image_runs_is_not_owned_by_the_user_who_runs_it():
    stages = [stage for stage in DOCKERFILE.split("\nFROM ") if "\nCOPY . ." in stage]
    assert [stage.split()[2] for stage in stages] == ["hub", "offline"]  # after "base AS"
    for stage in stages:
        assert stage.index("\nUSER 10001") > stage.index("\nCOPY . .")


class ServiceCommand:
    """A service's command, run as its container would run it; its output is kept in a file."""

    def __init__(self, name: str, command: list[str], variables: dict[str, str], log: Path) -> None:
        self.name, self._log = name, log
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with log.open("w") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, "PATH": path, **variables}, stdout=output, stderr=output
            )

    def output(self) -> str:
        return f"{self.name}, {self.process.args}:\n{self._log.read_text(errors='replace')}"

    def status(self) -> int:
        """The exit status, once the command has ended."""
        try:
            return self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still runs after {WAIT_S} s: {self.output()}")


class ServiceCommands:
    """Starts services with volumes in a folder of the test, and with the compose file's own ports.

    The ports are on an address of loopback that belongs to this process alone, so no other test can hold them.
    """

    def __init__(self, folder: Path, config: Path) -> None:
        self._folder, self._config = folder, config
        self._started: list[ServiceCommand] = []
        self.host = str(ipaddress.IPv4Address("127.64.0.0") + os.getpid())
        for volume in VOLUMES:
            (folder / volume).mkdir()

    def adapted(self, text: str) -> str:
        """A word of the compose file as it reads on this machine."""
        text = text.replace("pipelines/offline.yaml", str(self._config))
        text = text.replace("$$", "$").replace("${SPEAK_THREADS:-1}", "1")
        text = re.sub(rf"(?<!\S)/({'|'.join(VOLUMES)})\b", rf"{self._folder}/\1", text)
        return re.sub(r"\b(relay|0\.0\.0\.0|127\.0\.0\.1):", f"{self.host}:", text)

    def start(self, name: str, command: list[str] | None = None) -> ServiceCommand:
        service = SERVICES[name]
        variables = {key: self.adapted(value) for key, value in service.get("environment", {}).items()}
        words = [self.adapted(word) for word in command or service["command"]]
        log = self._folder / f"{len(self._started)}-{name}.log"
        self._started.append(ServiceCommand(name, words, variables, log))
        return self._started[-1]

    def until(self, seen: Callable[[], Any], *needed: ServiceCommand) -> Any:
        """What `seen` returns once it is true; fails, with all output, once a needed service has ended."""
        give_up_at = time.monotonic() + WAIT_S
        while not (found := seen()):
            ended = [service.name for service in needed if service.process.poll() is not None]
            if ended or time.monotonic() > give_up_at:
                why = f"{ended} ended" if ended else f"nothing after {WAIT_S} s"
                pytest.fail("\n".join([why, *(service.output() for service in self._started)]))
            threading.Event().wait(0.05)
        return found

    def close(self) -> None:
        for service in self._started:
            service.process.kill()
            service.process.wait()


@pytest.fixture
def services(tmp_path, fake_config):
    # Written once: a relay that starts reads it while checks of its health start too.
    made = ServiceCommands(tmp_path, fake_config())
    yield made
    made.close()


def test_the_services_commands_make_a_relay_that_is_ready_once_the_speech_stage_has_dialled_in(services, tmp_path):
    live = yaml.safe_load(re.search(r"^HEALTHCHECK.*\\\n *CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[1])
    ready = ["sh", "-c", SERVICES["relay"]["healthcheck"]["test"][1]]

    for _ in range(2):  # the second time as at every later start
        keys = services.start("keys")
        assert keys.status() == 0, keys.output()
    assert {file.name for file in (tmp_path / "peer-keys").iterdir()} == {"broker.key", "peer.key_secret"}
    relay = services.start("relay")
    services.until(lambda: services.start("relay", live).status() == 0, relay)
    assert services.start("relay", ready).status() != 0, "ready without its last stage"
    speakers = [services.start("speak") for _ in range(2)]
    address = services.adapted("tcp://relay:7000")
    services.until(lambda: f"ready at {address}\n" in relay.output(), relay, *speakers)
    assert services.start("relay", ready).status() == 0
    with Client(address, tmp_path / "peer-keys") as client:
        services.until(lambda: client.status().stages[-1].ready == 2, relay, *speakers)
        assert client.submit(clip()).result(WAIT_S).outcome == "ok"
    relay.process.terminate()
    assert relay.status() == 0, relay.output()
    assert [speaker.status() for speaker in speakers] == [0, 0]


def test_the_commands_that_the_file_shows_are_ones_that_the_command_line_takes():
    text = re.sub(r" \\\n# +", " ", (ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    shown = re.findall(r"relay relevo (.+)", text)
    assert shown
    for command in shown:
        parser().parse_args(shlex.split(command))
