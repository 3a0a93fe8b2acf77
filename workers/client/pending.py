"""One request of a client, from its submission to its end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import msgspec

from workers.client.result import Event, Result, Transcript
from workers.wire.messages import Buffer, JobPath, JobStarted, Outcome, RequestOutput, Span, Submit
from workers.wire.payload_frames import unpack

logger = logging.getLogger("relevo.client")

OnEvent = Callable[[Event], None]


@dataclass(eq=False, slots=True)
class PendingRequest:
    """What to send for a request, and what has come back so far.

    Callbacks of the caller run in the client's thread. Whatever they raise, SystemExit included, is logged and goes no
    further, so that every other future still ends.
    """

    message: Submit
    frame: Buffer
    future: Future[Result]
    on_event: OnEvent | None
    submitted_at: float
    deadline_at: float | None
    patient: bool
    sent: bool = False
    spans: list[Span] = field(default_factory=list)  # of Spans messages since the request was last sent
    _transcript: Transcript = field(default_factory=Transcript)
    _received: set[tuple[str, JobPath]] = field(default_factory=set)

    def submit_message(self) -> Submit:
        """Returns the message to send now, with the time that is left until the deadline."""
        if self.deadline_at is None:
            return self.message
        return msgspec.structs.replace(self.message, deadline_s=self.deadline_at - time.monotonic())

    def started(self, message: JobStarted) -> None:
        """Reports to the caller that a job began."""
        self._report(Event(message.request, message.stage, message.path, None, self._elapsed_s()))

    def output(self, message: RequestOutput, frame: Buffer) -> None:
        """Takes an output in and reports it; one that came before, from a broker that has restarted, is ignored.

        Raises:
            ProtocolError: the frame does not fit its description.
        """
        place = (message.stage, message.path)
        if place in self._received:
            return
        payload = unpack(message.meta, frame)
        self._received.add(place)
        event = Event(message.request, message.stage, message.path, payload, self._elapsed_s())
        self._transcript.add(event)
        self._report(event)

    def end(self, outcome: Outcome) -> None:
        """Ends the future with the result."""
        transcript = self._transcript
        result = Result(
            request=outcome.request,
            outcome=outcome.outcome,
            error=outcome.reason,
            retry_after_s=outcome.retry_after_s,
            latency_s=self._elapsed_s(),
            time_to_first_audio_s=transcript.first_audio_s,
            texts=transcript.joined_texts(),
            audio=transcript.audio(),
            notes=tuple(transcript.notes),
            spans=(*self.spans, *outcome.spans),
        )
        self._settle(lambda: self.future.set_result(result))

    def fail(self, error: BaseException) -> None:
        """Ends the future with an error."""
        self._settle(lambda: self.future.set_exception(error))

    def _elapsed_s(self) -> float:
        return time.monotonic() - self.submitted_at

    def _report(self, event: Event) -> None:
        if self.on_event is None:
            return
        try:
            self.on_event(event)
        except BaseException:
            logger.exception("on_event failed for request %s", event.request)

    def _settle(self, settle: Callable[[], None]) -> None:
        try:
            if self.future.set_running_or_notify_cancel():
                settle()
        except BaseException:
            logger.exception("a callback of the future failed for request %s", self.message.request)
