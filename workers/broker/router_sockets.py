"""The broker's ROUTER sockets: where they listen, who may connect, and how messages are read and sent."""

from __future__ import annotations

import logging
import socket
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from errors import AddressInUse, ProtocolError
from workers.wire import codec
from workers.wire.addresses import IPC, TCP
from workers.wire.keys import HANDSHAKE_FAILED, KeyAuthenticator
from workers.wire.poller import SocketPoller, Source
from workers.wire.sockets import has_message, receive, send_frames

logger = logging.getLogger("relevo.broker")

MAX_FRAME_BYTES = 2 * codec.MAX_PAYLOAD_BYTES  # a larger frame ends its connection before it is read
MESSAGES_IN_A_ROW = 64  # read from one socket before the others are looked at
LINGER_MS = 1000  # how long the last messages may take to leave
KINDS = {stat.S_IFREG: "a regular file", stat.S_IFDIR: "a directory", stat.S_IFLNK: "a symbolic link"}


class RouterSockets:
    """ROUTER sockets, each for the peers of one role. A message of another role is refused, counted and logged."""

    def __init__(self, keys: Path | None) -> None:
        """Opens no socket yet.

        Args:
            keys: folder with the broker's key pair and the admitted keys, for sockets that listen over TCP.

        Raises:
            ConfigError: the broker's key pair cannot be read.
        """
        self.poller = SocketPoller()
        self.refused = 0  # messages and connections
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._authenticator = KeyAuthenticator(self._context, keys) if keys else None
        self._takers: dict[Source, Callable[[], object]] = {}

    def listen(self, address: str, key: str) -> zmq.Socket[bytes]:
        """Binds a new socket; `key` is the setting that a user would change.

        Raises:
            AddressInUse: another process listens there, the path is that of a file, or it cannot be bound.
        """
        if address.startswith(IPC):
            check_ipc_path(address, key)
        router = self._context.socket(zmq.ROUTER)
        router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        router.setsockopt(zmq.ROUTER_HANDOVER, 1)
        router.setsockopt(zmq.SNDHWM, 0)  # credit bounds what is sent; a dropped message would lose a job
        router.setsockopt(zmq.RCVHWM, 0)
        router.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
        if address.startswith(TCP):
            monitor = router.get_monitor_socket(HANDSHAKE_FAILED)
            self.on_input(monitor, lambda: self._count_refused_connections(monitor))
            if self._authenticator is not None:
                self._authenticator.secure(router)
        try:
            router.bind(address)
        except zmq.ZMQError as error:
            raise AddressInUse(f"cannot listen on {address}: {error}; set {key}: to another address") from error
        return router

    def on_message(
        self, router: zmq.Socket[bytes], types: Any, handle: Callable[[bytes, Any, Sequence[Any]], object]
    ) -> None:
        """Calls `handle(sender, message, payloads)` for each message of a socket that is one of `types`."""
        decode = codec.decoder(types)

        def take() -> None:
            for _ in range(MESSAGES_IN_A_ROW):
                parts = receive(router)
                if parts is None:
                    return
                sender, *frames = parts
                try:
                    message, payloads = codec.read(decode, frames)
                except ProtocolError as error:
                    self.refuse(f"a message: {error}")
                    continue
                handle(sender, message, payloads)
            self.poller.recheck(router)

        self.on_input(router, take)

    def on_input(self, source: Source, take: Callable[[], object]) -> None:
        """Calls `take` whenever a socket or a file descriptor may have something to read."""
        self._takers[source] = take
        self.poller.add(source)

    def take(self, sources: Iterable[Source]) -> None:
        """Reads the sources that `poller.wait` returned."""
        for source in sources:
            if source in self._takers:
                self._takers[source]()

    def refuse(self, what: str) -> None:
        """Counts and logs a message or a connection that was refused."""
        self.refused += 1
        logger.warning("refused (%d so far) %s", self.refused, what)

    def _count_refused_connections(self, monitor: zmq.Socket[bytes]) -> None:
        while has_message(monitor):
            event = recv_monitor_message(monitor)
            self.refuse(f"a connection to {event['endpoint'].decode()}: {zmq.Event(event['event']).name}")

    def send(self, router: zmq.Socket[bytes], peer: bytes, frames: Sequence[Any]) -> bool:
        """Sends frames to a peer; False when it is not connected."""
        self.poller.recheck(router)
        try:
            send_frames(router, (peer, *frames))
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            logger.info("a message for %r was dropped: it is not connected", peer)
            return False
        return True

    def close(self) -> None:
        """Closes every socket once its last messages have left, or after LINGER_MS."""
        if self._authenticator is not None:
            self._authenticator.close()
        self._context.destroy(LINGER_MS)


def check_ipc_path(address: str, key: str) -> None:
    """Keeps whatever stands at the path of an ipc:// address, unless it is a socket that nobody answers at.

    libzmq would remove any file there and take the path over, also from a process that listens.

    Raises:
        AddressInUse: there is a file that is no socket, or a socket that is in use; `key` is the setting to change.
    """
    name = address.removeprefix(IPC)
    if name.startswith("@"):
        return  # an abstract socket (unix(7)) has no file, and the kernel refuses a second listener
    try:
        mode = Path(name).lstat().st_mode
    except OSError:
        return  # nothing to lose; binding tells what else is wrong
    if not stat.S_ISSOCK(mode):
        kind = KINDS.get(stat.S_IFMT(mode), "a special file")
        raise AddressInUse(f"cannot use {address}: there is {kind} of that name; set {key}: to another path")
    if _answers(name):
        raise AddressInUse(f"{address} is in use by another process; stop it or set {key}: to another path")


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True
