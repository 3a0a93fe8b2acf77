"""A pending request ends its future, whatever the caller's callbacks raise."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from errors import RelayClosed
from modules.contract.payloads import Text
from workers.client.pending import PendingRequest
from workers.client.result import Event, Result
from workers.wire.messages import JobStarted, Outcome, RequestOutput, Span, Submit
from workers.wire.payload_frames import pack

META, FRAME = pack(Text("hola", "es"))


def pending(on_event=None) -> PendingRequest:
    return PendingRequest(Submit("r", META), FRAME, Future(), on_event, 0.0, None, False)


@pytest.mark.parametrize("raised", [ValueError("bad"), SystemExit(1), KeyboardInterrupt()])
def test_what_on_event_raises_goes_no_further(raised):
    seen: list[Event] = []

    def on_event(event: Event) -> None:
        seen.append(event)
        raise raised

    request = pending(on_event)
    request.started(JobStarted("r", "listen", ()))
    request.output(RequestOutput("r", "listen", (0,), META), FRAME)
    request.end(Outcome("r", "ok", "", 0.0, ()))
    assert [event.payload for event in seen] == [None, Text("hola", "es")]
    assert request.future.result(0).texts == {"listen": "hola"}


@pytest.mark.parametrize("raised", [ValueError("bad"), SystemExit(1), KeyboardInterrupt()])
def test_what_a_callback_of_the_future_raises_goes_no_further(raised):
    def callback(_: Future[Result]) -> None:
        raise raised

    ended, failed = pending(), pending()
    ended.future.add_done_callback(callback)
    failed.future.add_done_callback(callback)
    ended.end(Outcome("r", "ok", "", 0.0, ()))
    failed.fail(RelayClosed("no more"))
    assert ended.future.result(0).outcome == "ok"
    with pytest.raises(RelayClosed, match="no more"):
        failed.future.result(0)


def test_the_spans_before_an_outcome_come_first():
    request = pending()
    spans = tuple(Span("listen", (number,), 1, "listen-0", number, 0.0, 0.1, 0.1, 1) for number in range(3))
    request.spans.extend(spans[:2])
    request.end(Outcome("r", "ok", "", 0.0, spans[2:]))
    assert request.future.result(0).spans == spans


def test_an_output_that_comes_again_is_delivered_once():
    seen: list[Event] = []
    request = pending(seen.append)
    for _ in range(2):
        request.output(RequestOutput("r", "listen", (0,), META), FRAME)
    assert len(seen) == 1


def test_a_cancelled_future_takes_no_result():
    request = pending()
    request.future.cancel()
    request.end(Outcome("r", "cancelled", "", 0.0, ()))
    request.fail(RelayClosed("no more"))
    assert request.future.cancelled()
