from __future__ import annotations

import pytest

from errors import ConfigError
from workers.wire.addresses import MAX_SOCKET_PATH_BYTES, is_exposed, validate_address, validate_http_address

LONGEST_PATH = "ipc:///" + "a" * (MAX_SOCKET_PATH_BYTES - 1)
TO_BOTH = [
    "ipc:///run/relevo",
    LONGEST_PATH,
    "tcp://127.0.0.1:7000",
    "tcp://localhost:65535",
    "tcp://my-host_1.example:1",
]
TO_LISTEN = ["ipc", "tcp://*:7000", "tcp://127.0.0.1:0", "tcp://eth0:7000"]


@pytest.mark.parametrize("address", TO_BOTH)
def test_an_address_that_libzmq_can_use_is_accepted(address):
    assert validate_address(address) == address
    assert validate_address(address, to_listen=True) == address


@pytest.mark.parametrize("address", TO_LISTEN)
def test_a_listener_may_have_more(address):
    assert validate_address(address, to_listen=True) == address


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("tcp://127.0.0.1", "has no port"),
        ("tcp://127.0.0.1:", "port '' is no number from 0 to 65535"),
        ("tcp://127.0.0.1:80000", "port '80000' is no number"),
        ("tcp://127.0.0.1:-1", "port '-1' is no number"),
        ("tcp://127.0.0.1:70 ", "port '70 ' is no number"),
        ("tcp://127.0.0.1:٣", "is no number"),
        ("tcp://127.0.0.1:http", "port 'http' is no number"),
        ("tcp://:7000", "'' is neither the name nor the IPv4 address of a host"),
        ("tcp://[::1]:7000", "neither the name nor the IPv4 address"),
        ("tcp://a b:7000", "neither the name nor the IPv4 address"),
        ("tcp:127.0.0.1:7000", "neither ipc:// nor tcp://"),
        ("127.0.0.1:7000", "neither ipc:// nor tcp://"),
        ("http://127.0.0.1:7000", "neither ipc:// nor tcp://"),
        ("", "neither ipc:// nor tcp://"),
        ("ipc://", "must begin at /"),
        ("ipc://relative/path", "must begin at /"),
        ("ipc:///a\0b", "must begin at /"),
        (LONGEST_PATH + "a", "has 108 bytes and may have 107"),
        ("ipc:///" + "é" * 60, "has 121 bytes"),
    ],
)
def test_a_wrong_address_is_refused_with_what_to_write(address, problem):
    for to_listen in (False, True):
        with pytest.raises(ConfigError, match=r"write .*ipc:///path/of/socket or tcp://HOST:PORT") as refused:
            validate_address(address, to_listen=to_listen)
    assert problem in str(refused.value)


@pytest.mark.parametrize("address", ["ipc", "tcp://*:7000", "tcp://127.0.0.1:0"])
def test_what_only_a_listener_may_have_cannot_be_connected_to(address):
    with pytest.raises(ConfigError, match="write ipc:///path/of/socket or tcp://HOST:PORT"):
        validate_address(address)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "0.0.0.0:9464", "localhost:9464"])
def test_an_http_address_is_a_host_and_a_port(address):
    assert validate_http_address(address) == address


@pytest.mark.parametrize("address", ["9464", "127.0.0.1", "127.0.0.1:99999", "*:9464", "tcp://127.0.0.1:9464"])
def test_a_wrong_http_address_is_refused_with_what_to_write(address):
    with pytest.raises(ConfigError, match=r"write HOST:PORT, such as 127\.0\.0\.1:9464"):
        validate_http_address(address)


@pytest.mark.parametrize(
    ("address", "exposed"),
    [
        ("ipc", False),
        ("ipc:///run/relevo", False),
        ("tcp://127.0.0.1:0", False),
        ("tcp://127.3.2.1:5555", False),
        ("tcp://localhost:5555", False),
        ("tcp://0.0.0.0:5555", True),
        ("tcp://*:5555", True),
        ("tcp://192.168.0.3:5555", True),
        ("tcp://relay.example:5555", True),
    ],
)
def test_an_address_is_exposed_when_another_machine_could_reach_it(address, exposed):
    assert is_exposed(address) is exposed
