"""The reference pages and the comments of config.yaml say what the code says."""

from __future__ import annotations

import re

import pytest
import yaml

from checkout import ROOT
from docs import make_reference
from workers.config import AutoscaleConfig, PipelineConfig, StageConfig


def test_no_page_is_stale():
    stale = [str(file.relative_to(ROOT)) for file in make_reference.stale()]
    assert stale == [], "run: python docs/make_reference.py"


def test_a_stale_page_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(make_reference, "REFERENCE", tmp_path)
    for file, text in make_reference.pages().items():
        if file.parent == tmp_path:
            file.write_text(text, "utf-8")
    assert make_reference.stale() == {}
    (tmp_path / "metrics.md").write_text("old", "utf-8")
    (tmp_path / "report.md").unlink()
    assert {file.name for file in make_reference.stale()} == {"metrics.md", "report.md"}


def test_the_pages_depend_on_no_terminal_environment_or_folder(tmp_path, monkeypatch):
    before = make_reference.pages()
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("RELEVO_RATIO", "9:9:9")
    monkeypatch.chdir(tmp_path)
    assert make_reference.pages() == before
    assert not any(str(ROOT) in text for text in before.values())


@pytest.mark.parametrize(("kind", "model"), [("stage", StageConfig), ("relay", PipelineConfig)])
def test_the_comments_of_config_yaml_are_the_defaults_once_they_are_uncommented(kind, model):
    text = (ROOT / "config.yaml").read_text("utf-8")
    block = re.search(rf"# Every key of a {kind}\b.*\n(?s:(.*?))\n *# \(end of", text)[1]
    values = yaml.safe_load(re.sub(r"^ *# ", "", block, flags=re.MULTILINE))
    assert set(values) == set(model.model_fields) - {"stages"}
    if kind == "stage":
        assert AutoscaleConfig(**values["autoscale"]) == AutoscaleConfig(max=4)
        assert StageConfig(**{**values, "autoscale": None}) == StageConfig(module="whisper")
    else:
        stages = {"a": {"module": "kokoro"}}
        assert PipelineConfig(stages=stages, **values) == PipelineConfig(stages=stages)


def test_every_bound_of_a_key_is_told():
    page = make_reference.configuration()
    assert "| `max_batch` | integer ≥ 1 | `1` |" in page
    assert "| `busy_above` | number > 0 and < 1 | `0.8` |" in page
    assert "| `nice` | integer from 0 to 19 | `0` |" in page
    assert "| `device` | `cpu` or list of text that matches" in page
    assert "| `autoscale` | [AutoscaleConfig](#autoscaleconfig) or `null` | `null` |" in page
