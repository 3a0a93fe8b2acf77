"""Waiting for several ZeroMQ sockets at once, with one system call where `zmq.Poller` needs several a socket."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Iterable
from typing import Any

import zmq

Source = zmq.Socket[Any] | int


class SocketPoller:
    """Tells which sockets and file descriptors may have something to read.

    libzmq's descriptor of a socket announces a change once, and any use of the socket may swallow the announcement
    (ZMQ_FD in zmq_getsockopt(3)). So whoever is told of a socket reads it until nothing is left, and says `used` of a
    socket it has sent on.
    """

    def __init__(self) -> None:
        """Watches nothing yet."""
        self._epoll = select.epoll()
        self._sources: dict[int, Source] = {}
        self._used: set[Source] = set()

    def add(self, source: Source) -> None:
        """Watches a socket, or a file descriptor."""
        fd = source if isinstance(source, int) else int(source.getsockopt(zmq.FD))
        self._sources[fd] = source
        self._epoll.register(fd, select.EPOLLIN)
        if not isinstance(source, int):
            self.used(source)

    def used(self, socket: zmq.Socket[Any]) -> None:
        """Notes that something was sent on a socket: `wait` names it even if nothing announces it."""
        self._used.add(socket)

    def wait(self, timeout_s: float | None = None, spin_s: float = 0.0) -> Iterable[Source]:
        """Those that may have something to read; none when the time has passed.

        It looks for `spin_s` before it sleeps: to be woken costs a few times as much as a look.
        """
        if self._used:
            told, self._used = self._used, set()
            return told.union(self._sources[fd] for fd, _ in self._epoll.poll(0))
        spin_until = time.monotonic() + min(spin_s, math.inf if timeout_s is None else timeout_s)
        while not (events := self._epoll.poll(0)) and time.monotonic() < spin_until:
            pass  # to give way here would be to wait behind whoever computes, for a whole time slice
        return [self._sources[fd] for fd, _ in events or self._epoll.poll(timeout_s)]

    def close(self) -> None:
        """Lets go of the system's resource."""
        self._epoll.close()
