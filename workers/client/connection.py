"""A client's connection to a broker: one DEALER socket that any thread sends on, and a thread that receives."""

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

from errors import ProtocolError
from workers.wire import codec, messages
from workers.wire.keys import Handshakes, PeerKeys, dial
from workers.wire.poller import SocketPoller
from workers.wire.sockets import has_message, receive, send

logger = logging.getLogger("relevo.client")


class Connection:
    """Dials a broker's address, and again whenever the connection breaks.

    A ZeroMQ socket may be used by several threads if they take turns, which the lock sees to. So a message leaves from
    the thread that has it: to hand it to another would cost more than to send it.
    """

    def __init__(
        self,
        address: str,
        keys: PeerKeys | None,
        on_message: Callable[[messages.ToClient, Sequence[Any]], None],
        on_connected: Callable[[], None],
        on_refused: Callable[[], None],
    ) -> None:
        """Returns at once; the callbacks are called by the connection's thread, which `start` starts.

        Args:
            address: where the broker listens for clients.
            keys: what to show there.
            on_message: takes each message with its payload frames.
            on_connected: told when the connection stands, and when it stands again after it broke.
            on_refused: told when the broker does not admit this peer; maybe more than once.
        """
        self.address = address
        self._on_message, self._on_connected, self._on_refused = on_message, on_connected, on_refused
        self._decode = codec.decoder(messages.ToClient)
        self._context: zmq.Context[Any] = zmq.Context()
        self._dealer = self._context.socket(zmq.DEALER)
        self._dealer.setsockopt(zmq.SNDHWM, 0)
        self._dealer.setsockopt(zmq.RCVHWM, 0)
        self._handshakes = Handshakes(self._dealer)
        dial(self._dealer, address, keys)
        self.lock = threading.RLock()
        self._closed = False
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._call_numbers = itertools.count()
        self._wake_reader, self._wake_writer = os.pipe()
        self._thread = threading.Thread(target=self._run, name="client", daemon=True)

    def start(self) -> None:
        """Begins to receive."""
        self._thread.start()

    def send(self, message: messages.FromClient, *frames: Any) -> None:
        """Sends a message with its payload frames."""
        try:
            with self.lock:
                if self._dealer.closed:
                    return  # there is nobody to tell any more
                send(self._dealer, message, *frames)
                if has_message(self._dealer):  # sending may have swallowed the announcement; see SocketPoller
                    self._wake()
        except zmq.Again:
            self._on_refused()

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Calls back from the connection's thread; to be used by that thread, or before `start`."""
        heapq.heappush(self._calls, (time.monotonic() + delay_s, next(self._call_numbers), call))

    def close(self, farewell: Callable[[], None]) -> None:
        """Ends the thread, lets `farewell` send, and lets go of the connection."""
        self._closed = True
        self._wake()
        self._thread.join()
        with self.lock:
            farewell()
            self._handshakes.close()
            self._dealer.close(linger=500)
        self._context.term()
        os.close(self._wake_writer)
        os.close(self._wake_reader)

    def _wake(self) -> None:
        os.write(self._wake_writer, b"w")

    def _run(self) -> None:
        poller = SocketPoller()
        for source in (self._handshakes.monitor, self._wake_reader, self._dealer):
            poller.add(source)
        while not self._closed:
            wait_s = max(0.0, self._calls[0][0] - time.monotonic()) if self._calls else None
            for source in poller.wait(wait_s):
                if source is self._handshakes.monitor:
                    self._look_at_connection()
                    continue
                if source == self._wake_reader:
                    os.read(self._wake_reader, 4096)
                self._take_all()
            while self._calls and self._calls[0][0] <= time.monotonic():
                heapq.heappop(self._calls)[2]()
        poller.close()

    def _look_at_connection(self) -> None:
        if self._handshakes.look():
            self._on_connected()
        elif self._handshakes.refused:
            self._on_refused()

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
