"""Replicas that dial in from elsewhere, and peers that are refused: real processes, real sockets, real keys."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading

import numpy as np
import pytest
import zmq

from checkout import ROOT
from errors import InputError, RelayClosed
from pipeline import Pipeline
from tests.conftest import clip, until
from workers.client.client import Client
from workers.wire import codec, messages
from workers.wire.keys import ADMITTED, make_keys

WAIT_S = 60
TCP = "tcp://127.0.0.1:0"


@pytest.fixture
def keys(tmp_path):
    make_keys(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def dial_in():
    """Starts replicas as someone elsewhere would; none outlives its test."""
    with contextlib.ExitStack() as stack:

        def start(address, name, *options, stage="speak"):
            command = [
                sys.executable,
                "-m",
                "workers.replica",
                "--stage",
                stage,
                "--connect",
                address,
                "--name",
                name,
            ]
            process = subprocess.Popen(
                [*command, *map(str, options)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            return process

        yield start


@contextlib.contextmanager
def relay(config, dial, **overrides):
    """A relay that a replica from elsewhere completes: `dial` starts it, once the address is known."""
    pipeline = Pipeline.from_config(config, **{"ratio": "1:1:0", "listen_replicas": TCP, **overrides})
    dialled = []

    def on_change(_):
        with contextlib.suppress(RelayClosed):
            if not dialled:
                dialled.append(dial(pipeline.replica_address))

    pipeline.start(on_change)
    try:
        yield pipeline, dialled[0]
    finally:
        pipeline.stop(0.0)


def names(pipeline, *states):
    return {replica.name for replica in pipeline.replicas() if replica.state in states}


def served_by(result):
    return [span.replica for span in result.spans if span.stage == "speak"]


def begin(pipeline):
    """Submits a request; returns its future once a replica has begun its last job."""
    begun = threading.Event()
    future = pipeline.submit(clip(), on_event=lambda event: begun.set() if event.stage == "speak" else None)
    assert begun.wait(WAIT_S)
    return future


@pytest.fixture
def gate(tmp_path):
    """While this file exists, the stage speak does not answer."""
    file = tmp_path / "gate"
    file.touch()
    return file


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_stage_is_served_from_elsewhere_alone(fake_config, dial_in, keys, encrypted):
    overrides = {"keys": str(keys), "listen": TCP} if encrypted else {}
    options = ("--keys", keys) if encrypted else ()
    with relay(fake_config(), lambda address: dial_in(address, "far", *options), **overrides) as (pipeline, process):
        result = pipeline.submit(clip()).result(WAIT_S)
        assert result.outcome == "ok"
        assert served_by(result) == ["far"]
        assert pipeline.client.status().refused == 0
    assert process.wait(WAIT_S) == 0  # the relay's end is the end of its replicas


def test_local_and_remote_replicas_share_a_stage(fake_config, dial_in, keys, gate):
    with Pipeline.from_config(fake_config(speak={"gate": str(gate)}), listen_replicas=TCP, keys=str(keys)) as pipeline:
        first = begin(pipeline)
        dial_in(pipeline.replica_address, "far", "--keys", keys)
        second = begin(pipeline)
        gate.unlink()
        assert served_by(first.result(WAIT_S)) == ["speak-0.0"]
        assert served_by(second.result(WAIT_S)) == ["far"]


def test_a_remote_replica_killed_in_the_middle_of_a_job_loses_nothing(fake_config, dial_in, gate):
    config = fake_config(speak={"gate": str(gate)})
    with relay(config, lambda address: dial_in(address, "far"), heartbeat_timeout_s=2.5) as (pipeline, process):
        future = begin(pipeline)
        process.kill()
        dial_in(pipeline.replica_address, "other")
        gate.unlink()
        result = future.result(WAIT_S)
        assert result.outcome == "ok"
        assert served_by(result) == ["other"]
        assert [span.attempt for span in result.spans if span.stage == "speak"] == [2]
        assert names(pipeline, "ready", "busy") >= {"other"}
        assert "far" not in names(pipeline, "ready", "busy")


def test_a_stopped_one_is_gone_by_its_silence_and_its_late_answers_count_for_nothing(fake_config, dial_in, gate):
    config = fake_config(speak={"gate": str(gate)})
    with relay(config, lambda address: dial_in(address, "far"), heartbeat_timeout_s=2.5) as (pipeline, process):
        future = begin(pipeline)
        process.send_signal(signal.SIGSTOP)
        until(lambda: "far" not in names(pipeline, "ready", "busy"))
        other = dial_in(pipeline.replica_address, "other")
        gate.unlink()
        result = future.result(WAIT_S)
        assert served_by(result) == ["other"]
        process.send_signal(signal.SIGCONT)
        until(lambda: {stage.name: stage.ready for stage in pipeline.client.status().stages}["speak"] == 2)
        assert result.audio.seconds == 0.5
        other.terminate()
        assert other.wait(WAIT_S) == 0
        again = pipeline.submit(clip()).result(WAIT_S)
        assert served_by(again) == ["far"]
        assert again.audio.seconds == 0.5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_remote_replica_that_is_asked_to_end_finishes_what_it_has_in_hand(fake_config, dial_in, gate, number):
    config = fake_config(speak={"gate": str(gate)})
    with relay(config, lambda address: dial_in(address, "far")) as (pipeline, process):
        future = begin(pipeline)
        until(lambda: "far" in names(pipeline, "busy"))
        process.send_signal(number)
        gate.unlink()
        result = future.result(WAIT_S)
        assert served_by(result) == ["far"]
        assert [span.attempt for span in result.spans if span.stage == "speak"] == [1]
        assert process.wait(WAIT_S) == 0


def test_a_killed_broker_comes_back_where_replicas_and_clients_look_for_it(fake_config, dial_in, keys, gate):
    config = fake_config(speak={"gate": str(gate)})
    with relay(
        config, lambda address: dial_in(address, "far", "--keys", keys), keys=str(keys), listen=TCP
    ) as (pipeline, _):  # fmt: skip
        future, before = begin(pipeline), (pipeline.address, pipeline.replica_address)
        os.kill(pipeline.broker_pid, signal.SIGKILL)
        gate.unlink()
        result = future.result(WAIT_S)
        assert result.outcome == "ok"
        assert served_by(result) == ["far"]
        assert (pipeline.address, pipeline.replica_address) == before


def test_a_replica_left_by_its_relay_ends_when_another_comes_with_other_settings(fake_config, dial_in, tmp_path):
    listen = f"ipc://{tmp_path}/replicas"
    code = (
        "import sys; from pipeline import Pipeline\n"
        "Pipeline.from_config(sys.argv[1], ratio='1:1:0', listen_replicas=sys.argv[2]).start()\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(fake_config()), listen]
    first = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process = dial_in(listen, "far")
    assert first.stdout.readline() == b"ready\n"
    first.kill()
    first.communicate()
    with Pipeline.from_config(fake_config(speak={"pieces": 2}), listen_replicas=listen) as pipeline:
        assert process.wait(WAIT_S) == 1
        assert "other settings of speak" in process.stderr.read()
        assert served_by(pipeline.submit(clip()).result(WAIT_S)) == ["speak-0.0"]


def test_work_that_never_reached_its_replica_is_handed_out_again(fake_config):
    """A replica of ours without a model: it loses its first batch, as a connection that breaks would."""
    replica, receive = "far", codec.decoder(messages.ToReplica)
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer, context.socket(zmq.DEALER) as heart:
        dealer.setsockopt(zmq.IDENTITY, replica.encode())
        pipeline = Pipeline.from_config(fake_config(), listen_replicas=TCP)
        with pipeline:
            for each in (dealer, heart):
                each.connect(pipeline.replica_address)
            dealer.send(codec.encode(messages.Join(replica, "speak")))
            assert isinstance(receive(dealer.recv()), messages.StageSpec)
            dealer.send(codec.encode(messages.Ready(replica, "speak")))
            until(lambda: pipeline.client.status().stages[2].ready == 2)
            lost = [pipeline.submit(clip()) for _ in range(2)]
            assert isinstance(receive(dealer.recv_multipart()[0]), messages.BatchLease)
            while not dealer.poll(100):
                heart.send(codec.encode(messages.Heartbeat(replica, "speak", "ready", 0.0, 1)))
            assert isinstance(receive(dealer.recv()), messages.Resync)
            dealer.send(codec.encode(messages.Leave(replica, "speak", "", False)))
            assert [served_by(future.result(WAIT_S)) for future in lost] == [["speak-0.0"]] * 2


# who is refused


def test_a_replica_of_an_unknown_stage_is_told_so_and_counted(fake_config, dial_in):
    with Pipeline.from_config(fake_config(), listen_replicas=TCP) as pipeline:
        process = dial_in(pipeline.replica_address, "lost", stage="sing")
        assert process.wait(WAIT_S) == 1
        assert "it has no stage 'sing', only listen, translate, speak" in process.stderr.read()
        assert pipeline.client.status().refused >= 1
        assert pipeline.submit(clip()).result(WAIT_S).outcome == "ok"


def test_a_replica_that_nobody_answers_ends_and_says_so(dial_in, tmp_path):
    process = dial_in(f"ipc://{tmp_path}/nobody", "lost", "--wait", 0.2)
    assert process.wait(WAIT_S) == 1
    assert f"no relay answers at ipc://{tmp_path}/nobody" in process.stderr.read()


def without_keys(keys, folder):
    return ()


def with_a_key_that_is_not_admitted(keys, folder):
    make_keys(folder)
    shutil.copy(keys / "broker.key", folder / "broker.key")
    return ("--keys", folder)


def expecting_another_broker(keys, folder):
    make_keys(folder)
    shutil.copy(keys / "peer.key_secret", folder / "peer.key_secret")
    return ("--keys", folder)


@pytest.mark.parametrize("stranger", [without_keys, with_a_key_that_is_not_admitted, expecting_another_broker])
def test_strangers_are_refused_and_counted(fake_config, dial_in, keys, tmp_path, stranger):
    options = stranger(keys, tmp_path / "strange")
    with Pipeline.from_config(fake_config(), listen_replicas=TCP, listen=TCP, keys=str(keys)) as pipeline:
        process = dial_in(pipeline.replica_address, "stranger", *options, "--wait", 10 * WAIT_S)
        assert process.wait(WAIT_S) == 1
        assert "does not admit this replica" in process.stderr.read()
        after_replica = pipeline.client.status().refused
        assert after_replica >= 1
        with Client(pipeline.address, *options[1:]) as client, pytest.raises(RelayClosed, match="does not admit"):
            client.status(timeout_s=WAIT_S)
        assert pipeline.client.status().refused > after_replica
        assert "stranger" not in {replica.name for replica in pipeline.replicas()}
        with Client(pipeline.address, keys) as client:
            assert client.submit(clip()).result(WAIT_S).outcome == "ok"


@pytest.fixture
def hangs_up():
    """The address of a listener that closes every connection before it has said anything."""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_repeated_failed_handshakes_end_the_client(dial_in, hangs_up):
    process = dial_in(hangs_up, "stranger", "--wait", 10 * WAIT_S)
    with Client(hangs_up) as client:
        future = client.submit(clip())
        with pytest.raises(RelayClosed, match="does not admit this client"):
            future.result(WAIT_S)
    assert process.wait(WAIT_S) == 1
    assert "does not admit this replica" in process.stderr.read()


def test_a_key_counts_from_the_moment_it_is_admitted(fake_config, keys, tmp_path):
    options = with_a_key_that_is_not_admitted(keys, tmp_path / "second")
    with Pipeline.from_config(fake_config(), listen=TCP, keys=str(keys)) as pipeline:
        shutil.copy(tmp_path / "second" / ADMITTED / "peer.key", keys / ADMITTED / "second.key")
        with Client(pipeline.address, options[1]) as client:
            assert client.submit(clip()).result(WAIT_S).outcome == "ok"
            (keys / ADMITTED / "second.key").unlink()
            with Client(pipeline.address, options[1]) as late:
                with pytest.raises(RelayClosed, match="does not admit"):
                    late.submit(clip()).result(WAIT_S)
            assert client.submit(clip()).result(WAIT_S).outcome == "ok"  # its connection stands


SUBMIT = codec.encode(messages.Submit("request", messages.Meta("audio", 1.0, sample_rate=16000)))
OUTPUT = codec.encode(messages.Output("far", 1, 1, 0, messages.Meta("audio", 1.0, sample_rate=16000)))
GARBAGE = {
    "nothing": [b""],
    "random": [random.Random(0).randbytes(200)],
    "random after the prefix": [codec.PREFIX + random.Random(1).randbytes(200)],
    "another version": [b"RLV\x63" + SUBMIT[4:]],
    "another role's": [codec.encode(messages.ReplicaGone("speak-0.0", "mischief"))],
    "truncated": [SUBMIT[:-3], b"pcm"],
    "not a text where one is due": [SUBMIT.replace(b"request", b"\xff\xfequest"), b"pcm"],
    "no amount where one is due": [codec.encode(messages.Submit("r", messages.Meta("audio", float("nan")))), b"pcm"],
    "a header over the limit": [codec.PREFIX + bytes(codec.MAX_HEADER_BYTES)],
    "frames without number": [codec.PREFIX, *[b"x"] * 100],
}


@pytest.mark.parametrize("door", ["clients", "replicas"])
def test_garbage_is_refused_and_counted_and_the_relay_goes_on(fake_config, door):
    payload_message = {"clients": SUBMIT, "replicas": OUTPUT}[door]
    too_large = np.zeros(codec.MAX_PAYLOAD_BYTES + 1, np.uint8)
    messages = [*GARBAGE.values(), [payload_message], [payload_message, b"", b""], [payload_message, too_large]]
    with Pipeline.from_config(fake_config(), listen_replicas=TCP) as pipeline, zmq.Context() as context:
        address = pipeline.address if door == "clients" else pipeline.replica_address
        with context.socket(zmq.DEALER) as dealer:
            dealer.connect(address)
            for frames in messages:
                dealer.send_multipart(frames, copy=False)
            until(lambda: pipeline.client.status().refused >= len(messages))
            assert pipeline.client.status().refused == len(messages)
        assert pipeline.submit(clip()).result(WAIT_S).outcome == "ok"


def test_an_oversized_frame_closes_the_connection(fake_config):
    with Pipeline.from_config(fake_config()) as pipeline, zmq.Context() as context:
        with context.socket(zmq.DEALER) as dealer:
            hung_up = dealer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
            dealer.setsockopt(zmq.LINGER, 0)
            dealer.connect(pipeline.address)
            dealer.send_multipart([SUBMIT, np.zeros(2 * codec.MAX_PAYLOAD_BYTES + 1, np.uint8)], copy=False)
            assert hung_up.poll(WAIT_S * 1000)
            dealer.disable_monitor()
        assert pipeline.submit(clip()).result(WAIT_S).outcome == "ok"


@pytest.mark.parametrize(("kind", "payload"), [("audio", b"abc"), ("text", b"\xff\xfe")])
def test_a_payload_that_is_not_what_its_header_says_fails_alone(fake_config, kind, payload):
    message = messages.Submit(
        "odd", messages.Meta(kind, 1.0, sample_rate=16000), stage="listen" if kind == "audio" else "speak"
    )
    with Pipeline.from_config(fake_config()) as pipeline, zmq.Context() as context:
        with context.socket(zmq.DEALER) as dealer:
            dealer.connect(pipeline.address)
            dealer.send_multipart([codec.encode(message), payload])
            outcome = codec.decoder(messages.ToClient)(dealer.recv())
        assert outcome.outcome == "failed"
        assert f"not valid {kind}" in outcome.reason
        assert pipeline.submit(clip()).result(WAIT_S).outcome == "ok"
        assert all(replica.starts == 1 for replica in pipeline.replicas())


def test_what_is_not_zeromq_is_counted_at_the_door(fake_config, keys):
    with Pipeline.from_config(fake_config(), listen=TCP, keys=str(keys)) as pipeline:
        host, port = pipeline.address.removeprefix("tcp://").split(":")
        with socket.create_connection((host, int(port))) as stranger:
            stranger.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(60))
        until(lambda: pipeline.client.status().refused == 1)
        assert pipeline.submit(clip()).result(WAIT_S).outcome == "ok"


def test_a_payload_over_the_limit_is_refused_before_it_travels(fake_config, monkeypatch):
    monkeypatch.setattr(codec, "MAX_PAYLOAD_BYTES", 1000)
    with Client("ipc:///nowhere") as client, pytest.raises(InputError, match="over the limit of 1000"):
        client.submit(clip())


# the command line


def relevo(*arguments):
    command = [sys.executable, ROOT / "pipeline.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)


def test_keys_are_made_told_of_and_not_overwritten(tmp_path):
    made = relevo("keys", tmp_path / "keys")
    assert made.returncode == 0, made.stderr
    for named in (f"set keys: {tmp_path / 'keys'}", "broker.key", "peer.key_secret", "--connect", "admitted"):
        assert named in made.stdout
    again = relevo("keys", tmp_path / "keys")
    assert again.returncode == 2
    assert "never overwritten" in again.stderr


def test_a_running_relay_is_asked_with_keys(fake_config, keys):
    with Pipeline.from_config(fake_config({"speak": {"threads": 1}}), listen=TCP, keys=str(keys)) as pipeline:
        asked = relevo("scale", "speak", 2, "--connect", pipeline.address, "--keys", keys)
        assert asked.returncode == 0, asked.stderr
        assert "speak: 1 ready, 2 wanted" in asked.stdout
        stranger = relevo("scale", "speak", 2, "--connect", pipeline.address)
        assert stranger.returncode == 1
        assert "does not admit this client" in stranger.stderr


def test_the_check_names_interpreters_and_stages_that_wait_for_others(fake_config):
    config = fake_config({"translate": {"python": sys.executable}})
    checked = relevo("check", "--config", config, "--ratio", "1:1:0", "--set", f"listen_replicas={TCP}")
    assert checked.returncode == 0, checked.stderr
    shown = " ".join(checked.stdout.split())
    assert f"translate runs on {sys.executable}" in shown
    assert f"speak waits for replicas that dial in at {TCP}" in shown


# another interpreter


def test_a_stage_may_run_on_another_interpreter(fake_config, tmp_path):
    interpreter, used = tmp_path / "python", tmp_path / "used"
    interpreter.write_text(f'#!/bin/sh\necho "$@" >> {used}\nexec {sys.executable} "$@"\n')
    interpreter.chmod(0o755)
    with Pipeline.from_config(fake_config({"speak": {"python": str(interpreter)}})) as pipeline:
        assert pipeline.submit(clip()).result(WAIT_S).outcome == "ok"
    (line,) = used.read_text().splitlines()
    assert line.startswith("-P -m workers.replica --stage speak ")


def test_what_another_environment_needs_is_pinned_as_in_ours():
    ours = (ROOT / "requirements" / "run.in").read_text().splitlines()
    theirs = [line for line in (ROOT / "requirements" / "replica.in").read_text().splitlines() if "==" in line]
    assert set(theirs) <= set(ours)
    code = (
        "import sys; sys.modules.update(dict.fromkeys(sys.argv[1:]))\n"
        "import workers.replica.command, workers.replica.batch, modules.weights\n"
        "import modules.contract.registry, modules.contract.module"
    )
    absent = ["pydantic_settings", "rich", "onnxruntime", "ctranslate2", "faster_whisper"]
    subprocess.run([sys.executable, "-c", code, *absent], cwd=ROOT, check=True)
