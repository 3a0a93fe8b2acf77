"""Reads the Prometheus rules and the Grafana dashboard of deploy/, and asks Prometheus what Grafana would ask."""

from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
from typing import Any, NamedTuple

import yaml

from checkout import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
GRAFANA = ROOT / "deploy" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "relevo.json").read_text(encoding="utf-8"))
WAIT_S = 60
RANGE_S = 60
QUIET = {"Restarts"}  # panels that show nothing while no replica dies
VARIABLES = {"$instance": ".*", "$stage": "speak", "$__rate_interval": "1m"}  # and a value of each


class PanelQuery(NamedTuple):
    """What a panel asks, as Grafana sends it, and the labels that its legend shows."""

    expression: str
    legend: set[str]


def rules() -> list[dict[str, Any]]:
    """The recording rules and the alerts."""
    groups = yaml.safe_load((PROMETHEUS / "rules.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """The dashboard's panels."""
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def queries(panel: dict[str, Any]) -> list[PanelQuery]:
    """The queries of a panel."""
    found = []
    for target in panel["targets"]:
        expression = target["expr"]
        for name, value in VARIABLES.items():
            expression = expression.replace(name, value)
        found.append(PanelQuery(expression, set(re.findall(r"{{(\w+)}}", target["legendFormat"]))))
    return found


def variables() -> dict[str, tuple[str, str]]:
    """Metric and label from which each variable of the dashboard takes its values."""
    return {
        variable["name"]: re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
        for variable in DASHBOARD["templating"]["list"]
    }


class PrometheusApi:
    """The HTTP API of a Prometheus server (https://prometheus.io/docs/prometheus/latest/querying/api/)."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer; fails the test when Prometheus rejects the question."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self._url}/api/v1/{path}?{query}", timeout=WAIT_S) as answer:
            body = json.load(answer)
        assert body["status"] == "success", body
        return body["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression, each with its value now."""
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def query_range(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression over the last minute, as a panel asks for them."""
        now = float(self.ask("query", query="time()")["result"][1])
        span = {"start": str(now - RANGE_S), "end": str(now), "step": "5"}
        found: list[dict[str, Any]] = self.ask("query_range", query=expression, **span)["result"]
        return found

    def label_values(self, metric: str, label: str) -> list[str]:
        """The values of a metric's label, as a variable of the dashboard asks for them."""
        found: list[str] = self.ask(f"label/{label}/values", **{"match[]": metric})
        return found
