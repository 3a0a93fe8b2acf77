"""Runs a module on one batch and turns what it yields, or how it fails, into messages."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from errors import InputError, RelevoError
from modules.contract.module import Module
from modules.contract.payloads import Payload
from workers.wire import messages
from workers.wire.payload_frames import pack, unpack

logger = logging.getLogger("relevo.replica")


@dataclass(slots=True)
class _Piece:
    """One job of the batch while it is computed. `outputs` counts those sent so far. A live one has a payload."""

    item: messages.WorkItem
    payload: Payload | None
    deadline_at: float
    outputs: int = 0
    service_s: float = 0.0
    error: str = ""
    expired: bool = False
    abandoned: bool = False

    @property
    def live(self) -> bool:
        return not (self.error or self.expired or self.abandoned)

    def begin(self, now: float) -> bool:
        """Whether to compute it: not when its deadline has passed and nothing of it was sent yet."""
        self.expired |= self.live and not self.outputs and self.deadline_at <= now
        return self.live


class Batch:
    """One batch on its way through a module.

    A failure of several jobs at once is not blamed on all of them: each is tried again by itself, and what it
    had already sent is not sent twice.
    """

    def __init__(
        self,
        replica: str,
        work: messages.Work,
        frames: Sequence[messages.Buffer],
        send: Callable[[messages.Output, messages.Buffer], None],
        abandoned: Callable[[], Iterable[int]],
    ) -> None:
        """Takes the jobs with their payload frames, where outputs go, and who tells which jobs were given up."""
        self._replica, self._send, self._abandoned = replica, send, abandoned
        self._pieces = [_piece(item, frame) for item, frame in zip(work.jobs, frames, strict=True)]

    def run(self, module: Module) -> messages.Done:
        """Computes every job, sending each output as it comes, and returns the end of the batch."""
        self._began = time.monotonic()
        together = [piece for piece in self._pieces if piece.begin(self._began)]
        failure = self._try(module, together)
        if failure and len(together) == 1:
            together[0].error = failure
        elif failure:
            for piece in together:
                if piece.begin(time.monotonic()):
                    piece.error = self._try(module, [piece])
        return messages.Done(
            self._replica,
            time.monotonic() - self._began,
            tuple(
                messages.JobDone(p.item.job, p.item.attempt, p.outputs, p.service_s, p.error, p.expired)
                for p in self._pieces
            ),
        )

    def _try(self, module: Module, pieces: list[_Piece]) -> str:
        """Runs the module on the pieces; what went wrong, or nothing."""
        try:
            self._compute(module, pieces)
        except Exception as error:
            logger.exception("a batch of %d failed", len(pieces))
            return str(error) if isinstance(error, RelevoError) else f"{type(error).__name__}: {error}"
        return ""

    def _compute(self, module: Module, pieces: list[_Piece]) -> None:
        if not any(piece.live for piece in pieces):
            return
        yielded = [0] * len(pieces)
        for position, output in module.process([piece.payload for piece in pieces if piece.payload is not None]):
            piece, index = pieces[position], yielded[position]
            yielded[position] += 1
            if piece.live and index >= piece.outputs:
                self._pass_on(piece, index, output)
            given_up = set(self._abandoned())  # after the output has left, which the next stage waits for
            for piece in self._pieces:
                piece.abandoned |= piece.item.job in given_up
            if not any(piece.live for piece in pieces):
                break
        for piece in pieces:
            piece.service_s = time.monotonic() - self._began

    def _pass_on(self, piece: _Piece, index: int, output: Payload | InputError) -> None:
        if isinstance(output, InputError):
            piece.error = str(output)
            return
        meta, frame = pack(output)
        self._send(messages.Output(self._replica, piece.item.job, piece.item.attempt, index, meta), frame)
        piece.outputs += 1


def _piece(item: messages.WorkItem, frame: messages.Buffer) -> _Piece:
    deadline_at = math.inf if item.deadline_s is None else time.monotonic() + item.deadline_s
    try:
        return _Piece(item, unpack(item.meta, frame), deadline_at)
    except RelevoError as error:
        return _Piece(item, None, deadline_at, error=str(error))
