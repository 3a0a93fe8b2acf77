"""The metrics of a live relay: what Prometheus reads, and what the process manager asks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from errors import AddressInUse
from pipeline import Pipeline
from tests.conftest import clip, until, write_fake_config
from workers.broker.metrics import OUTCOMES
from workers.broker.metrics_server import MetricsServer

WAIT_S = 60
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


def get(url: str, accept: str = "*/*") -> tuple[int, str]:
    """Status and body."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=WAIT_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def scrape(pipeline: Pipeline) -> dict[tuple[str, ...], float]:
    """Every sample, by its name and its labels' values in order of the labels' names."""
    _, text = get(pipeline.metrics_url, OPEN_METRICS)
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def health(pipeline: Pipeline, path: str) -> tuple[int, dict[str, Any]]:
    status, body = get(pipeline.metrics_url.replace("/metrics", path))
    return status, json.loads(body)


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Pipeline]:
    """A relay for tests that only submit and scrape, with an objective of 7.5 s."""
    config = write_fake_config(tmp_path_factory.mktemp("shared"))
    with Pipeline.from_config(config, objectives_s=[7.5]) as pipeline:
        yield pipeline


def test_requests_in_are_the_sum_of_outcomes_for_every_outcome(fake_config, tmp_path):
    gate = tmp_path / "gate"
    config = fake_config(
        {"listen": {"queue_items": 2}},
        listen={"gate": str(gate)},
        translate={"fail_on": "en5."},
        speak={"kill_on": "en7."},
    )
    with Pipeline.from_config(config, max_attempts=1, metrics="127.0.0.1:0") as pipeline:
        answered = [pipeline.submit(clip(number / 1000)).result(WAIT_S).outcome for number in (1, 2, 5, 7)]
        assert answered == ["ok", "ok", "failed", "dead_letter"]
        assert pipeline.submit(clip(), deadline_s=0.0).result(WAIT_S).outcome == "expired"
        gate.touch()
        reached = threading.Event()
        running = pipeline.submit(clip(), on_event=lambda _: reached.set())
        assert reached.wait(WAIT_S)
        waiting = [pipeline.submit(clip()) for _ in range(2)]
        assert pipeline.submit(clip()).result(WAIT_S).outcome == "rejected"
        assert waiting[0].cancel()
        late = pipeline.submit(clip(), deadline_s=0.1)
        assert late.result(WAIT_S).outcome == "expired"
        held = scrape(pipeline)
        gate.unlink()
        assert running.result(WAIT_S).outcome == waiting[1].result(WAIT_S).outcome == "ok"
        seen = scrape(pipeline)
    counts = {outcome: seen["relevo_requests_total", outcome] for outcome in OUTCOMES}
    assert counts == {"ok": 4, "rejected": 1, "expired": 2, "cancelled": 1, "failed": 1, "dead_letter": 1}
    assert sum(counts.values()) == 10  # as many as were submitted
    assert held["relevo_stage_inflight", "listen"] == 1
    assert held["relevo_stage_queue_depth", "listen"] == 1
    assert held["relevo_replicas", "listen", "busy"] == 1
    # every job ended in one way, too: the last stage had the four, one that killed its replica, and none else
    assert [seen["relevo_stage_jobs_total", outcome, "speak"] for outcome in ("ok", "dead_letter", "failed")] == [
        4,
        1,
        0,
    ]
    assert seen["relevo_stage_jobs_total", "cancelled", "listen"] == 1
    assert seen["relevo_request_seconds_count",] == seen["relevo_time_to_first_audio_seconds_count",] == 4
    assert seen["relevo_stage_queue_seconds_count", "translate"] == 6
    assert seen["relevo_stage_batch_size_sum", "translate"] == 6
    assert seen["relevo_audio_seconds_total", "out"] == pytest.approx(4 * 0.5)
    assert seen["relevo_stage_queue_depth", "listen"] == seen["relevo_stage_inflight", "listen"] == 0


def test_first_audio_counts_the_silence_that_comes_before_it(fake_config):
    with Pipeline.from_config(fake_config(speak={"silence_s": 100.0})) as pipeline:
        result = pipeline.submit(clip()).result(WAIT_S)
        seen = scrape(pipeline)
    assert seen["relevo_time_to_first_audio_seconds_sum",] >= 100
    assert result.time_to_first_audio_s == pytest.approx(seen["relevo_time_to_first_audio_seconds_sum",], abs=5)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed; see .ci/run")
