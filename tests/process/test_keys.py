from __future__ import annotations

import socket
import stat

import pytest
import zmq.auth

from errors import ConfigError
from workers.wire.keys import ADMITTED, Handshakes, PeerKeys, check_keys, dial, make_keys


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_secret_keys_are_for_their_owner_alone(tmp_path):
    folder = tmp_path / "new" / "keys"
    make_keys(folder)
    assert mode(folder) == 0o700
    assert {file.name: mode(file) for file in folder.glob("*_secret")} == {
        "broker.key_secret": 0o600,
        "peer.key_secret": 0o600,
    }
    check_keys(folder)


def test_no_public_file_holds_a_secret(tmp_path):
    make_keys(tmp_path / "keys")
    public = list((tmp_path / "keys").rglob("*.key"))
    assert {file.name for file in public} == {"broker.key", "peer.key"}
    assert all(zmq.auth.load_certificate(file)[1] is None for file in public)


def test_the_peers_key_is_admitted_and_the_brokers_is_expected(tmp_path):
    make_keys(tmp_path / "keys")
    keys = PeerKeys.read(tmp_path / "keys")
    assert list(zmq.auth.load_certificates(tmp_path / "keys" / ADMITTED)) == [keys.public]
    assert keys.broker == zmq.auth.load_certificate(tmp_path / "keys" / "broker.key_secret")[0]


def test_keys_are_never_overwritten(tmp_path):
    make_keys(tmp_path / "keys")
    before = PeerKeys.read(tmp_path / "keys")
    with pytest.raises(ConfigError, match="never overwritten"):
        make_keys(tmp_path / "keys")
    assert PeerKeys.read(tmp_path / "keys") == before


@pytest.mark.parametrize("name", ["broker.key_secret", "peer.key_secret", "broker.key"])
def test_a_missing_or_broken_key_is_named_with_the_remedy(tmp_path, name):
    make_keys(tmp_path / "keys")
    for damage in (lambda file: file.write_text("nothing"), lambda file: file.unlink()):
        damage(tmp_path / "keys" / name)
        with pytest.raises(ConfigError, match=rf"{name}.*relevo keys DIR"):
            check_keys(tmp_path / "keys")


def test_a_public_key_in_the_place_of_a_secret_one_is_named(tmp_path):
    make_keys(tmp_path / "keys")
    (tmp_path / "keys" / "peer.key_secret").write_bytes((tmp_path / "keys" / "broker.key").read_bytes())
    with pytest.raises(ConfigError, match=r"peer\.key_secret holds no secret key"):
        PeerKeys.read(tmp_path / "keys")


def test_another_mechanism_is_a_refusal_at_once():
    """libzmq does not connect again then, and a send need not fail."""
    greeting = b"\xff" + bytes(8) + b"\x7f" + bytes([3, 1]) + b"CURVE".ljust(20, b"\0") + b"\1" + bytes(31)  # ZMTP 3.1
    with (
        zmq.Context() as context,
        context.socket(zmq.DEALER) as dealer,
        socket.create_server(("127.0.0.1", 0)) as tcp,
    ):
        dealer.setsockopt(zmq.LINGER, 0)
        handshakes = Handshakes(dealer)
        dial(dealer, f"tcp://127.0.0.1:{tcp.getsockname()[1]}", None)
        caller, _ = tcp.accept()
        with caller:
            caller.sendall(greeting)
            assert handshakes.monitor.poll(60_000)
            assert not handshakes.look()
            assert handshakes.refused
        handshakes.close()
