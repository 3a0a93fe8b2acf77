"""CURVE keys: who may connect to a relay over TCP, and how both sides prove who they are.

`make_keys` makes a folder of keys:

    broker.key_secret   the broker's key pair; stays with the broker
    broker.key          its public key, by which a peer recognises the broker
    peer.key_secret     the key pair of clients and replicas
    admitted/*.key      the public keys that the broker admits

CURVE is ZeroMQ's encryption and authentication (https://rfc.zeromq.org/spec/26/). ipc:// sockets use no keys; the
permissions of their folder protect them.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NamedTuple

import zmq
import zmq.auth
from zmq.utils.monitor import recv_monitor_message

from errors import ConfigError
from workers.wire.addresses import TCP
from workers.wire.sockets import has_message

logger = logging.getLogger("relevo.keys")

DOMAIN = "relevo"
ADMITTED = "admitted"
BROKER, PEER = "broker", "peer"
PROBE_MS = 5_000  # how often a peer probes its TCP connection
SILENT_MS = 15_000  # how long a probe may stay unanswered before the peer connects again
HANDSHAKE_FAILED = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)
REFUSED_AFTER = 10  # failed handshakes in a row, 0.1 s apart; a restarting broker causes one or two


def make_keys(folder: Path) -> None:
    """Makes a folder that only its owner may enter, with a key pair for the broker and one for its peers.

    Raises:
        ConfigError: the folder is not empty, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError(f"{folder} is not empty, and keys are never overwritten; name a new folder")
        folder.chmod(0o700)
        (folder / ADMITTED).mkdir()
        for owner in (BROKER, PEER):
            public, secret = map(Path, zmq.auth.create_certificates(folder, owner))
            secret.chmod(0o600)
            if owner == PEER:
                public.rename(folder / ADMITTED / public.name)
    except OSError as error:
        raise ConfigError(f"cannot make keys in {folder}: {error.strerror}; name another folder") from error


def check_keys(folder: Path) -> None:
    """Raises ConfigError unless the folder holds all keys that a broker and its local replicas need."""
    _pair(folder, BROKER)
    PeerKeys.read(folder)


class PeerKeys(NamedTuple):
    """The key pair of a client or a replica, and the public key of the broker that it expects."""

    public: bytes
    secret: bytes
    broker: bytes

    @classmethod
    def read(cls, folder: Path) -> PeerKeys:
        """Reads the keys of a folder.

        Raises:
            ConfigError: a key is missing or damaged; it is named.
        """
        return cls(*_pair(folder, PEER), _certificate(folder / f"{BROKER}.key")[0])


def dial(dealer: zmq.Socket[Any], address: str, keys: PeerKeys | None) -> None:
    """Connects a socket to a broker's address; over TCP it uses the keys and notices a dead connection.

    Afterwards a send never blocks: it raises zmq.Again once the broker has refused the keys for good.
    """
    dealer.setsockopt(zmq.SNDTIMEO, 0)
    if address.startswith(TCP):
        dealer.setsockopt(zmq.HEARTBEAT_IVL, PROBE_MS)
        dealer.setsockopt(zmq.HEARTBEAT_TIMEOUT, SILENT_MS)
        if keys is not None:
            dealer.curve_publickey, dealer.curve_secretkey, dealer.curve_serverkey = keys
    dealer.connect(address)


class Handshakes:
    """Follows the handshakes of a socket, so that a peer learns that it is refused before it has sent anything.

    A send raises zmq.Again only after some refusals (see `dial`). After others libzmq gives up in silence, or, where
    the broker hangs up before the peer has read which mechanism it wants, connects again for ever.
    """

    def __init__(self, dealer: zmq.Socket[Any]) -> None:
        """Follows a socket that has not connected yet. `monitor` is readable when a handshake has ended."""
        self._dealer = dealer
        self.monitor = dealer.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | HANDSHAKE_FAILED)
        self._failed = 0

    def look(self) -> bool:
        """Reads which handshakes have ended since the last call; returns whether one of them succeeded."""
        succeeded = False
        while has_message(self.monitor):
            event = recv_monitor_message(self.monitor)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                succeeded, self._failed = True, 0
            elif event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
                self._failed = REFUSED_AFTER  # for good
            else:
                self._failed += 1
        return succeeded

    @property
    def refused(self) -> bool:
        """Whether a handshake has failed for good, or REFUSED_AFTER of them in a row."""
        return self._failed >= REFUSED_AFTER

    def close(self) -> None:
        """Stops following the socket, which must still be open."""
        self._dealer.disable_monitor()
        self.monitor.close()


class KeyAuthenticator:
    """The broker's side: its key pair, and the peers that it admits.

    It reads the folder ``admitted`` at each handshake, so that an added or removed key takes effect at the next one. A
    connection that is open stays open.
    """

    def __init__(self, context: zmq.Context[Any], folder: Path) -> None:
        """Starts a thread that decides on handshakes for the sockets of `context` given to `secure`.

        Raises:
            ConfigError: the broker's key pair is missing or damaged.
        """
        from zmq.auth.thread import ThreadAuthenticator  # imports asyncio, which only a broker with keys needs

        self._public, self._secret = _pair(folder, BROKER)
        self._admitted = folder / ADMITTED
        self._authenticator = ThreadAuthenticator(context)
        self._authenticator.start()
        self._authenticator.configure_curve_callback(DOMAIN, self)

    def secure(self, router: zmq.Socket[Any]) -> None:
        """Makes a socket refuse every peer without an admitted key; before it is bound."""
        router.curve_server = True
        router.curve_publickey, router.curve_secretkey = self._public, self._secret
        router.setsockopt_string(zmq.ZAP_DOMAIN, DOMAIN)
        router.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # without an answer of this thread nobody is admitted

    def callback(self, _domain: str, key: bytes) -> bool:
        """Returns whether a public key is admitted. pyzmq calls it from the authenticator's thread."""
        try:
            return key in zmq.auth.load_certificates(self._admitted)
        except (OSError, ValueError) as error:
            logger.error("no peer can be admitted, because %s cannot be read: %s", self._admitted, error)
            return False

    def close(self) -> None:
        """Ends the authenticator's thread."""
        self._authenticator.stop()


def _pair(folder: Path, owner: str) -> tuple[bytes, bytes]:
    file = folder / f"{owner}.key_secret"
    public, secret = _certificate(file)
    if secret is None:
        raise ConfigError(f"{file} holds no secret key; make a folder of keys with `relevo keys DIR`")
    return public, secret


def _certificate(file: Path) -> tuple[bytes, bytes | None]:
    try:
        return zmq.auth.load_certificate(file)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot read the key {file} ({error}); make a folder of keys with `relevo keys DIR`"
        ) from error
