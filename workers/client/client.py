"""A client of a running relay: submits requests, holds each until its outcome arrives, hands events back in order."""

from __future__ import annotations

import itertools
import logging
import queue
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from errors import ConfigError, InputError, RelayClosed
from modules.contract.payloads import Payload
from workers.client.connection import Connection
from workers.client.result import Event, Result, Transcript
from workers.wire import codec, messages
from workers.wire.addresses import validate_address
from workers.wire.keys import PeerKeys
from workers.wire.payload_frames import pack, unpack

logger = logging.getLogger("relevo.client")

GREET_AGAIN_S = 0.5  # while no broker has answered
OnEvent = Callable[[Event], None]


@dataclass(eq=False, slots=True)
class _Pending:
    message: messages.Submit
    frame: messages.Buffer
    future: Future[Result]
    on_event: OnEvent | None
    submitted_at: float
    deadline_at: float | None
    patient: bool
    sent: bool = False
    transcript: Transcript = field(default_factory=Transcript)
    delivered: set[tuple[str, messages.JobPath]] = field(default_factory=set)


class Stream:
    """The events of one request, in order, as they happen; `result` is how it ended."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self.future: Future[Result] = Future()

    def _begin(self, future: Future[Result]) -> Stream:
        self.future = future
        future.add_done_callback(lambda _: self._events.put(None))
        return self

    def __iter__(self) -> Iterator[Event]:
        while (event := self._events.get()) is not None:
            yield event

    def result(self, timeout_s: float | None = None) -> Result:
        """Waits for the outcome."""
        return self.future.result(timeout_s)


class Client:
    """Talks to the relay at an address. Safe to use from several threads; use it as a context manager.

    A request is held until its outcome arrives. When the broker restarts or the connection breaks meanwhile, it is
    submitted again under the same id, and what was delivered before is not delivered twice.
    """

    def __init__(self, address: str, keys: str | Path | None = None) -> None:
        """Dials a relay; returns without waiting for an answer.

        Args:
            address: as printed by `relevo serve`.
            keys: folder with broker.key and peer.key_secret, for a tcp:// address of a relay that has keys.

        Raises:
            ConfigError: the address is not valid, or the keys cannot be read.
        """
        self.address = validate_address(address)
        self._numbers = itertools.count(1)
        self._name = secrets.token_hex(4)
        self._instance = ""  # of the broker that has our requests; they wait here until one has answered
        self._pending: dict[str, _Pending] = {}
        self._answers: dict[type, messages.RelayStatus | messages.ScaleReply] = {}
        self._answered = threading.Condition()
        self._closed = False
        self._refusal: RelayClosed | None = None
        peer_keys = None if keys is None else PeerKeys.read(Path(keys))
        self._connection = Connection(address, peer_keys, self._take, self._connected, self._turned_away)
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
        """Sends one request and returns at once.

        Args:
            payload: what the first stage takes, such as an `Audio`.
            deadline_s: give up when it has not ended by then.
            priority: ``interactive`` goes before ``batch``.
            on_event: called with each event from the client's thread; it must not block.
            patient: when the relay's queue is full, send it again after the wait that the relay asks for, instead
                of ending as rejected.
            stage: name of the stage to enter the relay at; default: the first.

        Returns:
            A future of the Result. Cancelling the future cancels the request.

        Raises:
            InputError: the payload is larger than a message may be.
            RelayClosed: the client was closed.
        """
        now = time.monotonic()
        meta, frame = pack(payload)
        if len(frame) > codec.MAX_PAYLOAD_BYTES:
            raise InputError(
                f"a payload of {len(frame)} bytes is over the limit of {codec.MAX_PAYLOAD_BYTES}; send it in parts"
            )
        request = f"{self._name}-{next(self._numbers)}"
        message = messages.Submit(request, meta, deadline_s, priority, on_event is not None, stage)
        future: Future[Result] = Future()
        deadline_at = None if deadline_s is None else now + deadline_s
        pending = _Pending(message, frame, future, on_event, now, deadline_at, patient)
        cancel = messages.Cancel(request)
        future.add_done_callback(lambda ended: self._connection.send(cancel) if ended.cancelled() else None)
        with self._connection.lock:  # against a greeting that would send it too
            if self._closed:
                raise RelayClosed("this client is closed; make a new one")
            self._pending[request] = pending
            if self._instance:
                self._submit(pending)
        return future

    def stream(
        self, payload: Payload, *, deadline_s: float | None = None, priority: messages.Priority = "interactive"
    ) -> Stream:
        """Sends one request; iterate over what comes back for its events in order, then ask for its result."""
        stream = Stream()
        future = self.submit(payload, deadline_s=deadline_s, priority=priority, on_event=stream._events.put)
        return stream._begin(future)

    def map(
        self, payloads: Iterable[Payload], *, in_flight: int = 16, priority: messages.Priority = "batch"
    ) -> Iterator[Result]:
        """Sends many requests with at most `in_flight` of them on their way; yields the results in their order.

        The requests are patient: see `submit`.
        """
        running: deque[Future[Result]] = deque()
        for payload in payloads:
            running.append(self.submit(payload, priority=priority, patient=True))
            if len(running) >= in_flight:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()

    def status(self, timeout_s: float | None = 10.0) -> messages.RelayStatus:
        """The relay's stages and whether it is ready, as it says now.

        Raises:
            RelayClosed: nothing answered in time.
        """
        answer = self._ask(messages.GetStatus(), messages.RelayStatus, timeout_s)
        assert isinstance(answer, messages.RelayStatus)
        return answer

    def scale(self, stage: str, replicas: int, timeout_s: float | None = 10.0) -> None:
        """Changes the number of a stage's replicas; returns once the supervisor has agreed, before they are ready.

        Raises:
            ConfigError: the stage or the number does not fit; says why.
            RelayClosed: nothing answered in time.
        """
        answer = self._ask(messages.Scale(stage, replicas), messages.ScaleReply, timeout_s)
        if isinstance(answer, messages.ScaleReply) and answer.error:
            raise ConfigError(answer.error)

    def _ask(
        self,
        question: messages.GetStatus | messages.Scale,
        answer: type[messages.RelayStatus | messages.ScaleReply],
        timeout_s: float | None,
    ) -> messages.RelayStatus | messages.ScaleReply:
        with self._answered:
            self._answers.pop(answer, None)
        self._connection.send(question)
        with self._answered:

            def settled() -> bool:
                return answer in self._answers or self._closed or self._refusal is not None

            if not self._answered.wait_for(settled, timeout_s):
                raise RelayClosed(f"no relay answers at {self.address}; start one with `relevo serve`")
            if self._refusal is not None:
                raise self._refusal
            if answer not in self._answers:
                raise RelayClosed("this client is closed; make a new one")
            return self._answers[answer]

    def close(self) -> None:
        """Cancels what has not ended and lets go of the connection."""
        if self._closed:
            return
        self._closed = True
        self._connection.close(self._cancel_all)
        with self._answered:
            self._answered.notify_all()

    def _cancel_all(self) -> None:
        for pending in list(self._pending.values()):
            pending.future.cancel()  # which tells the broker

    def _submit(self, pending: _Pending) -> None:
        message = pending.message
        pending.patient |= pending.sent  # it may have been accepted before, and is not to be rejected after that
        pending.sent = True
        if pending.deadline_at is not None:
            message = msgspec.structs.replace(message, deadline_s=pending.deadline_at - time.monotonic())
        self._connection.send(message, pending.frame)

    def _submit_again(self, request: str) -> None:
        if request in self._pending:
            self._submit(self._pending[request])

    def _turned_away(self) -> None:
        error = RelayClosed(
            f"the relay at {self.address} does not admit this client, or is not the one that its keys are for; "
            f"pass keys that fit"
        )
        with self._answered:
            self._refusal = error
            self._answered.notify_all()
        while self._pending:
            _, pending = self._pending.popitem()
            if pending.future.set_running_or_notify_cancel():
                pending.future.set_exception(error)

    # what the connection's thread calls

    def _greet(self) -> None:
        """Asks for a Welcome until one has come; without keys that it admits a broker never answers."""
        if not self._instance:
            self._connection.send(messages.GetStatus())
            self._connection.later(GREET_AGAIN_S, self._greet)

    def _connected(self) -> None:
        """The broker, or another in its place, knows us by a new connection and not what it had to tell us by now."""
        self._instance = ""
        self._connection.send(messages.GetStatus())

    def _take(self, message: messages.ToClient, frames: Sequence[Any]) -> None:
        if isinstance(message, messages.RelayStatus):
            self._greeted(message)
            return
        if isinstance(message, messages.ScaleReply):
            self._note_answer(message)
            return
        pending = self._pending.get(message.request)
        if pending is None:
            return
        at_s = time.monotonic() - pending.submitted_at
        match message:
            case messages.JobStarted(request, stage, path):
                self._deliver(pending, Event(request, stage, path, None, at_s))
            case messages.RequestOutput(request, stage, path, meta):
                if (stage, path) not in pending.delivered:
                    pending.delivered.add((stage, path))
                    payload = unpack(meta, frames[0])
                    event = Event(request, stage, path, payload, at_s)
                    pending.transcript.add(event)
                    self._deliver(pending, event)
            case messages.Outcome(request, "rejected", _, retry_after_s) if pending.patient and retry_after_s:
                self._connection.later(retry_after_s / 2, lambda: self._submit_again(request))
            case messages.Outcome():
                self._pending.pop(message.request, None)
                self._end(pending, message, at_s)

    def _greeted(self, welcome: messages.RelayStatus) -> None:
        with self._connection.lock:
            if welcome.instance != self._instance:
                self._instance = welcome.instance
                for request, pending in list(self._pending.items()):
                    if pending.future.cancelled():
                        del self._pending[request]
                    else:
                        self._submit(pending)
        self._note_answer(welcome)

    def _note_answer(self, answer: messages.RelayStatus | messages.ScaleReply) -> None:
        with self._answered:
            self._answers[type(answer)] = answer
            self._answered.notify_all()

    @staticmethod
    def _deliver(pending: _Pending, event: Event) -> None:
        if pending.on_event is not None:
            try:
                pending.on_event(event)
            except Exception:
                logger.exception("on_event failed for request %s", event.request)

    @staticmethod
    def _end(pending: _Pending, ended: messages.Outcome, at_s: float) -> None:
        if not pending.future.set_running_or_notify_cancel():
            return
        transcript = pending.transcript
        result = Result(
            request=ended.request,
            outcome=ended.outcome,
            error=ended.reason,
            retry_after_s=ended.retry_after_s,
            latency_s=at_s,
            time_to_first_audio_s=transcript.first_audio_s,
            texts=transcript.joined_texts(),
            audio=transcript.audio(),
            notes=tuple(transcript.notes),
            spans=ended.spans,
        )
        pending.future.set_result(result)
