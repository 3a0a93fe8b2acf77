"""These tests run the images that `make test-images` has built. Anywhere else they fail and say what to do."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from checkout import ROOT
from modules.weights.cache import cache_root
from tests.deploy.images.build import PROMETHEUS, TARGETS, environment, has_image

HARDENED = ("--init", "--cap-drop=ALL", "--security-opt=no-new-privileges:true")  # as in docker-compose.yml
USER = 10001  # of deploy/Dockerfile
LOOK_S = 0.2


@pytest.fixture(autouse=True)
def no_orphans() -> None:
    """Containers outlive a test. isolated.sh ends what is left of them after the last one."""


@pytest.fixture(scope="session", autouse=True)
def built_and_isolated() -> None:
    """Fails unless the images are there and nothing but loopback is in reach; clears what an earlier run left."""
    assert list(psutil.net_if_addrs()) == ["lo"], "run these tests with `make test-images`: they need isolated.sh"
    missing = [target for target in TARGETS if not has_image(f"relevo:{target}")]
    assert not missing, f"run `make test-images`: the images of {', '.join(missing)} are not built"
    podman("rm", "--all", "--force", "--volumes")
    podman("volume", "prune", "--force")
    podman("network", "prune", "--force")


def podman(*arguments: str | Path) -> str:
    """What a podman command writes to its standard output; fails the test with all of its output."""
    return output(["podman", *arguments], environment())


def output(command: Sequence[str | Path], variables: dict[str, str]) -> str:
    """What a command writes to its standard output; fails the test with all of its output."""
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def processes(container: str) -> list[psutil.Process]:
    """The processes of a running container."""
    first = psutil.Process(int(podman("inspect", "--format={{.State.Pid}}", container)))
    return [first, *first.children(recursive=True)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that a container's user may write to."""
    tmp_path.chmod(0o755)
    made = tmp_path / "shared"
    made.mkdir()
    made.chmod(0o777)
    return made


class ComposeProject:
    """The services of docker-compose.yml, run by docker-compose on podman."""

    def __init__(self, socket: Path, override: Path) -> None:
        self._variables = {**environment(), "DOCKER_HOST": f"unix://{socket}"}
        self._command = ["docker-compose", "--ansi=never", "--project-name=relevo-test"]
        self._command += ["--file=docker-compose.yml", f"--file={override}"]

    def run(self, *arguments: str | Path) -> str:
        """What a docker-compose command writes to its standard output."""
        return output([*self._command, *arguments], self._variables)

    def containers(self, service: str) -> list[str]:
        """The names of a service's containers."""
        listed = podman("ps", "--all", f"--filter=name=^relevo-test_{service}_", "--format={{.Names}}")
        return listed.split()

    def states(self) -> dict[str, tuple[str, int]]:
        """State and exit status of every container."""
        names = podman("ps", "--all", "--format={{.Names}}").split()
        found = json.loads(podman("inspect", *names)) if names else []
        return {each["Name"]: (each["State"]["Status"], each["State"]["ExitCode"]) for each in found}

    def until(self, seen: Callable[[], Any]) -> Any:
        """Returns what `seen` returns once it is true; fails when a service has ended badly before."""
        while not (found := seen()):
            states = self.states()
            bad = [name for name, (state, status) in states.items() if state != "running" and status != 0]
            assert not bad, f"{states}\n{self.run('logs', '--no-color')}"
            threading.Event().wait(LOOK_S)
        return found

    def volume(self, name: str) -> Path:
        """The folder that holds a volume."""
        return Path(podman("volume", "inspect", "--format={{.Mountpoint}}", f"relevo-test_{name}").strip())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeProject]:
    """The compose file's services, up and ready; Debian's Prometheus in place of the official image, and no Grafana.

    This machine's weights are mounted read-only in place of the volume that the first start would fill.
    """
    folder = tmp_path_factory.mktemp("compose")
    socket, override = folder / "podman.sock", folder / "override.yml"
    services: dict[str, dict[str, Any]] = {
        name: {"volumes": [f"{cache_root()}:/weights:ro"]} for name in ("weights", "relay", "speak")
    }
    services["prometheus"] = {"image": PROMETHEUS}
    override.write_text(yaml.safe_dump({"services": services}))
    command = ["podman", "system", "service", "--time=0", f"unix://{socket}"]
    with (folder / "podman.log").open("w") as log:
        engine = subprocess.Popen(command, env=environment(), stderr=log)
    try:
        while not socket.exists():
            assert engine.poll() is None, (folder / "podman.log").read_text()
            threading.Event().wait(LOOK_S)
        made = ComposeProject(socket, override)
        try:
            made.run("up", "--detach", "--no-build", "speak", "prometheus")
            yield made
        except AssertionError as error:
            pytest.fail(f"{error}\n{made.run('logs', '--no-color')}")
        finally:
            made.run("down", "--volumes")
    finally:
        engine.kill()
        engine.wait()
