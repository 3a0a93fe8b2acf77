"""Rules, scrape configuration and dashboard queries of deploy/ on a real Prometheus that scrapes a live relay."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import Pipeline
from tests.conftest import clip, until
from tests.deploy.dashboard import (
    DASHBOARD,
    PROMETHEUS,
    QUIET,
    WAIT_S,
    PrometheusApi,
    panels,
    queries,
    rules,
    variables,
)

LISTENING, READY = "Listening on", "Server is ready to receive web requests."

pytestmark = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")), reason="prometheus is not installed; see .ci/run"
)


@contextlib.contextmanager
def prometheus(target: str, folder: Path) -> Iterator[PrometheusApi]:
    """A Prometheus with the rules of deploy/ that scrapes the target twice a second."""
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
        while not {LISTENING, READY} <= said.keys():  # they come in either order
            text = process.stderr.readline()
            assert text, f"prometheus ended with status {process.wait()} after {list(said)}"
            line = json.loads(text)
            said[line.get("msg", "")] = line
        yield PrometheusApi(f"http://{said[LISTENING]['address']}")
    finally:
        process.kill()
        process.communicate()


def test_a_real_prometheus_scrapes_a_relay_and_answers_rules_and_dashboard(fake_config, tmp_path):
    with Pipeline.from_config(fake_config()) as pipeline:
        with prometheus(pipeline.metrics_url.split("/")[2], tmp_path) as api:
            until(lambda: api.query("up == 1"))
            sent = []

            def after_a_request(ask: Callable[[str], list[Any]], asked: str) -> list[Any]:
                sent.append(pipeline.submit(clip()).result(WAIT_S))  # rates need something that happens
                return ask(asked)

            for rule in rules():
                if "record" in rule:
                    until(partial(after_a_request, api.query, rule["record"]))
            for panel in panels():
                for expression, legend in queries(panel):
                    if panel["title"] in QUIET:
                        assert api.query_range(expression) == []
                        continue
                    for series in until(partial(after_a_request, api.query_range, expression)):
                        assert legend <= series["metric"].keys(), f"{panel['title']} shows labels that it has not"
            values = {name: api.label_values(*source) for name, source in variables().items()}
            for annotation in DASHBOARD["annotations"]["list"]:
                assert api.query_range(annotation["expr"]) == []
            evaluated = api.ask("rules")["groups"]
            counted = until(lambda: api.query(f'relevo_requests_total{{outcome="ok"}} == {len(sent)}'))
            now = float(counted[0]["value"][0])
            exemplars = api.ask(
                "query_exemplars", query="relevo_request_seconds_bucket", start=str(now - 3600), end=str(now + 60)
            )
    assert {result.outcome for result in sent} == {"ok"}
    assert counted[0]["metric"]["job"] == "relevo"
    assert values == {"instance": [counted[0]["metric"]["instance"]], "stage": ["listen", "speak", "translate"]}
    health = {rule["name"]: (rule["health"], rule.get("lastError")) for group in evaluated for rule in group["rules"]}
    assert health == dict.fromkeys((rule.get("record") or rule["alert"] for rule in rules()), ("ok", None))
    shown = {exemplar["labels"]["request_id"] for series in exemplars for exemplar in series["exemplars"]}
    assert shown
    assert shown <= {result.public_id for result in sent}


def test_every_metric_of_rules_and_dashboard_is_one_that_a_relay_serves(fake_config):
    with Pipeline.from_config(fake_config()) as pipeline:
        pipeline.submit(clip()).result(WAIT_S)
        text = urllib.request.urlopen(pipeline.metrics_url).read().decode()
    served = set(re.findall(r"^(relevo_\w+)", text, re.MULTILINE))
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = [rule["expr"] for rule in rules()] + [expr for panel in panels() for expr, _ in queries(panel)]
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
