"""The broker's HTTP side: /metrics for Prometheus, /livez and /readyz for whoever looks after the process.

    GET /metrics   Prometheus text, or OpenMetrics with exemplars where the client accepts it
    GET /livez     200 while the broker's thread answers, else 503
    GET /readyz    200 when every stage has a warm replica, else 503; JSON with the numbers and the reason

Threads of its own serve it, and every figure is made by the broker's thread when it is asked: nothing is shared, and
a broker that hangs is seen.
"""

from __future__ import annotations

import json
import os
import queue
import socketserver
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.metrics_core import Metric

from errors import AddressInUse
from workers.wire.messages import StageInfo

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

ANSWER_S = 5.0  # within which the broker's thread must answer
PATHS = "/metrics, /livez and /readyz"


class Figures(NamedTuple):
    """What the broker's thread knows. `blockers` tells why a stage that cannot serve cannot."""

    families: list[Metric]
    stages: tuple[StageInfo, ...]
    blockers: dict[str, str]


@dataclass(eq=False)
class _Families:
    """A collector of metrics that were made already."""

    families: list[Metric]

    def collect(self) -> list[Metric]:
        return self.families


class _Handler(WSGIRequestHandler):
    timeout = 10  # a client that says nothing does not hold a thread for ever

    def log_message(self, *_: object) -> None:
        """Keeps scrapes out of the log."""


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Binds without asking a name server who we are, as the library does."""
        socketserver.TCPServer.server_bind(self)
        host, self.server_port = self.server_address[0], int(self.server_address[1])
        self.server_name = str(host)
        self.setup_environ()


class MetricsServer:
    """Serves what the broker's thread tells, for as long as the process lives."""

    def __init__(self, address: str) -> None:
        """Listens at ``host:port``; port 0 takes a free one.

        Raises:
            AddressInUse: it cannot.
        """
        host, _, port = address.rpartition(":")
        try:
            self._server = _Server((host, int(port)), _Handler)
        except OSError as error:
            raise AddressInUse(
                f"cannot serve metrics at {address}: {error}; set metrics: to another address that is not in use"
            ) from error
        self._server.set_app(self._respond)
        self.address = f"{host}:{self._server.server_port}"
        self.inquiries_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)  # readable while one waits for an answer
        self._inquiries: queue.SimpleQueue[Future[Figures]] = queue.SimpleQueue()
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def answer(self, figures: Callable[[], Figures]) -> None:
        """Answers those who wait; for the broker's thread."""
        os.eventfd_read(self.inquiries_fd)
        now = figures()
        while not self._inquiries.empty():
            self._inquiries.get().set_result(now)

    def _ask(self) -> Figures:
        inquiry: Future[Figures] = Future()
        self._inquiries.put(inquiry)
        os.eventfd_write(self.inquiries_fd, 1)
        return inquiry.result(ANSWER_S)

    def _respond(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path not in ("/metrics", "/livez", "/readyz"):
            return _say(start_response, "404 Not Found", {"error": f"there is no {path} here, only {PATHS}"})
        try:
            figures = self._ask()
        except TimeoutError:
            error = f"the broker has not answered for {ANSWER_S:.0f} s"
            return _say(start_response, "503 Service Unavailable", {"error": error})
        if path == "/livez":
            return _say(start_response, "200 OK", {"live": True})
        if path == "/readyz":
            status = "503 Service Unavailable" if figures.blockers else "200 OK"
            return _say(start_response, status, _readiness(figures))
        registry = CollectorRegistry()
        registry.register(_Families(figures.families))
        response: Iterable[bytes] = make_wsgi_app(registry)(environ, start_response)
        return response


def _readiness(figures: Figures) -> dict[str, object]:
    stages = {
        stage.name: {"ready": stage.ready, "desired": stage.replicas, "reason": figures.blockers.get(stage.name, "")}
        for stage in figures.stages
    }
    return {"ready": not figures.blockers, "stages": stages}


def _say(start_response: StartResponse, status: str, content: dict[str, object]) -> list[bytes]:
    body = (json.dumps(content, ensure_ascii=False) + "\n").encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
