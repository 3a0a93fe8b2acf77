"""A client's connection to a broker: a DEALER socket that any thread sends on, and a thread that receives."""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import zmq

from errors import ProtocolError, RelayClosed
from workers.wire import codec, messages
from workers.wire.keys import Handshakes, PeerKeys, dial
from workers.wire.poller import SocketPoller
from workers.wire.sockets import has_message, receive, send

logger = logging.getLogger("relevo.client")


class Connection:
    """Connects to a broker's address, and again whenever the connection breaks.

    Threads may share a ZeroMQ socket if they take turns, which the lock sees to. So the thread that has a message also
    sends it: to pass it to another thread would take longer than to send it.
    """

    def __init__(
        self,
        address: str,
        keys: PeerKeys | None,
        on_message: Callable[[messages.ToClient, Sequence[Any]], None],
        on_connected: Callable[[], None],
        on_failed: Callable[[RelayClosed], None],
    ) -> None:
        """Returns at once; the connection's thread, which `start` starts, calls the callbacks.

        Args:
            address: where the broker listens for clients.
            keys: what this peer proves itself with.
            on_message: takes each message with its payload frames.
            on_connected: told when the connection is made, and when it is made again.
            on_failed: told why nothing will be received any more: the broker does not admit this peer, or the thread
                has failed. Any thread that sends may call it, more than once.
        """
        self.address = address
        self._on_message, self._on_connected, self._on_failed = on_message, on_connected, on_failed
        self._decode = codec.decoder(messages.ToClient)
        self._context: zmq.Context[Any] = zmq.Context()
        self._dealer = self._context.socket(zmq.DEALER)
        self._dealer.setsockopt(zmq.SNDHWM, 0)
        self._dealer.setsockopt(zmq.RCVHWM, 0)
        self._handshakes = Handshakes(self._dealer)
        dial(self._dealer, address, keys)
        self.lock = threading.RLock()
        self._closed = False
        self._timers: list[tuple[float, int, Callable[[], None]]] = []  # a heap; the number breaks ties
        self._timer_numbers = itertools.count()
        self._wake_reader, self._wake_writer = os.pipe()
        self._thread = threading.Thread(target=self._run, name="client", daemon=True)

    def start(self) -> None:
        """Begins to receive."""
        self._thread.start()

    def send(self, message: messages.FromClient, *frames: Any) -> None:
        """Sends a message with its payload frames; does nothing once the connection is closed."""
        try:
            with self.lock:
                if self._dealer.closed:
                    return
                send(self._dealer, message, *frames)
                if has_message(self._dealer):  # sending may have consumed the signal; see SocketPoller
                    self._wake()
        except zmq.Again:
            self._fail_refused()

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Calls back from the connection's thread; any thread may ask for it."""
        timer = (time.monotonic() + delay_s, next(self._timer_numbers), call)
        with self.lock:
            heapq.heappush(self._timers, timer)
            if self._timers[0] is timer and not self._closed:
                self._wake()

    def close(self, before: Callable[[], None]) -> None:
        """Ends the thread, calls `before`, which may still send, and closes the socket. A second call does nothing."""
        with self.lock:
            if self._closed:
                return
            self._closed = True
        self._wake()
        self._thread.join()
        try:
            before()
        finally:
            with self.lock:
                self._handshakes.close()
                self._dealer.close(linger=500)
            self._context.term()
            os.close(self._wake_writer)
            os.close(self._wake_reader)

    def _wake(self) -> None:
        os.write(self._wake_writer, b"w")

    def _run(self) -> None:
        poller = SocketPoller()
        try:
            for source in (self._handshakes.monitor, self._wake_reader, self._dealer):
                poller.add(source)
            while not self._closed:
                self._turn(poller)
        except BaseException as error:
            logger.exception("the client of %s failed", self.address)
            reason = f"the client of {self.address} failed: {type(error).__name__}: {error}; make a new one"
            self._on_failed(RelayClosed(reason))
        finally:
            poller.close()

    def _turn(self, poller: SocketPoller) -> None:
        """Waits for messages or for the next call that is due, and handles them."""
        with self.lock:
            wait_s = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
        for source in poller.wait(wait_s):
            if source is self._handshakes.monitor:
                self._look_at_handshakes()
                continue
            if source == self._wake_reader:
                os.read(self._wake_reader, 4096)
            self._take_all()
        while (call := self._next_due()) is not None:
            call()

    def _next_due(self) -> Callable[[], None] | None:
        with self.lock:
            if self._timers and self._timers[0][0] <= time.monotonic():
                return heapq.heappop(self._timers)[2]
            return None

    def _look_at_handshakes(self) -> None:
        if self._handshakes.look():
            self._on_connected()
        elif self._handshakes.refused:
            self._fail_refused()

    def _fail_refused(self) -> None:
        self._on_failed(
            RelayClosed(
                f"the relay at {self.address} does not admit this client, or is not the one that its keys are for; "
                f"pass keys that fit"
            )
        )

    def _take_all(self) -> None:
        while True:
            with self.lock:
                frames = receive(self._dealer)
            if frames is None:
                return
            try:
                for message, payloads in codec.read_all(self._decode, frames):
                    self._on_message(message, payloads)
            except ProtocolError as error:
                logger.warning("ignored a message from %s: %s", self.address, error)
