"""CURVE keys: who may dial a relay over TCP, and how both sides prove who they are.

A folder of keys, as `make_keys` leaves it:

    broker.key_secret   the broker's key pair; stays with the broker
    broker.key          its public key, by which a peer knows the broker
    peer.key_secret     the key pair that clients and replicas show
    admitted/*.key      the public keys that the broker lets in

CURVE is ZeroMQ's own encryption and authentication (https://rfc.zeromq.org/spec/26/). Sockets of a path (ipc://)
are guarded by the permissions of their folder and use none.
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
PROBE_MS = 5_000  # how often a dialler asks a connection whether it still stands …
SILENT_MS = 15_000  # … and when it dials again for want of an answer
HANDSHAKE_FAILED = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)
REFUSED_AFTER = 10  # handshakes that failed in a row, 0.1 s apart; a broker that restarts fails one or two


def make_keys(folder: Path) -> None:
    """Fills a new folder, which only its owner may enter, with a key pair of the broker and one of its peers.

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
    """Raises ConfigError unless the folder holds all that a broker and the replicas beside it need."""
    _pair(folder, BROKER)
    PeerKeys.read(folder)


class PeerKeys(NamedTuple):
    """What a client or a replica shows, and the broker that it expects to meet."""

    public: bytes
    secret: bytes
    broker: bytes

    @classmethod
    def read(cls, folder: Path) -> PeerKeys:
        """The keys of a folder.

        Raises:
            ConfigError: one of them is missing or is no key; it is named.
        """
        return cls(*_pair(folder, PEER), _certificate(folder / f"{BROKER}.key")[0])


def dial(dealer: zmq.Socket[Any], address: str, keys: PeerKeys | None) -> None:
    """Connects a socket to a broker's address; over TCP it shows the keys, and notices a connection that died.

    From then on a send never waits: it raises zmq.Again once the broker has refused the keys, for good.
    """
    dealer.setsockopt(zmq.SNDTIMEO, 0)
    if address.startswith(TCP):
        dealer.setsockopt(zmq.HEARTBEAT_IVL, PROBE_MS)
        dealer.setsockopt(zmq.HEARTBEAT_TIMEOUT, SILENT_MS)
        if keys is not None:
            dealer.curve_publickey, dealer.curve_secretkey, dealer.curve_serverkey = keys
    dealer.connect(address)


class Handshakes:
    """What becomes of a dialler's handshakes: how it learns that it is refused before it has sent anything.

    A broker that refuses a peer often says so, and then a send raises zmq.Again (see `dial`), but not always, though
    libzmq does not dial again then. And it may hang up before the peer has read that they do not speak the same
    mechanism, and the peer dials again for ever.
    """

    def __init__(self, dealer: zmq.Socket[Any]) -> None:
        """Watches a socket that has not dialled yet. `monitor` has something to read when one has ended."""
        self._dealer = dealer
        self.monitor = dealer.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | HANDSHAKE_FAILED)
        self._failed = 0

    def look(self) -> bool:
        """Takes note of those that have ended since the last look; whether one of them succeeded."""
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
        """Whether one has failed for good, or so many in a row that this peer is not wanted."""
        return self._failed >= REFUSED_AFTER

    def close(self) -> None:
        """Stops watching; before the socket is closed."""
        self._dealer.disable_monitor()
        self.monitor.close()


class Admission:
    """The broker's side: its own key pair, and the peers that it lets in.

    The folder ``admitted`` is read at each handshake, so that a key counts from the moment it is added or removed.
    """

    def __init__(self, context: zmq.Context[Any], folder: Path) -> None:
        """Starts to answer for the sockets of `context` that `secure` is called with.

        Raises:
            ConfigError: the broker's key pair is missing or is none.
        """
        from zmq.auth.thread import ThreadAuthenticator  # brings asyncio, which only a broker with keys needs

        self._public, self._secret = _pair(folder, BROKER)
        self._admitted = folder / ADMITTED
        self._authenticator = ThreadAuthenticator(context)
        self._authenticator.start()
        self._authenticator.configure_curve_callback(DOMAIN, self)

    def secure(self, router: zmq.Socket[Any]) -> None:
        """Makes a socket that is not bound yet refuse every peer without an admitted key."""
        router.curve_server = True
        router.curve_publickey, router.curve_secretkey = self._public, self._secret
        router.setsockopt_string(zmq.ZAP_DOMAIN, DOMAIN)
        router.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # without an answer from here nobody gets in

    def callback(self, _domain: str, key: bytes) -> bool:
        """Whether a public key is admitted; called by the authenticator's thread."""
        try:
            return key in zmq.auth.load_certificates(self._admitted)
        except (OSError, ValueError) as error:
            logger.error("nobody can be admitted: %s", error)
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