def test_promtool_finds_no_fault_with_a_scrape(shared):
    shared.submit(clip()).result(WAIT_S)
    _, text = get(shared.metrics_url)
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_open_metrics_show_a_request_on_the_objectives_edge(shared):
    result = shared.submit(clip()).result(WAIT_S)
    _, text = get(shared.metrics_url, OPEN_METRICS)
    _, plain = get(shared.metrics_url)
    assert 'relevo_request_seconds_bucket{le="7.5"}' in text
    assert "# EOF" in text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    shown = [sample.exemplar for sample in families["relevo_request_seconds"].samples if sample.exemplar]
    assert {"request_id": result.public_id} in [exemplar.labels for exemplar in shown]
    assert "request_id" not in plain


def test_readyz_says_what_is_missing_and_livez_that_the_broker_answers(fake_config, tmp_path):
    gate = tmp_path / "gate"
    with Pipeline.from_config(fake_config(speak={"crash_load_if": str(gate)}), deaths_per_minute=2) as pipeline:
        assert health(pipeline, "/livez") == (200, {"live": True})
        status, body = health(pipeline, "/readyz")
        assert (status, body["ready"]) == (200, True)
        assert body["stages"]["speak"] == {"ready": 1, "desired": 1, "reason": ""}
        assert health(pipeline, "/other")[0] == 404
        gate.touch()
        victim = next(replica for replica in pipeline.replicas() if replica.stage == "speak")
        os.kill(victim.pid, signal.SIGKILL)
        until(lambda: health(pipeline, "/readyz")[0] == 503)

        def given_up():
            said = health(pipeline, "/readyz")[1]["stages"]["speak"]
            return "2 deaths" in said["reason"] and said

        said = until(given_up)
        assert (said["ready"], said["desired"]) == (0, 1)
        assert "SIGKILL" in said["reason"]
        seen = scrape(pipeline)
    assert seen["relevo_replica_restarts_total", "killed", "speak"] == 1  # the second death had no successor
    assert seen["relevo_replicas", "speak", "dead"] == 1


def test_restarts_are_counted_by_cause_and_memory_by_stage(fake_config, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    config = fake_config(
        {"translate": {"memory_limit_mb": 300}, "speak": {"stuck_after_s": 1.5}},
        translate={"leak_mb": 400},
        speak={"gate": str(gate)},
    )
    with Pipeline.from_config(config, max_attempts=1) as pipeline:
        assert pipeline.submit(clip()).result(WAIT_S).outcome == "dead_letter"
        gate.unlink()

        def restarted():
            seen = scrape(pipeline)
            ended = [seen["relevo_replica_restarts_total", *of] for of in (("memory", "translate"), ("stuck", "speak"))]
            return ended == [1, 1] and seen["relevo_replica_rss_bytes", "speak"] and seen

        seen = until(restarted)
    assert seen["relevo_replica_restarts_total", "killed", "speak"] == 0
    assert seen["relevo_replica_rss_bytes", "listen"] > 10 * 2**20


def test_a_broker_that_comes_back_serves_at_the_same_address_and_knows_its_replicas(fake_config):
    with Pipeline.from_config(fake_config(), ratio="1:2:1") as pipeline:
        pipeline.submit(clip()).result(WAIT_S)
        before = pipeline.metrics_url
        os.kill(pipeline.broker_pid, signal.SIGKILL)
        assert pipeline.submit(clip()).result(WAIT_S).outcome == "ok"
        assert pipeline.metrics_url == before
        seen = until(lambda: (now := scrape(pipeline))["relevo_replicas", "translate", "ready"] == 2 and now)
    assert seen["relevo_requests_total", "ok"] == 1


def test_metrics_and_spans_can_be_turned_off(fake_config):
    with Pipeline.from_config(fake_config(), metrics=None, spans=False) as pipeline:
        result = pipeline.submit(clip()).result(WAIT_S)
        assert pipeline.metrics_url is None
    assert result.outcome == "ok"
    assert result.spans == ()


def test_an_address_that_is_taken_is_named_with_the_remedy(shared, fake_config):
    taken = shared.metrics_url.split("/")[2]
    with pytest.raises(AddressInUse, match="set metrics: to another address"):
        Pipeline.from_config(fake_config(), metrics=taken).start()


def test_a_broker_whose_thread_does_not_answer_is_not_live(monkeypatch):
    monkeypatch.setattr("workers.broker.metrics_server.ANSWER_S", 0.1)
    server = MetricsServer("127.0.0.1:0")
    status, body = get(f"http://{server.address}/livez")
    assert status == 503
    assert "has not answered" in json.loads(body)["error"]
