"""The parent's side of the sending process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

import msgspec
import psutil

from benchmarks.load.sending.sender_messages import (
    SenderFailed,
    SenderFinished,
    SenderMessage,
    SenderReady,
    SendProgress,
    TrialOrder,
)
from checkout import ROOT
from errors import MeasurementError

CHECK_S = 0.2  # between two calls of `check` while the sender is silent
_decode = msgspec.json.Decoder(SenderMessage).decode
Wanted = TypeVar("Wanted", SenderReady, SenderFinished)


class SenderProcess:
    """A process of `benchmarks.load.sending.sender`. Use it as a context manager."""

    def __init__(self, order: TrialOrder) -> None:
        """Starts the process and gives it an order; it dies with the thread that starts it."""
        search = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "benchmarks.load.sending.sender",
            ],  # -P: nothing in the current folder is imported
            env={**os.environ, "PYTHONPATH": search},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C reaches the parent alone, which ends this process
        )
        self.pid = self._process.pid
        self._messages: SimpleQueue[SenderMessage | None] = SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="sender-messages", daemon=True)
        self._reader.start()
        self._write(msgspec.json.encode(order))

    def __enter__(self) -> SenderProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if kind is not None:
            self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def cpu_s(self) -> float:
        """Returns the CPU seconds that the process has used so far."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def go_on(self) -> None:
        """Lets the waiting process continue."""
        self._write(b"")

    def wait_for(
        self,
        wanted: type[Wanted],
        on_progress: Callable[[SendProgress], None],
        check: Callable[[], None] = lambda: None,
    ) -> Wanted:
        """Waits for a message, and passes on the progress meanwhile.

        Args:
            wanted: type of the message.
            on_progress: called with each report of progress.
            check: called a few times a second; what it raises ends the wait.

        Raises:
            MeasurementError: the process could not do its order, or died.
        """
        while True:
            check()
            try:
                message = self._messages.get(timeout=CHECK_S)
            except Empty:
                continue
            match message:
                case SendProgress() as progress:
                    on_progress(progress)
                case SenderFailed(reason):
                    raise MeasurementError(reason)
                case None:
                    status = self._process.wait()
                    raise MeasurementError(f"the sending process ended with status {status}; its error is above")
                case answer if isinstance(answer, wanted):
                    return answer

    def _read(self) -> None:
        """Puts every message into the queue, and None at their end."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith(b"\n"):  # a process that is killed may leave half a line
                self._messages.put(_decode(line))
        self._messages.put(None)

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died: `wait_for` says so
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()
