"""Each call of a client gets its own answer, or an error."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue

import pytest

from errors import RelayClosed
from workers.client.calls import Calls
from workers.wire.messages import GetStatus, RelayStatus, Scale, ScaleReply

WAIT_S = 60


def status(call: int) -> RelayStatus:
    return RelayStatus(call, "broker", True, "audio", (), 0)


def test_calls_at_the_same_time_get_their_own_answers_in_whatever_order_they_come():
    asked: SimpleQueue[GetStatus | Scale] = SimpleQueue()
    calls = Calls(asked.put)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(calls.ask, partial(Scale, stage="listen", replicas=1), WAIT_S)
        a = asked.get()
        second = threads.submit(calls.ask, partial(Scale, stage="speak", replicas=2), WAIT_S)
        b = asked.get()
        third = threads.submit(calls.ask, GetStatus, WAIT_S)
        c = asked.get()
        calls.answer(status(c.call))
        calls.answer(ScaleReply(b.call, "too many"))
        calls.answer(ScaleReply(a.call, ""))
        assert first.result(WAIT_S) == ScaleReply(a.call, "")
        assert second.result(WAIT_S) == ScaleReply(b.call, "too many")
        assert third.result(WAIT_S) == status(c.call)


def test_an_answer_that_comes_too_late_is_no_other_calls_answer():
    asked: list[GetStatus | Scale] = []
    calls = Calls(asked.append)
    with pytest.raises(TimeoutError):
        calls.ask(partial(Scale, stage="listen", replicas=1), 0.0)
    late = asked.pop()

    def send(question: GetStatus | Scale) -> None:
        calls.answer(ScaleReply(late.call, "of the first"))
        calls.answer(ScaleReply(question.call, "of the second"))

    calls._send = send
    assert calls.ask(partial(Scale, stage="speak", replicas=1), WAIT_S) == ScaleReply(late.call + 1, "of the second")


def test_a_connection_that_ends_ends_every_call_and_those_to_come():
    asked: SimpleQueue[GetStatus | Scale] = SimpleQueue()
    calls = Calls(asked.put)
    with ThreadPoolExecutor() as threads:
        waiting = [threads.submit(calls.ask, GetStatus, WAIT_S) for _ in range(3)]
        for _ in waiting:
            asked.get()
        calls.fail(RelayClosed("no more"))
        for call in waiting:
            with pytest.raises(RelayClosed, match="no more"):
                call.result(WAIT_S)
    with pytest.raises(RelayClosed, match="no more"):
        calls.ask(GetStatus, WAIT_S)
