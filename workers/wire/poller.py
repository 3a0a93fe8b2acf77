"""Waiting for several ZeroMQ sockets at once, with one system call where `zmq.Poller` needs several for each socket."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Iterable
from typing import Any

import zmq

Source = zmq.Socket[Any] | int
MAX_WAIT_S = 3600.0  # epoll takes milliseconds as a C int: a longer wait is waited for in parts


class SocketPoller:
    """Tells which sockets and file descriptors may have something to read.

    libzmq's descriptor of a socket signals a change once, and any use of the socket may consume the signal (ZMQ_FD in
    zmq_getsockopt(3)). So read a socket that `wait` returns until it is empty, and call `recheck` after any other use.
    """

    def __init__(self) -> None:
        """Waits for nothing yet."""
        self._epoll = select.epoll()
        self._sources: dict[int, Source] = {}
        self._to_recheck: set[Source] = set()

    def add(self, source: Source) -> None:
        """Adds a socket, or a file descriptor."""
        fd = source if isinstance(source, int) else int(source.getsockopt(zmq.FD))
        self._sources[fd] = source
        self._epoll.register(fd, select.EPOLLIN)
        if not isinstance(source, int):
            self.recheck(source)

    def recheck(self, socket: zmq.Socket[Any]) -> None:
        """Makes the next `wait` return a socket even if nothing signals it: it was sent on, or not read to its end."""
        self._to_recheck.add(socket)

    def wait(self, timeout_s: float | None = None, spin_s: float = 0.0) -> Iterable[Source]:
        """Returns the sources that may have something to read; none after `timeout_s`.

        It polls for `spin_s` before it sleeps, because waking up takes several times as long as a poll.
        """
        if self._to_recheck:
            ready, self._to_recheck = self._to_recheck, set()
            return ready.union(self._sources[fd] for fd, _ in self._epoll.poll(0))
        spin_until = time.monotonic() + min(spin_s, math.inf if timeout_s is None else timeout_s)
        while not (events := self._epoll.poll(0)) and time.monotonic() < spin_until:
            pass  # sched_yield would queue this thread behind one that computes, for a whole time slice
        longest_s = MAX_WAIT_S if timeout_s is None else min(timeout_s, MAX_WAIT_S)
        return [self._sources[fd] for fd, _ in events or self._epoll.poll(longest_s)]

    def close(self) -> None:
        """Closes the epoll descriptor."""
        self._epoll.close()
