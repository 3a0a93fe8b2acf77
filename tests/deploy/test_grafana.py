"""Grafana's provisioning files and dashboard: parsed, and held against the compose file that mounts them."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from checkout import ROOT
from tests.deploy.dashboard import DASHBOARD, GRAFANA, VARIABLES, panels, variables

SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
# Of Grafana's provisioning (https://grafana.com/docs/grafana/latest/administration/provisioning/).
DATASOURCE_KEYS = {
    "name", "type", "uid", "access", "orgId", "url", "user", "database", "basicAuth", "basicAuthUser",
    "withCredentials", "isDefault", "jsonData", "secureJsonData", "version", "editable",
}  # fmt: skip
PROVIDER_KEYS = {
    "name", "orgId", "folder", "folderUid", "type", "disableDeletion", "updateIntervalSeconds", "allowUiUpdates",
    "options",
}  # fmt: skip
BUILT_IN = {"row", "timeseries", "heatmap"}  # panels that Grafana has without a plugin


def provisioned(file: str, what: str) -> dict[str, Any]:
    content = yaml.safe_load((GRAFANA / file).read_text(encoding="utf-8"))
    assert content.keys() == {"apiVersion", what}
    assert content["apiVersion"] == 1
    (only,) = content[what]
    return only


def mounted() -> dict[str, PurePath]:
    """Where Grafana's container has each file of deploy/grafana."""
    found = {}
    for volume in SERVICES["grafana"]["volumes"]:
        source, target, *_ = volume.split(":")
        if source.startswith("./deploy/grafana/"):
            found[source.rpartition("/")[2]] = PurePath(target)
    return found


def test_the_data_source_is_the_prometheus_of_the_compose_file():
    source = provisioned("datasource.yml", "datasources")
    assert source.keys() <= DATASOURCE_KEYS
    assert (source["type"], source["access"]) == ("prometheus", "proxy")
    address = urlsplit(source["url"])
    assert address.hostname in SERVICES
    assert f"127.0.0.1:{address.port}:{address.port}" in SERVICES[address.hostname]["ports"]
    scrape = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())["global"]
    assert source["jsonData"]["timeInterval"] == scrape["scrape_interval"]


def test_the_dashboard_is_where_its_provider_and_the_home_page_look_for_it():
    provider = provisioned("dashboards.yml", "providers")
    assert provider.keys() <= PROVIDER_KEYS
    assert provider["type"] == "file"
    files = mounted()
    assert files.keys() == {path.name for path in GRAFANA.iterdir()}
    assert files["relevo.json"].parent == PurePath(provider["options"]["path"])
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert PurePath(home) == files["relevo.json"]
    assert files["datasource.yml"].parent == PurePath("/etc/grafana/provisioning/datasources")
    assert files["dashboards.yml"].parent == PurePath("/etc/grafana/provisioning/dashboards")


def test_the_dashboard_has_the_panels_that_people_look_for():
    titles = {panel["title"].lower() for panel in panels()}
    for wanted in ("outcomes", "throughput", "busy share", "replicas by state", "restarts", "time to first audio"):
        assert wanted in titles
    assert "queue time against service time" in titles
    assert {panel["repeat"] for panel in panels() if panel["type"] == "heatmap"} == {"stage"}


def test_every_panel_can_be_drawn():
    assert {panel["type"] for panel in DASHBOARD["panels"]} <= BUILT_IN
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(taken)) == len(taken), "two panels overlap"
    assert max(x for x, _ in taken) < 24, "Grafana's grid has 24 columns"


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_every_query_asks_the_data_source_and_uses_variables_that_exist(panel):
    uid = provisioned("datasource.yml", "datasources")["uid"]
    assert panel["targets"]
    assert panel["datasource"]["uid"] == uid
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references)
    defined = {f"${name}" for name in variables()} | {"$__rate_interval"}
    assert defined == VARIABLES.keys()
    for target in panel["targets"]:
        assert target["datasource"]["uid"] == uid
        assert set(re.findall(r"\$\w+", target["expr"])) <= defined


def test_variables_and_annotations_ask_the_data_source_too():
    uid = provisioned("datasource.yml", "datasources")["uid"]
    for asked in (*DASHBOARD["templating"]["list"], *DASHBOARD["annotations"]["list"]):
        assert asked["datasource"]["uid"] == uid
