"""The compose file's own services, run from the offline image by docker-compose: ports, keys, scaling, Prometheus.

Each test finds the project up and leaves it so; the last one stops it.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request

import pytest

from checkout import ROOT
from errors import RelayClosed
from modules.audio.files import read_audio
from tests.deploy.dashboard import QUIET, PrometheusApi, panels, queries, rules
from tests.deploy.images.conftest import USER, podman, processes
from workers.client import Client

RELAY, METRICS, PROMETHEUS = "tcp://127.0.0.1:7000", "http://127.0.0.1:9464", "http://127.0.0.1:9090"
WAIT_S = 120
NOBODY = 65534  # the user of Prometheus' image

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def keys(project, tmp_path_factory):
    """A client's keys, taken from the relay as docs/deploy.md says."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("broker.key", "peer.key_secret"):
        (folder / name).write_text(project.run("exec", "-T", "relay", "cat", f"/keys/{name}"))
    return folder


def status(path: str) -> int:
    """The status of an answer of the relay's HTTP side; 0 when nobody answers."""
    try:
        with urllib.request.urlopen(METRICS + path, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_weights_and_keys_end_well_and_the_relay_becomes_ready(project):
    project.until(lambda: status("/readyz") == 200)
    states = project.states()
    for service in ("weights", "keys"):
        (name,) = project.containers(service)
        assert states[name] == ("exited", 0)
    podman("healthcheck", "run", *project.containers("relay"))
    shown = {file.name for file in project.volume("peer-keys").iterdir()}
    assert shown == {"broker.key", "peer.key_secret"}, "a replica sees no more than it shows"


def test_a_client_with_keys_is_served_and_one_without_is_refused(project, keys):
    recording = read_audio(ROOT / "samples" / "01_farmacia.flac")
    with Client(RELAY, keys) as client:
        result = client.submit(recording).result(WAIT_S)
    assert result.outcome == "ok", result.error
    assert result.audio is not None
    with Client(RELAY) as stranger, pytest.raises(RelayClosed, match="does not admit"):
        stranger.status(timeout_s=WAIT_S)


def test_the_command_that_the_compose_file_shows_works(project):
    text = re.sub(r" \\\n# +", " ", (ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    (shown,) = re.findall(r"docker compose exec (relay .+)", text)
    assert "01_farmacia.zh.wav" in project.run("exec", "-T", *shown.split())


def test_no_process_is_root(project):
    for service, user in (("relay", USER), ("speak", USER), ("prometheus", NOBODY)):
        (name,) = project.containers(service)
        for process in processes(name):
            assert set(process.uids()) == {user}, process.cmdline()


def test_every_port_is_published_on_loopback_alone(project):
    for service in ("relay", "prometheus", "speak"):
        for line in podman("port", *project.containers(service)).splitlines():
            assert line.rpartition(" ")[2].startswith("127.0.0.1:"), line


def test_prometheus_scrapes_the_relay_and_runs_every_rule(project):
    api = PrometheusApi(PROMETHEUS)
    project.until(lambda: api.query("up == 1"))
    (up,) = api.query("up")
    assert (up["metric"]["job"], up["metric"]["instance"]) == ("relevo", "relay:9464")
    names = {rule.get("record") or rule["alert"] for rule in rules()}

    def health() -> dict[str, str]:
        groups = api.ask("rules")["groups"]
        return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}

    project.until(lambda: "unknown" not in health().values())
    assert health() == dict.fromkeys(names, "ok")


def test_every_panel_of_the_dashboard_has_data(project, keys):
    """Asked for where Grafana asks: in the services' own network."""
    api = PrometheusApi(PROMETHEUS)
    recording = read_audio(ROOT / "samples" / "01_farmacia.flac")
    with Client(RELAY, keys) as client:
        assert client.submit(recording).result(WAIT_S).outcome == "ok"
    for panel in panels():
        for query in queries(panel):
            if panel["title"] not in QUIET:
                project.until(lambda asked=query.expression: api.query_range(asked))
    source = "import urllib.request as u; print(u.urlopen('http://prometheus:9090/-/ready', timeout=8).status)"
    assert project.run("exec", "-T", "relay", "python", "-c", source).strip() == "200"


def test_scaling_the_speech_stage_adds_replicas_that_dial_in(project, keys):
    project.run("up", "--detach", "--no-build", "--scale=speak=2", "speak")
    with Client(RELAY, keys) as client:
        project.until(lambda: client.status().stages[-1].ready == 2)


def test_stopped_containers_drain_and_come_back_with_the_same_keys(project, keys):
    project.run("stop", "relay", "speak")
    stopped = [*project.containers("relay"), *project.containers("speak")]
    states = project.states()
    assert {states[name] for name in stopped} == {("exited", 0)}
    project.run("start", "relay", "speak")
    project.until(lambda: status("/readyz") == 200)
    with Client(RELAY, keys) as client:
        assert client.submit(read_audio(ROOT / "samples" / "01_farmacia.flac")).result(WAIT_S).outcome == "ok"
