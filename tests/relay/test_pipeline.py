"""The whole relay with fakes in the place of models: real processes, real sockets, real deaths."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import psutil
import pytest

from checkout import ROOT
from errors import AddressInUse, InputError, RelayClosed
from pipeline import Pipeline
from tests.conftest import clip, write_fake_config
from workers.client.client import Client

WAIT_S = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def shared(folder) -> Iterator[Pipeline]:
    """A relay for tests that only submit. Its second stage fails on 913; see `gate` for its first."""
    options = {"listen": {"gate": str(folder / "gate")}, "translate": {"fail_on": "en913."}, "speak": {"pieces": 2}}
    config = write_fake_config(folder, **options)
    with Pipeline.from_config(config, listen=f"ipc://{folder}/relay") as pipeline:
        yield pipeline


@pytest.fixture
def gate(folder) -> Iterator[Path]:
    """While this file exists, the first stage of the shared relay waits."""
    path = folder / "gate"
    path.touch()
    yield path
    path.unlink(missing_ok=True)


def test_a_request_passes_the_relay_and_brings_its_texts_audio_and_spans(shared):
    result = shared.submit(clip(0.5)).result(WAIT_S)
    assert result.outcome == "ok"
    assert result.texts == {"listen": "en500.0", "translate": "zh(en500.0)/1"}
    assert result.audio is not None
    assert result.audio.seconds == 1.0
    assert result.time_to_first_audio_s is not None
    assert 0 < result.time_to_first_audio_s <= result.latency_s
    assert [span.stage for span in result.spans] == ["listen", "translate", "speak"]
    assert shared.ready_s is not None


def test_events_come_in_order_whatever_order_replicas_finish_in(fake_config):
    config = fake_config(listen={"pieces": 3}, translate={"pieces": 2}, speak={"pieces": 2})
    with Pipeline.from_config(config, ratio="1:3:4") as pipeline:
        stream = pipeline.stream(clip())
        events = [event for event in stream if event.payload is not None]
        assert stream.result(WAIT_S).outcome == "ok"
    for stage, count in (("listen", 3), ("translate", 6), ("speak", 12)):
        paths = [event.path for event in events if event.stage == stage]
        assert paths == sorted(paths)
        assert len(set(paths)) == count


def test_a_long_recording_flows_in_order_through_queues_that_stay_bounded(fake_config):
    segments, room = 150, 4
    config = fake_config({"speak": {"queue_items": room}}, listen={"pieces": segments}, speak={"pieces": 2})
    with Pipeline.from_config(config, ratio="1:2:2") as pipeline:
        stream = pipeline.stream(clip())
        waiting, paths = 0, []
        for event in stream:
            if event.stage == "speak" and event.payload is not None:
                paths.append(event.path)
                waiting = max(waiting, pipeline.client.status().stages[2].queued)
        assert stream.result(WAIT_S).outcome == "ok"
    assert paths == [(segment, 0, phrase) for segment in range(segments) for phrase in range(2)]
    assert waiting <= room


def test_the_first_speech_comes_while_the_recording_is_still_listened_to(fake_config, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    with Pipeline.from_config(fake_config(listen={"pieces": 2, "gate": str(gate), "gate_after": 1})) as pipeline:
        stream = pipeline.stream(clip())
        spoken = (event for event in stream if event.stage == "speak" and event.payload is not None)
        assert next(spoken).path == (0, 0, 0)
        gate.unlink()
        assert next(spoken).path == (1, 0, 0)
        result = stream.result(WAIT_S)
    assert result.outcome == "ok"
    assert result.time_to_first_audio_s < result.latency_s


def test_a_cancelled_request_stops_at_its_next_output(fake_config, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    with Pipeline.from_config(fake_config(listen={"pieces": 10**6, "gate": str(gate), "gate_after": 1})) as pipeline:
        heard = threading.Event()
        endless = pipeline.submit(clip(), on_event=lambda event: heard.set() if event.payload is not None else None)
        assert heard.wait(WAIT_S)
        assert endless.cancel()
        gate.unlink()
        # its replica, the only one, is free again, though it had a million outputs to come
        begun = threading.Event()
        following = pipeline.submit(clip(0.3), on_event=lambda _: begun.set())
        assert begun.wait(WAIT_S)
        following.cancel()


def test_map_keeps_the_order_and_bounds_what_is_in_flight(fake_config):
    drawn = []

    def payloads():
        for number in range(30):
            drawn.append(number)
            yield clip(number / 1000)

    with Pipeline.from_config(fake_config(), ratio="2:1:2") as pipeline:
        for number, result in enumerate(pipeline.map(payloads(), in_flight=4)):
            assert result.texts["listen"] == f"en{number}.0"
            assert len(drawn) <= number + 5


def test_a_full_relay_rejects_and_a_patient_request_gets_in_later(fake_config, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    config = fake_config({"listen": {"queue_items": 1}}, listen={"gate": str(gate)})
    with Pipeline.from_config(config) as pipeline:
        begun = threading.Event()
        running = pipeline.submit(clip(), on_event=lambda _: begun.set())
        assert begun.wait(WAIT_S)
        queued = pipeline.submit(clip())
        patient = pipeline.submit(clip(), patient=True)
        rejected = pipeline.submit(clip()).result(WAIT_S)
        assert rejected.outcome == "rejected"
        assert rejected.retry_after_s > 0
        gate.unlink()
        assert [future.result(WAIT_S).outcome for future in (running, queued, patient)] == ["ok"] * 3


def test_cancelling_the_future_cancels_the_request(shared, gate):
    begun = threading.Event()
    running = shared.submit(clip(), on_event=lambda _: begun.set())
    waiting = shared.submit(clip(0.2))
    assert begun.wait(WAIT_S)
    assert running.cancel()
    assert waiting.cancel()
    gate.unlink()
    assert shared.submit(clip(0.3)).result(WAIT_S).texts["listen"] == "en300.0"
    with pytest.raises(CancelledError):
        running.result()
    assert all(stage.queued == stage.in_service == 0 for stage in shared.client.status().stages)


def test_a_deadline_that_passes_in_the_queue_expires_the_request(shared, gate):
    first = shared.submit(clip())
    late = shared.submit(clip(), deadline_s=0.2).result(WAIT_S)
    assert late.outcome == "expired"
    gate.unlink()
    assert first.result(WAIT_S).outcome == "ok"


def test_a_deadline_that_passes_while_a_replica_computes_ends_the_request_and_not_the_next(shared, gate):
    began = threading.Event()
    late = shared.submit(clip(), deadline_s=3.0, on_event=lambda _: began.set())
    assert began.wait(WAIT_S)
    assert late.result(WAIT_S).outcome == "expired"  # the gate still holds the replica
    gate.unlink()
    assert shared.submit(clip()).result(WAIT_S).outcome == "ok"


def test_a_request_of_ten_thousand_pieces_ends_well(fake_config):
    with Pipeline.from_config(fake_config(translate={"pieces": 10_000})) as pipeline:
        result = pipeline.submit(clip()).result(WAIT_S)
    assert result.outcome == "ok"
    assert [span.stage for span in result.spans].count("speak") == 10_000


def test_a_failing_request_fails_alone_and_says_why(shared):
    results = list(shared.map([clip(0.912), clip(0.913), clip(0.914)]))
    assert [result.outcome for result in results] == ["ok", "failed", "ok"]
    assert "the stand-in fails on en913." in results[1].error


def test_an_input_error_names_the_remedy_and_others_go_on(shared):
    results = list(shared.map([clip(seconds=0), clip()]))
    assert [result.outcome for result in results] == ["failed", "ok"]
    assert "send some samples" in results[0].error


def test_a_process_ends_with_its_pipeline_however_that_ends(fake_config):
    pipeline = Pipeline.from_config(fake_config())
    pipeline.start()
    pids = [replica.pid for replica in pipeline.replicas()] + [pipeline.broker_pid]
    assert all(psutil.pid_exists(pid) for pid in pids)
    pipeline.stop()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    with pytest.raises(RelayClosed):
        pipeline.submit(clip())


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_no_orphan_is_left_when_the_parent_is_killed(fake_config, stopped):
    """`stopped`: not even a child that is stopped outlives its parent."""
    code = (
        "import sys; from pipeline import Pipeline\n"
        "p = Pipeline.from_config(sys.argv[1]); p.start()\n"
        "print(*[r.pid for r in p.replicas()], p.broker_pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(fake_config())], cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    if stopped:
        os.kill(children[0].pid, signal.SIGSTOP)
    parent.kill()
    parent.communicate()
    _, alive = psutil.wait_procs(children, timeout=WAIT_S)
    assert alive == []


def test_several_clients_share_a_relay(shared):
    with Client(shared.address) as one, Client(shared.address) as other:
        mine = [one.submit(clip(0.1)) for _ in range(5)]
        theirs = [other.submit(clip(0.2)) for _ in range(5)]
        assert {future.result(WAIT_S).texts["listen"] for future in mine} == {"en100.0"}
        assert {future.result(WAIT_S).texts["listen"] for future in theirs} == {"en200.0"}


def test_an_address_in_use_is_named(shared, folder, fake_config):
    assert shared.address == f"ipc://{folder}/relay"
    with pytest.raises(AddressInUse, match="in use"):
        Pipeline.from_config(fake_config(), listen=shared.address).start()
    assert shared.submit(clip()).result(WAIT_S).outcome == "ok"


def test_a_port_in_use_is_named(fake_config):
    with Pipeline.from_config(fake_config(), listen="tcp://127.0.0.1:0") as pipeline:
        assert pipeline.submit(clip()).result(WAIT_S).outcome == "ok"
        with pytest.raises(AddressInUse, match=pipeline.address):
            Pipeline.from_config(fake_config(), listen=pipeline.address).start()


def test_nobody_at_the_address_is_a_clear_error(tmp_path):
    with Client(f"ipc://{tmp_path}/nobody") as client, pytest.raises(RelayClosed, match="no relay answers"):
        client.status(timeout_s=0.2)


def test_the_threads_the_niceness_and_the_seed_reach_the_replica(fake_config, tmp_path):
    path = tmp_path / "one.yaml"
    only = "{module: 'modules.testing.budget_report:BudgetReport', threads: 3, nice: 2}"
    path.write_text(f"cores: 3\nseed: 7\nstages:\n  only: {only}\n")
    with Pipeline.from_config(path) as pipeline:
        assert pipeline.submit(clip()).result(WAIT_S).texts["only"] == f"3 3 {min(19, os.nice(0) + 2)} 7"


def test_models_that_options_name_are_found_in_the_weights_folder_too(fake_config, tmp_path):
    (tmp_path / "usb" / "some" / "vocoder").mkdir(parents=True)
    file = fake_config(speak={"second_model": "some/vocoder"})
    with Pipeline.from_config(file, weights=tmp_path / "usb") as pipeline:
        assert pipeline.submit(clip()).result(WAIT_S).outcome == "ok"


def test_bad_samples_are_refused_before_they_travel():
    import numpy as np

    from modules.contract.payloads import Audio

    with pytest.raises(InputError, match="mono float32"):
        Audio(np.zeros((2, 10), np.float32), 16000)
