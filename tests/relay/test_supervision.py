"""Replicas and brokers that die, hang, grow or are not wanted any more: real processes, real signals."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from queue import SimpleQueue

import psutil
import pytest

from checkout import ROOT
from errors import ConfigError, RelayClosed, RelayError, StageFailed
from pipeline import Pipeline
from tests.conftest import clip, until
from workers.broker.dead_letters import list_letters
from workers.client.client import Client
from workers.processes.termination import TERMINATION_SIGNALS
from workers.supervisor.supervisor import Supervisor

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
    monkeypatch.setattr("workers.supervisor.restart_policy.REPLICA_DELAYS_S", (0.0,))
    with pytest.raises(StageFailed, match="5 deaths in 60 s, the last: killed by SIGKILL"):
        Pipeline.from_config(fake_config(speak={"crash_load": True})).start()


def test_a_stage_that_was_given_up_is_tried_at_once_by_scale(fake_config, tmp_path, monkeypatch):
    monkeypatch.setattr("workers.supervisor.restart_policy.REPLICA_DELAYS_S", (0.0,))
    crash = tmp_path / "crash"
    with Pipeline.from_config(fake_config(speak={"crash_load_if": str(crash)}), deaths_per_minute=2) as pipeline:
        crash.touch()
        os.kill(replicas_of(pipeline, "speak")[0].pid, signal.SIGKILL)
        until(lambda: pipeline.submit(clip()).result(WAIT_S).outcome == "rejected")
        crash.unlink()
        pipeline.scale("speak", 1)
        until(lambda: pipeline.submit(clip()).result(WAIT_S).outcome == "ok")


def test_a_frozen_broker_is_replaced_and_no_replica_for_its_silence(fake_config, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    config = fake_config(translate={"gate": str(gate)})
    with Pipeline.from_config(config, broker_timeout_s=2.0, heartbeat_timeout_s=2.0) as pipeline:
        before = {replica.pid for replica in pipeline.replicas()}
        futures = [pipeline.submit(clip(number / 1000)) for number in range(8)]
        frozen = pipeline.broker_pid
        os.kill(frozen, signal.SIGSTOP)
        until(lambda: pipeline.broker_pid not in (frozen, None))
        gate.unlink()
        assert [future.result(WAIT_S).outcome for future in futures] == ["ok"] * 8
        assert {replica.pid for replica in pipeline.replicas()} == before


def test_a_supervisor_that_fails_ends_every_future_and_tells_why(fake_config, tmp_path, monkeypatch):
    gate = tmp_path / "gate"
    gate.touch()
    pipeline = Pipeline.from_config(fake_config(speak={"gate": str(gate)}))
    pipeline.start()
    ends: SimpleQueue[RelayError] = SimpleQueue()
    pipeline.on_failure(ends.put)
    future = pipeline.submit(clip())

    def fail(*_):
        raise MemoryError("no memory left")

    monkeypatch.setattr(Supervisor, "_look_after", fail)
    assert "MemoryError: no memory left" in str(ends.get(timeout=WAIT_S))
    with pytest.raises(RelayClosed, match="no memory left"):
        future.result(WAIT_S)
    pipeline.stop()


def test_a_message_that_cannot_be_handled_ends_nothing(fake_config, monkeypatch):
    with Pipeline.from_config(fake_config()) as pipeline:
        handled = threading.Event()

        def fail(*_):
            handled.set()
            raise ValueError("an unforeseen message")

        with monkeypatch.context() as patch:
            patch.setattr(Supervisor, "_handle", fail)
            assert handled.wait(WAIT_S)
        pipeline.scale("speak", 1)
        assert pipeline.submit(clip()).result(WAIT_S).outcome == "ok"


@pytest.mark.parametrize("replicas", [1001, 300_000_000, 10**18])
def test_scale_beyond_all_machines_is_refused_at_once(fake_config, replicas):
    with Pipeline.from_config(fake_config()) as pipeline:
        with pytest.raises(ConfigError, match="1 to 1000 replicas"):
            pipeline.scale("speak", replicas)
        assert pipeline.submit(clip(), deadline_s=3_000_000).result(WAIT_S).outcome == "ok"


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
    [("sing", 1, "no stage 'sing'"), ("speak", 0, "1 to 1000"), ("speak", 5, "cores")],
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
    assert "faulty.py" in letter.log_tail
    assert letter.stage == "translate"


@pytest.fixture
def temporary(tmp_path):
    """Where a relay that `serve` starts has its folder."""
    folder = tmp_path / "t"
    folder.mkdir()
    return folder


@pytest.fixture
def serve(temporary):
    """Starts `serve`, and returns its process and address once it is ready; none outlives its test."""
    with contextlib.ExitStack() as stack:

        def start(config, *options):
            process = subprocess.Popen(
                [sys.executable, ROOT / "pipeline.py", "serve", "--config", config, *options],
                env={**os.environ, "TMPDIR": str(temporary)}, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            stack.callback(process.communicate)
            stack.callback(process.kill)
            return process, process.stdout.readline().removeprefix("ready at ").strip()

        yield start


@pytest.mark.parametrize("number", TERMINATION_SIGNALS)
def test_serve_drains_on_each_termination_signal_and_leaves_nothing(fake_config, tmp_path, temporary, serve, number):
    gate = tmp_path / "gate"
    gate.touch()
    process, address = serve(fake_config(speak={"gate": str(gate)}))
    begun = threading.Event()
    with Client(address) as client:
        future = client.submit(clip(), on_event=lambda event: begun.set() if event.stage == "speak" else None)
        assert begun.wait(WAIT_S)
        process.send_signal(number)
        until(lambda: process.stdout.readline() == "draining\n")
        gate.unlink()
        assert future.result(WAIT_S).outcome == "ok"
    assert process.wait(WAIT_S) == 0
    assert list(temporary.iterdir()) == []


def test_a_closed_terminal_drains_serve_and_leaves_nothing(fake_config, tmp_path, temporary):
    gate = tmp_path / "gate"
    gate.touch()
    command = [
        sys.executable,
        str(ROOT / "pipeline.py"),
        "serve",
        "--config",
        str(fake_config(speak={"gate": str(gate)})),
    ]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(command[0], command, {**os.environ, "TMPDIR": str(temporary)})
    with os.fdopen(terminal, "rb", buffering=0) as output:
        said = b""
        while b"ready at " not in said or not said.endswith(b"\n"):
            said += output.read(1)
        begun = threading.Event()
        client = Client(said.decode().rpartition("ready at ")[2].strip())
        future = client.submit(clip(), on_event=lambda event: begun.set() if event.stage == "speak" else None)
        assert begun.wait(WAIT_S)
    gate.unlink()
    assert future.result(WAIT_S).outcome == "ok"
    client.close()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert list(temporary.iterdir()) == []


def test_what_a_killed_serve_leaves_is_removed_by_the_next_one(fake_config, temporary, serve):
    process, _ = serve(fake_config())
    (left,) = temporary.iterdir()
    process.kill()
    process.wait()
    assert left.exists()
    serve(fake_config())
    (folder,) = temporary.iterdir()
    assert folder != left


PROGRAM = """
import os, signal, sys, threading
from pipeline import Pipeline
from tests.conftest import clip
pipeline = Pipeline.from_config(sys.argv[1])
pipeline.start()
print(pipeline.broker_pid, *(replica.pid for replica in pipeline.replicas()), flush=True)
begun = threading.Event()
pipeline.submit(clip(), on_event=lambda event: begun.set() if event.stage == "speak" else None)
begun.wait()
{end}
"""
# While the drain waits for the request in hand, which the test never lets go on.
INTERRUPTED = "threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT]).start(); pipeline.stop()"


@pytest.mark.parametrize(
    ("end", "status"),
    [("pass", 0), ("1 / 0", 1), ("pipeline.stop(0.0); pipeline.stop()", 0), (INTERRUPTED, -signal.SIGINT)],
    ids=["forgets", "raises", "twice", "interrupted"],
)
def test_a_relay_that_is_not_stopped_or_not_to_its_end_leaves_nothing(fake_config, tmp_path, temporary, end, status):
    gate = tmp_path / "gate"
    gate.touch()
    command = [sys.executable, "-c", PROGRAM.format(end=end), fake_config(speak={"gate": str(gate)})]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == status, done.stderr
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 4
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert list(temporary.iterdir()) == []


def test_a_broker_whose_metrics_port_is_taken_comes_back_once_it_is_free(fake_config):
    with Pipeline.from_config(fake_config()) as pipeline:
        port = int(pipeline.metrics_url.split(":")[2].split("/")[0])
        with socket.socket() as taker:
            taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            until(lambda: take_port(pipeline, taker, port))
            failing = until(lambda: pipeline.broker_pid)
            until(lambda: pipeline.broker_pid != failing)
            future = pipeline.submit(clip())
        assert future.result(WAIT_S).outcome == "ok"


def take_port(pipeline, taker, port):
    """Kills the broker and binds the socket to its port, before the next broker does; returns whether it could."""
    with contextlib.suppress(ProcessLookupError):
        if pipeline.broker_pid:
            os.kill(pipeline.broker_pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        taker.bind(("127.0.0.1", port))
        taker.listen()
        return True
    return False


def test_scale_from_the_command_line(fake_config):
    with Pipeline.from_config(fake_config()) as pipeline:
        done = relevo("scale", "speak", 2, "--connect", pipeline.address)
        assert done.returncode == 0, done.stderr
        assert "2 wanted" in done.stdout
