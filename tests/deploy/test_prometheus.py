"""What deploy/ gives Prometheus and Grafana, tried on a real Prometheus that scrapes a live relay."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from checkout import ROOT
from pipeline import Pipeline
from tests.conftest import clip, until

DEPLOY = ROOT / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
RULES = PROMETHEUS / "rules.yml"
DASHBOARD = json.loads((DEPLOY / "grafana" / "relevo.json").read_text(encoding="utf-8"))
WAIT_S = 60
LISTENING, READY = "Listening on", "Server is ready to receive web requests."
VARIABLES = {"$instance": ".*", "$stage": "speak", "$__rate_interval": "1m"}

pytestmark = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")), reason="prometheus is not installed; see .ci/run"
)


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions(panel: dict[str, Any]) -> list[str]:
    """What a panel asks, as Grafana sends it."""
    found = []
    for target in panel["targets"]:
        expression = target["expr"]
        for name, value in VARIABLES.items():
            expression = expression.replace(name, value)
        found.append(expression)
    return found


@contextlib.contextmanager
def prometheus(target: str, folder: Path) -> Iterator[str]:
    """A Prometheus with our rules that asks the target often; yields the address of its API."""
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    for file in config["rule_files"]:
        shutil.copy(PROMETHEUS / file, folder)
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--web.listen-address=127.0.0.1:0",
            "--enable-feature=exemplar-storage",
            "--log.format=json",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said: dict[str, dict[str, str]] = {}
        while not {LISTENING, READY} <= said.keys():  # which of them comes first is chance
            line = json.loads(process.stderr.readline())
            said[line.get("msg", "")] = line
        yield f"http://{said[LISTENING]['address']}"
    finally:
        process.kill()
        process.communicate()


def ask(api: str, path: str, **parameters: str) -> Any:
    query = urllib.parse.urlencode(parameters)
    with urllib.request.urlopen(f"{api}/api/v1/{path}?{query}", timeout=WAIT_S) as answer:
        body = json.load(answer)
    assert body["status"] == "success", body
    return body["data"]


def query(api: str, expression: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(api, "query", query=expression)["result"]
    return found


def test_a_real_prometheus_scrapes_a_relay_and_answers_rules_and_dashboard(fake_config, tmp_path):
    with Pipeline.from_config(fake_config()) as pipeline:
        with prometheus(pipeline.metrics_url.split("/")[2], tmp_path) as api:
            until(lambda: query(api, "up == 1"))
            sent = []

            def has(expression: str) -> list[dict[str, Any]]:
                sent.append(pipeline.submit(clip()).result(WAIT_S))  # rates need something that happens
                return query(api, expression)

            for rule in rules():
                if "record" in rule:
                    until(lambda name=rule["record"]: has(name))
            quiet = {"Restarts"}  # nothing died here
            for panel in panels():
                for expression in expressions(panel):
                    if panel["title"] in quiet:
                        query(api, expression)
                    else:
                        until(lambda asked=expression: has(asked))
            evaluated = ask(api, "rules")["groups"]
            counted = until(lambda: query(api, f'relevo_requests_total{{outcome="ok"}} == {len(sent)}'))
            now = float(counted[0]["value"][0])
            exemplars = ask(
                api, "query_exemplars", query="relevo_request_seconds_bucket", start=str(now - 3600), end=str(now + 60)
            )
    assert {result.outcome for result in sent} == {"ok"}
    assert counted[0]["metric"]["job"] == "relevo"
    health = {rule["name"]: (rule["health"], rule.get("lastError")) for group in evaluated for rule in group["rules"]}
    assert health == dict.fromkeys((rule.get("record") or rule["alert"] for rule in rules()), ("ok", None))
    shown = {exemplar["labels"]["request_id"] for series in exemplars for exemplar in series["exemplars"]}
    assert shown
    assert shown <= {result.request for result in sent}


def test_every_metric_of_rules_and_dashboard_is_one_that_a_relay_serves(fake_config):
    with Pipeline.from_config(fake_config()) as pipeline:
        pipeline.submit(clip()).result(WAIT_S)
        text = urllib.request.urlopen(pipeline.metrics_url).read().decode()
    served = set(re.findall(r"^(relevo_\w+)", text, re.MULTILINE))
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = [rule["expr"] for rule in rules()] + [expr for panel in panels() for expr in expressions(panel)]
    names = {name for expression in asked for name in re.findall(r"[a-z:]*relevo_[\w:]+", expression)}
    assert names <= served | recorded
    edges = {edge for expression in asked for edge in re.findall(r'le="([^"]+)"', expression)}
    assert edges <= set(re.findall(r'relevo_request_seconds_bucket\{le="([^"]+)"', text)), "no edge on the objective"
    assert edges
    counted = {re.sub(r"_(bucket|sum|count)$", "", name) for name in served}
    used = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
    assert counted - used == set(), "a metric that nobody looks at"


@pytest.mark.parametrize("command", [["check", "rules", "rules.yml"], ["test", "rules", "rules_test.yml"]])
def test_promtool_finds_no_fault_with_the_rules(command):
    done = subprocess.run(["promtool", *command], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    tested = (PROMETHEUS / "rules_test.yml").read_text(encoding="utf-8")
    for rule in rules():
        assert "alert" not in rule or f"alertname: {rule['alert']}" in tested


def test_promtool_finds_no_fault_with_the_scrape_configuration():
    done = subprocess.run(
        ["promtool", "check", "config", PROMETHEUS / "prometheus.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_has_the_panels_that_people_look_for_and_fits_together():
    titles = {panel["title"].lower() for panel in panels()}
    for wanted in ("outcomes", "throughput", "busy share", "replicas by state", "restarts", "time to first audio"):
        assert wanted in titles
    assert "queue time against service time" in titles
    assert {panel["repeat"] for panel in panels() if panel["type"] == "heatmap"} == {"stage"}
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    source = yaml.safe_load((DEPLOY / "grafana" / "datasource.yml").read_text())["datasources"][0]
    for panel in panels():
        assert panel["targets"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {source["uid"]}
    taken = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(taken)) == len(taken), "two panels overlap"
