"""Questions to the broker and their answers, matched by the number that both carry."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future

from errors import RelayClosed
from workers.wire.messages import GetStatus, RelayStatus, Scale, ScaleReply

NO_CALL = 0  # carried by a question that no caller waits for
Question = GetStatus | Scale
Answer = RelayStatus | ScaleReply


class Calls:
    """The calls that wait for their answer. Any thread may use it."""

    def __init__(self, send: Callable[[Question], None]) -> None:
        """Starts without calls; `send` sends a question to the broker."""
        self._send = send
        self._numbers = itertools.count(NO_CALL + 1)
        self._lock = threading.Lock()
        self._waiting: dict[int, Future[Answer]] = {}
        self._error: RelayClosed | None = None

    def ask(self, question: Callable[[int], Question], timeout_s: float | None) -> Answer:
        """Sends the question made for a new call id, and waits for its answer.

        Raises:
            TimeoutError: no answer has come within `timeout_s`.
            RelayClosed: none can come.
        """
        answer: Future[Answer] = Future()
        with self._lock:
            if self._error is not None:
                raise RelayClosed(str(self._error))
            call = next(self._numbers)
            self._waiting[call] = answer
        try:
            self._send(question(call))
            return answer.result(timeout_s)
        finally:
            with self._lock:
                self._waiting.pop(call, None)

    def answer(self, message: Answer) -> None:
        """Gives an answer to the call that it is for, if that still waits."""
        with self._lock:
            waiting = self._waiting.pop(message.call, None)
        if waiting is not None:
            waiting.set_result(message)

    def fail(self, error: RelayClosed) -> None:
        """Ends every call with an error, those to come too."""
        with self._lock:
            self._error = self._error or error
            waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            answer.set_exception(RelayClosed(str(error)))
