"""Sends a replica's heartbeats, so that a busy model is told from a process that hangs."""

from __future__ import annotations

import os
import signal
import threading
import time

import psutil
import zmq

from workers.wire import codec, messages
from workers.wire.keys import Handshakes, PeerKeys, dial

PERIOD_S = 1.0


class HeartbeatSender:
    """A thread with a socket of its own that sends one heartbeat a period, also while the model computes."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        address: str,
        keys: PeerKeys | None,
        replica: str,
        stage: str,
    ) -> None:
        """Starts to send to the broker at `address`."""
        self._context, self._address, self._keys = context, address, keys
        self._replica, self._stage = replica, stage
        self._state: messages.ReplicaState = "starting"
        self._busy_since: float | None = None
        self._stopped = threading.Event()
        self.refused = False  # whether the broker does not admit this replica
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def enter(self, state: messages.ReplicaState) -> None:
        """Tells this state from now on; entering "busy" again restarts the time that it tells with it."""
        self._busy_since = time.monotonic() if state == "busy" else None
        self._state = state

    def stop(self) -> None:
        """Ends the thread."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        process = psutil.Process()
        with self._context.socket(zmq.DEALER) as dealer:
            dealer.setsockopt(zmq.LINGER, 0)
            dealer.setsockopt(zmq.CONFLATE, 1)  # while the broker is away, only the latest is worth keeping
            handshakes = Handshakes(dealer)
            dial(dealer, self._address, self._keys)
            while not self.refused and not self._stopped.wait(PERIOD_S):
                try:
                    dealer.send(codec.encode(self._heartbeat(process.memory_info().rss)))
                except zmq.Again:
                    self.refused = True
                handshakes.look()
                self.refused |= handshakes.refused
            handshakes.close()
        if self.refused:
            os.kill(os.getpid(), signal.SIGTERM)  # wakes the main thread, wherever it waits

    def _heartbeat(self, rss_bytes: int) -> messages.Heartbeat:
        since = self._busy_since
        busy_s = 0.0 if since is None else time.monotonic() - since
        return messages.Heartbeat(self._replica, self._stage, self._state, busy_s, rss_bytes)
