"""A client of a running relay: submits requests, holds each until its outcome, and returns its events in order."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from errors import ConfigError, InputError, ProtocolError, RelayClosed
from modules.contract.payloads import Payload
from workers.client.calls import NO_CALL, Answer, Calls, Question
from workers.client.connection import Connection
from workers.client.pending import OnEvent, PendingRequest
from workers.client.result import Result
from workers.client.stream import Stream
from workers.wire import codec, messages
from workers.wire.addresses import validate_address
from workers.wire.keys import PeerKeys
from workers.wire.payload_frames import pack

logger = logging.getLogger("relevo.client")

GREET_AGAIN_S = 0.5  # between two GetStatus while no broker has answered
DEADLINE_GRACE_S = 0.25  # how much later than the deadline the relay's own answer may come


class Client:
    """Talks to the relay at an address. Any thread may use it; use it as a context manager.

    It holds a request until the outcome arrives. If the broker restarts or the connection breaks meanwhile, it submits
    the request again under the same id, and delivers no output twice.
    """

    def __init__(self, address: str, keys: str | Path | None = None) -> None:
        """Connects to a relay; returns without waiting for an answer.

        Args:
            address: as printed by `relevo serve`.
            keys: folder with broker.key and peer.key_secret, for a tcp:// address of a relay that has keys.

        Raises:
            ConfigError: the address is not valid, or the keys cannot be read.
        """
        self.address = validate_address(address)
        self._numbers = itertools.count(1)
        self._name = secrets.token_hex(16)  # whoever knows the id of a request can take it over
        self._instance = ""  # of the broker that has our requests; empty while none has answered
        self._pending: dict[str, PendingRequest] = {}
        self._error: RelayClosed | None = None  # why nothing can be submitted any more
        peer_keys = None if keys is None else PeerKeys.read(Path(keys))
        self._connection = Connection(address, peer_keys, self._take, self._connected, self.fail)
        self._calls = Calls(self._connection.send)
        self._connection.later(0.0, self._greet)
        self._connection.start()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(
        self,
        payload: Payload,
        *,
        deadline_s: float | None = None,
        priority: messages.Priority = "interactive",
        on_event: OnEvent | None = None,
        patient: bool = False,
        stage: str = "",
    ) -> Future[Result]:
        """Submits one request and returns at once.

        Args:
            payload: what the entry stage takes, such as an `Audio`.
            deadline_s: how long the request may take; afterwards it ends as expired.
            priority: ``interactive`` goes before ``batch``.
            on_event: called with each event from the client's thread; it must not block. What it raises is logged.
            patient: when the relay's queue is full, submit again after the wait that the relay asks for, instead of
                ending as rejected.
            stage: name of the stage to enter the relay at; default: the first.

        Returns:
            A future of the Result. Cancelling the future cancels the request.

        Raises:
            InputError: the payload or another argument is not fit for a message, such as an infinite deadline.
            RelayClosed: the client was closed, is not admitted, or has failed.
        """
        now = time.monotonic()
        meta, frame = pack(payload)
        request = f"{self._name}-{next(self._numbers)}"
        message = messages.Submit(request, meta, deadline_s, priority, on_event is not None, stage)
        _check(message, frame)
        future: Future[Result] = Future()
        deadline_at = None if deadline_s is None else now + deadline_s
        pending = PendingRequest(message, frame, future, on_event, now, deadline_at, patient)
        cancel = messages.Cancel(request)
        future.add_done_callback(lambda ended: self._connection.send(cancel) if ended.cancelled() else None)
        with self._connection.lock:  # against a broker's answer, after which all pending requests are sent
            if self._error is not None:
                raise RelayClosed(str(self._error))
            self._pending[request] = pending
            if self._instance:
                self._send(pending)
        if deadline_s is not None:
            self._connection.later(deadline_s + DEADLINE_GRACE_S, partial(self._expire, request))
        return future

    def stream(
        self, payload: Payload, *, deadline_s: float | None = None, priority: messages.Priority = "interactive"
    ) -> Stream:
        """Submits one request; iterate over the stream for its events in order, then ask for its result.

        Raises as `submit` does.
        """
        stream = Stream()
        stream.follow(self.submit(payload, deadline_s=deadline_s, priority=priority, on_event=stream.put))
        return stream

    def map(
        self, payloads: Iterable[Payload], *, in_flight: int = 16, priority: messages.Priority = "batch"
    ) -> Iterator[Result]:
        """Submits many requests, at most `in_flight` at once, and yields their results in the order of the payloads.

        The requests are patient: see `submit`, also for what it raises.
        """
        running: deque[Future[Result]] = deque()
        for payload in payloads:
            running.append(self.submit(payload, priority=priority, patient=True))
            if len(running) >= in_flight:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()

    def status(self, timeout_s: float | None = 10.0) -> messages.RelayStatus:
        """Returns the state of the relay and of its stages now.

        Raises:
            RelayClosed: nothing answered in time, or the client was closed, is not admitted, or has failed.
        """
        answer = self._ask(messages.GetStatus, timeout_s)
        assert isinstance(answer, messages.RelayStatus)
        return answer

    def scale(self, stage: str, replicas: int, timeout_s: float | None = 10.0) -> None:
        """Changes the number of a stage's replicas; returns once the supervisor has agreed, before they are ready.

        Raises:
            ConfigError: the stage or the number does not fit; says why.
            RelayClosed: nothing answered in time, or the client was closed, is not admitted, or has failed.
        """
        answer = self._ask(partial(messages.Scale, stage=stage, replicas=replicas), timeout_s)
        assert isinstance(answer, messages.ScaleReply)
        if answer.error:
            raise ConfigError(answer.error)

    def _ask(self, question: Callable[[int], Question], timeout_s: float | None) -> Answer:
        try:
            return self._calls.ask(question, timeout_s)
        except TimeoutError:
            error = f"no relay answers at {self.address}; start one with `relevo serve`"
            raise RelayClosed(error) from None

    def close(self) -> None:
        """Cancels the requests that have not ended, and closes the connection."""
        closed = RelayClosed("this client is closed; make a new one")
        self._calls.fail(closed)
        with self._connection.lock:
            self._error = self._error or closed
        self._connection.close(self._cancel_all)

    def _cancel_all(self) -> None:
        with ExitStack() as every_one:  # also after a callback that raises
            for pending in list(self._pending.values()):
                every_one.callback(pending.future.cancel)  # which tells the broker

    def _send(self, pending: PendingRequest) -> None:
        pending.patient |= pending.sent  # a broker may have admitted it, so a full queue must not end it now
        pending.sent = True
        pending.spans.clear()  # those of an earlier broker, whose outcome never came
        self._connection.send(pending.submit_message(), pending.frame)

    def fail(self, error: RelayClosed) -> None:
        """Ends every call and every request with an error, because the connection or the relay has ended for good."""
        with self._connection.lock:
            self._error = self._error or error
            failed, self._pending = self._pending, {}
        self._calls.fail(error)
        for pending in failed.values():
            pending.fail(RelayClosed(str(error)))

    # called by the connection's thread

    def _greet(self) -> None:
        """Sends GetStatus until a broker answers; one that does not admit this client never does."""
        if not self._instance and self._error is None:
            self._connection.send(messages.GetStatus(NO_CALL))
            self._connection.later(GREET_AGAIN_S, self._greet)

    def _connected(self) -> None:
        """Asks which broker answers; what was on its way over an earlier connection is lost."""
        self._instance = ""
        self._connection.send(messages.GetStatus(NO_CALL))

    def _take(self, message: messages.ToClient, frames: Sequence[Any]) -> None:
        match message:
            case messages.RelayStatus():
                self._found(message.instance)
                self._calls.answer(message)
            case messages.ScaleReply():
                self._calls.answer(message)
            case _:
                if (pending := self._pending.get(message.request)) is not None:
                    self._take_for(pending, message, frames)

    def _take_for(
        self,
        pending: PendingRequest,
        message: messages.JobStarted | messages.RequestOutput | messages.Spans | messages.Outcome,
        frames: Sequence[Any],
    ) -> None:
        try:
            match message:
                case messages.JobStarted():
                    pending.started(message)
                case messages.RequestOutput():
                    pending.output(message, frames[0])
                case messages.Spans(_, spans):
                    pending.spans.extend(spans)
                case messages.Outcome(request, "rejected", _, retry_after_s) if pending.patient and retry_after_s:
                    self._connection.later(retry_after_s / 2, partial(self._send_again, request))
                case messages.Outcome():
                    pending.end(message)
                    self._pending.pop(message.request, None)
        except ProtocolError:
            raise  # the connection logs it
        except Exception as error:
            logger.exception("a message for request %s could not be handled", message.request)
            self._pending.pop(message.request, None)
            self._connection.send(messages.Cancel(message.request))
            pending.fail(error)

    def _expire(self, request: str) -> None:
        """Ends a request whose deadline has passed, if the relay has not: it may be gone or frozen."""
        pending = self._pending.pop(request, None)
        if pending is not None:
            self._connection.send(messages.Cancel(request))
            pending.end(
                messages.Outcome(request, "expired", "its deadline passed and the relay did not answer", 0.0, ())
            )

    def _send_again(self, request: str) -> None:
        if request in self._pending:
            self._send(self._pending[request])

    def _found(self, instance: str) -> None:
        """Sends every pending request to a broker that has not got them."""
        with self._connection.lock:
            if instance == self._instance:
                return
            self._instance = instance
            for request, pending in list(self._pending.items()):
                if pending.future.cancelled():
                    del self._pending[request]
                else:
                    self._send(pending)


_decode = codec.decoder(messages.FromClient)


def _check(message: messages.Submit, frame: messages.Buffer) -> None:
    """Raises InputError for a request that the broker would refuse to read."""
    if len(frame) > codec.MAX_PAYLOAD_BYTES:
        raise InputError(
            f"a payload of {len(frame)} bytes is over the limit of {codec.MAX_PAYLOAD_BYTES}; send it in parts"
        )
    try:
        _decode(codec.encode(message))
    except (ProtocolError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"this request cannot be sent: {error}") from error
