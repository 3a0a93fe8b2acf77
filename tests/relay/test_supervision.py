"""Replicas and brokers that die, hang, grow or are not wanted any more: real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from checkout import ROOT
from errors import ConfigError, StageFailed
from pipeline import Pipeline
from tests.conftest import clip, until
from workers.broker.dead_letters import list_letters
from workers.client.client import Client

WAIT_S = 60


@pytest.mark.parametrize("kill_after", [0, 1])
def test_a_killed_replica_loses_nothing_and_repeats_nothing(fake_config, tmp_path, kill_after):
    """kill_after=1: the replica dies after its first output has gone on."""
    marker = tmp_path / "killed"
    config = fake_config(
        translate={"kill_on": "en7.", "kill_marker": str(marker), "kill_after": kill_after, "pieces": 2}
    )
    with Pipeline.from_config(config, ratio="1:2:1") as pipeline:
        results = list(pipeline.map([clip(number / 1000) for number in range(20)]))
        replicas = pipeline.replicas()
    assert marker.exists()
    assert [result.outcome for result in results] == ["ok"] * 20
    assert results[7].texts["translate"] == "zh(en7.0)/1zh(en7.0)/1"
    assert [span.attempt for span in results[7].spans if span.stage == "translate"] == [2]
    assert sum(replica.starts for replica in replicas) >= 4


def test_a_request_that_kills_every_replica_becomes_a_dead_letter_and_the_relay_goes_on(fake_config):
    with Pipeline.from_config(fake_config(speak={"kill_on": "en7."}), ratio="1:1:4") as pipeline:
        before = {replica.pid for replica in replicas_of(pipeline, "speak")}
        results = list(pipeline.map([clip(0.006), clip(0.007), clip(0.008)]))
        survivors = before & {replica.pid for replica in replicas_of(pipeline, "speak")}
        assert len(survivors) == 1  # of four: it took max_attempts with it, and no more
    assert [result.outcome for result in results] == ["ok", "dead_letter", "ok"]
    assert "died 3 times" in results[1].error
    assert "SIGKILL" in results[1].error


def test_a_killed_broker_comes_back_and_every_request_still_ends_once(fake_config, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    with Pipeline.from_config(fake_config(translate={"gate": str(gate)}), ratio="1:2:1") as pipeline:
        reached = threading.Event()
        ends: list[str] = []
        futures = []
        for number in range(12):
            future = pipeline.submit(
                clip(number / 1000), on_event=lambda event: reached.set() if event.stage == "translate" else None
            )
            future.add_done_callback(lambda ended: ends.append(ended.result().outcome))
            futures.append(future)
        assert reached.wait(WAIT_S)
        before = pipeline.broker_pid
        os.kill(before, signal.SIGKILL)
        gate.unlink()
        results = [future.result(WAIT_S) for future in futures]
        assert pipeline.broker_pid != before
    assert [result.texts["translate"] for result in results] == [f"zh(en{n}.0)/1" for n in range(12)]
    assert ends == ["ok"] * 12
    assert all(result.audio.seconds == 0.5 for result in results)


def test_a_stopped_replica_is_found_by_its_silence_and_replaced(fake_config):
    config = fake_config()
    with Pipeline.from_config(config, heartbeat_timeout_s=2.5) as pipeline:
        victim = next(replica for replica in pipeline.replicas() if replica.stage == "translate")
        os.kill(victim.pid, signal.SIGSTOP)
        assert pipeline.submit(clip()).result(WAIT_S).outcome == "ok"
        assert not psutil.pid_exists(victim.pid)


def test_a_replica_that_computes_too_long_is_stuck_and_replaced(fake_config, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    config = fake_config({"translate": {"stuck_after_s": 1.5}}, translate={"gate": str(gate)})
    with Pipeline.from_config(config, max_attempts=1) as pipeline:
        result = pipeline.submit(clip()).result(WAIT_S)
        assert result.outcome == "dead_letter"
        assert "without an output" in result.error
        gate.unlink()


def test_a_stage_that_cannot_load_is_named_with_the_reason_at_once(fake_config):
    with pytest.raises(StageFailed, match=r"stage speak cannot run: the stand-in has no weights"):
        Pipeline.from_config(fake_config(speak={"fail_load": True})).start()


def test_a_stage_that_keeps_dying_is_given_up_with_the_reason(fake_config, monkeypatch):
    monkeypatch.setattr("workers.supervisor.slot.BACKOFF_S", (0.0,))
    with pytest.raises(StageFailed, match="5 deaths in 60 s, the last: killed by SIGKILL"):
        Pipeline.from_config(fake_config(speak={"crash_load": True})).start()


def replicas_of(pipeline, stage):
    return [replica for replica in pipeline.replicas() if replica.stage == stage]


def test_the_ratio_changes_under_load_and_no_request_is_harmed(fake_config):
    with Pipeline.from_config(fake_config({"speak": {"threads": 1}})) as pipeline:
        before = replicas_of(pipeline, "speak")[0].name

        def payloads():
            for number in range(300):
                if number == 100:
                    pipeline.scale("speak", 3)
                    until(lambda: len(replicas_of(pipeline, "speak")) == 3)
                if number == 200:
                    pipeline.scale("speak", 1)
                yield clip(number / 1000)

        results = list(pipeline.map(payloads()))
        until(lambda: [replica.name for replica in replicas_of(pipeline, "speak")] == [before])
    assert [result.texts["listen"] for result in results] == [f"en{number}.0" for number in range(300)]
    assert {result.outcome for result in results} == {"ok"}
    assert {span.attempt for result in results for span in result.spans} == {1}


def test_scaling_shares_the_cores_anew_and_replaces_replicas_with_another_budget(fake_config):
    with Pipeline.from_config(fake_config()) as pipeline:
        before = replicas_of(pipeline, "speak")[0].name
        pipeline.scale("speak", 2)
        until(
            lambda: (
                len(replicas_of(pipeline, "speak")) == 2
                and all(r.state == "ready" and r.name != before for r in replicas_of(pipeline, "speak"))
            ),
        )
        assert pipeline.submit(clip()).result(WAIT_S).outcome == "ok"


@pytest.mark.parametrize(
    ("stage", "replicas", "message"),
    [("sing", 1, "no stage 'sing'"), ("speak", 0, "at least 1"), ("speak", 5, "cores")],
)
def test_a_ratio_that_does_not_fit_is_refused_with_the_reason(fake_config, stage, replicas, message):
    with Pipeline.from_config(fake_config()) as pipeline:
        with pytest.raises(ConfigError, match=message):
            pipeline.scale(stage, replicas)
        assert len(pipeline.replicas()) == 3


def test_a_replica_that_outgrows_its_memory_is_replaced_between_jobs(fake_config):
    config = fake_config({"translate": {"memory_limit_mb": 300}}, translate={"leak_mb": 60})
    with Pipeline.from_config(config) as pipeline:

        def payloads():
            while sum(replica.starts for replica in replicas_of(pipeline, "translate")) < 2:
                yield clip()

        results = list(pipeline.map(payloads(), in_flight=1))
        assert {result.outcome for result in results} == {"ok"}
        assert {span.attempt for result in results for span in result.spans} == {1}
        assert pipeline.submit(clip()).result(WAIT_S).outcome == "ok"


def test_a_drain_lets_what_was_accepted_finish(fake_config, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    pipeline = Pipeline.from_config(fake_config(speak={"gate": str(gate)}))
    pipeline.start()
    begun = threading.Event()
    future = pipeline.submit(clip(), on_event=lambda event: begun.set() if event.stage == "speak" else None)
    assert begun.wait(WAIT_S)
    stopping = threading.Thread(target=pipeline.stop)
    stopping.start()
    with Client(pipeline.address) as late:
        # one that comes before the relay closes is accepted, and would wait for the gate
        until(lambda: late.submit(clip(), deadline_s=0.1).result(WAIT_S).error == "the relay is closing")
        gate.unlink()
        stopping.join(WAIT_S)
    assert future.result(WAIT_S).outcome == "ok"


def test_a_drain_ends_at_its_bound_whatever_still_runs(fake_config, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    pipeline = Pipeline.from_config(fake_config(speak={"gate": str(gate)}))
    pipeline.start()
    pids = [replica.pid for replica in pipeline.replicas()]
    begun = threading.Event()
    with Client(pipeline.address) as client:
        future = client.submit(clip(), on_event=lambda event: begun.set() if event.stage == "speak" else None)
        assert begun.wait(WAIT_S)
        pipeline.stop(drain_s=0.2)
        result = future.result(WAIT_S)
    assert result.outcome == "cancelled"
    assert "closed before it was finished" in result.error
    assert not any(psutil.pid_exists(pid) for pid in pids)


def relevo(*arguments):
    return subprocess.run(
        [sys.executable, ROOT / "pipeline.py", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_a_dead_letter_can_be_listed_shown_and_retried(fake_config, tmp_path):
    marker = tmp_path / "marker"
    folder = tmp_path / "dead"
    config = fake_config(speak={"kill_on": "en7.", "kill_marker": str(marker)})
    with Pipeline.from_config(config, max_attempts=1) as pipeline:
        assert pipeline.submit(clip(0.007)).result(WAIT_S).outcome == "dead_letter"
        (name,) = list_letters(folder)
        assert name in relevo("dead", "--folder", folder, "list").stdout
        shown = relevo("dead", "--folder", folder, "show", name).stdout
        for word in ("speak", "zh(en7.0)/1", "passed    listen", "SIGKILL"):
            assert word in shown
        retried = relevo("dead", "--folder", folder, "retry", name, "--connect", pipeline.address, "--output", tmp_path)
        assert retried.returncode == 0, retried.stdout + retried.stderr
        assert (tmp_path / f"{name}.wav").exists()
        assert list_letters(folder) == {}
        assert relevo("dead", "--folder", folder, "show", name).returncode == 2


def test_a_dead_letter_of_a_stuck_replica_holds_its_stack(fake_config, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    config = fake_config({"translate": {"stuck_after_s": 1.5}}, translate={"gate": str(gate)})
    with Pipeline.from_config(config, max_attempts=1) as pipeline:
        assert pipeline.submit(clip()).result(WAIT_S).outcome == "dead_letter"
        gate.unlink()
    (letter,) = list_letters(tmp_path / "dead").values()
    assert "fakes.py" in letter.log_tail
    assert letter.stage == "translate"


def test_scale_from_the_command_line(fake_config):
    with Pipeline.from_config(fake_config()) as pipeline:
        done = relevo("scale", "speak", 2, "--connect", pipeline.address)
        assert done.returncode == 0, done.stderr
        assert "2 wanted" in done.stdout
