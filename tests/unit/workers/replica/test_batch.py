from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from errors import InputError, ModelError
from modules.contract.module import Module
from modules.contract.payloads import Payload, Text
from workers.replica.batch import Batch
from workers.wire import messages


class FakeEcho(Module):
    """Yields each text as many times as it says; `broken` raises, `refused` is an input error."""

    accepts = yields = Text

    def __init__(self) -> None:
        self.batches: list[int] = []

    def warm_up(self) -> None: ...

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        self.batches.append(len(batch))
        for position, payload in enumerate(batch):
            assert isinstance(payload, Text)
            if payload.text == "broken":
                raise ModelError("it broke")
            if payload.text == "refused":
                yield position, InputError("not this one")
                continue
            for count in range(int(payload.text)):
                yield position, Text(f"{payload.text}/{count}", "en")


def run(texts, module=None, abandoned=lambda: (), deadline_s=None):
    sent: list[tuple[int, int]] = []
    items = tuple(messages.JobLease(n, 1, messages.Meta("text", 1.0), deadline_s) for n in range(len(texts)))
    batch = Batch(
        "r",
        messages.BatchLease(items),
        [t.encode() for t in texts],
        lambda o, _: sent.append((o.job, o.index)),
        abandoned,
    )
    return sent, batch.run(module or FakeEcho())


def test_every_output_is_sent_with_its_place():
    sent, done = run(["2", "0", "1"])
    assert sent == [(0, 0), (0, 1), (2, 0)]
    assert [job.outputs for job in done.jobs] == [2, 0, 1]
    assert all(job.service_s > 0 for job in done.jobs)


def test_an_input_error_ends_its_job_alone():
    sent, done = run(["refused", "1"])
    assert [job.error for job in done.jobs] == ["not this one", ""]
    assert sent == [(1, 0)]


def test_a_failed_batch_is_tried_one_by_one_and_nothing_is_sent_twice():
    module = FakeEcho()
    sent, done = run(["1", "refused", "broken", "1"], module)
    assert [job.error for job in done.jobs] == ["", "not this one", "it broke", ""]
    assert sent == [(0, 0), (3, 0)]
    assert module.batches == [4, 1, 1, 1]


def test_a_batch_of_one_is_not_tried_twice():
    module = FakeEcho()
    _, done = run(["broken"], module)
    assert done.jobs[0].error == "it broke"
    assert module.batches == [1]


def test_an_unexpected_exception_is_named():
    _, done = run(["not a number"])
    assert done.jobs[0].error.startswith("ValueError")


def test_an_abandoned_job_stops_at_its_next_output():
    sent, done = run(["5"], abandoned=lambda: (0,))
    assert len(sent) == done.jobs[0].outputs == 1


def test_a_job_past_its_deadline_is_not_begun():
    module = FakeEcho()
    _, done = run(["1"], module, deadline_s=-0.1)
    assert done.jobs[0].expired
    assert module.batches == []


def test_a_deadline_that_passes_while_the_batch_fails_is_seen_before_each_is_tried_by_itself(monkeypatch):
    now = iter([0.0, 0.0, 0.0])  # receipt of both, the beginning; later it is later
    monkeypatch.setattr("workers.replica.batch.time.monotonic", lambda: next(now, 2.0))
    module = FakeEcho()
    sent, done = run(["broken", "1"], module, deadline_s=1.0)
    assert [job.expired for job in done.jobs] == [True, True]
    assert module.batches == [2]
    assert sent == []


def test_what_has_said_something_already_is_not_expired(monkeypatch):
    now = iter([0.0, 0.0, 0.0])
    monkeypatch.setattr("workers.replica.batch.time.monotonic", lambda: next(now, 2.0))
    sent, done = run(["1", "broken"], deadline_s=1.0)
    assert [job.expired for job in done.jobs] == [False, True]
    assert sent == [(0, 0)]


def test_the_payload_of_a_lost_frame_is_refused():
    with pytest.raises(ValueError, match="zip"):
        Batch("r", messages.BatchLease((messages.JobLease(1, 1, messages.Meta("text", 1.0), None),)), [], print, list)
