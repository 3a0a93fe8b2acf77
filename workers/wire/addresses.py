"""Checks the addresses that sockets listen on and connect to, before any socket is given one.

    ipc                     a private socket of this relay; to listen only
    ipc:///path/of/socket   a Unix socket
    tcp://HOST:PORT         TCP over IPv4; port 0 listens on any free port
    HOST:PORT               where metrics are served over HTTP

libzmq itself reads port 80000 as 14464, and says "Invalid argument" to most other mistakes.
"""

from __future__ import annotations

import ipaddress
import re

from errors import ConfigError

PRIVATE = "ipc"
IPC, TCP = "ipc://", "tcp://"
MAX_PORT = 2**16 - 1
MAX_SOCKET_PATH_BYTES = 107  # sun_path holds 108, with the zero at its end: unix(7)
HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # a name or an IPv4 address, as libzmq accepts them


def validate_address(address: str, *, to_listen: bool = False) -> str:
    """Returns the address if a ZeroMQ socket can use it.

    Args:
        address: one of the forms above.
        to_listen: accept what only a listener may be given: ``ipc``, host ``*`` and port 0.

    Raises:
        ConfigError: the address is none; says why and what to write.
    """
    problem = _problem(address, to_listen)
    if problem:
        private = "ipc, " if to_listen else ""
        raise ConfigError(
            f"address {address!r}: {problem}; write {private}ipc:///path/of/socket or tcp://HOST:PORT, "
            f"such as tcp://127.0.0.1:7000"
        )
    return address


def validate_http_address(address: str) -> str:
    """Returns the address if an HTTP server can listen on it.

    Raises:
        ConfigError: the address is not HOST:PORT; says why and what to write.
    """
    problem = _host_and_port_problem(address, to_listen=True, any_host="0.0.0.0")
    if problem:
        raise ConfigError(f"address {address!r}: {problem}; write HOST:PORT, such as 127.0.0.1:9464")
    return address


def is_exposed(address: str) -> bool:
    """Returns whether another machine could reach the address."""
    if not address.startswith(TCP):
        return False
    host = address.removeprefix(TCP).rpartition(":")[0]
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def _problem(address: str, to_listen: bool) -> str:
    """Says what is wrong with the address; empty if nothing is."""
    if address == PRIVATE and to_listen:
        return ""
    if address.startswith(IPC):
        return _path_problem(address.removeprefix(IPC))
    if address.startswith(TCP):
        return _host_and_port_problem(address.removeprefix(TCP), to_listen=to_listen, any_host="*")
    return "it begins with neither ipc:// nor tcp://"


def _path_problem(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        return "the path of its socket must begin at /"
    length = len(path.encode(errors="surrogateescape"))
    if length > MAX_SOCKET_PATH_BYTES:
        return f"the path of its socket has {length} bytes and may have {MAX_SOCKET_PATH_BYTES}"
    return ""


def _host_and_port_problem(address: str, *, to_listen: bool, any_host: str) -> str:
    """Says what is wrong with HOST:PORT; a listener may use `any_host`, which stands for every interface."""
    host, colon, port = address.rpartition(":")
    if not colon:
        return "it has no port"
    if not HOST.fullmatch(host) and not (to_listen and host == any_host):
        return f"{host!r} is neither the name nor the IPv4 address of a host"
    least = 0 if to_listen else 1
    if not (port.isascii() and port.isdecimal() and least <= int(port) <= MAX_PORT):
        return f"port {port!r} is no number from {least} to {MAX_PORT}"
    return ""
