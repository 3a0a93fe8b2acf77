"""Serves the broker's metrics and health over HTTP.

    GET /metrics   Prometheus text, or OpenMetrics with exemplars where the client accepts it
    GET /livez     200 while the broker's thread answers, else 503
    GET /readyz    200 when every stage has a warm replica, else 503; JSON with the numbers and the reason

Its own threads serve requests, but the broker's thread makes every figure. So no state is shared, and a broker that
hangs is noticed.
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

ANSWER_S = 5.0  # how long the broker's thread may take to answer
PATHS = "/metrics, /livez or /readyz"


class RelayFigures(NamedTuple):
    """A snapshot made by the broker's thread. `blockers` says why each stage that cannot serve cannot."""

    families: list[Metric]
    stages: tuple[StageInfo, ...]
    blockers: dict[str, str]


@dataclass(eq=False)
class _MadeFamilies:
    """A collector of metrics that are made already."""

    families: list[Metric]

    def collect(self) -> list[Metric]:
        return self.families


class _MetricsHandler(WSGIRequestHandler):
    timeout = 10  # seconds; a silent client must not hold a thread for ever

    def log_message(self, *_: object) -> None:
        """Logs nothing; scrapes would fill the log."""


class _MetricsHTTPServer(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Binds as the library does, but asks no name server for this host's name."""
        socketserver.TCPServer.server_bind(self)
        host, self.server_port = self.server_address[0], int(self.server_address[1])
        self.server_name = str(host)
        self.setup_environ()


class MetricsServer:
    """Serves the broker's figures for as long as the process lives."""

    def __init__(self, address: str) -> None:
        """Listens at ``host:port``; port 0 takes a free one.

        Raises:
            AddressInUse: the address cannot be listened on.
        """
        host, _, port = address.rpartition(":")
        try:
            self._server = _MetricsHTTPServer((host, int(port)), _MetricsHandler)
        except OSError as error:
            raise AddressInUse(
                f"cannot serve metrics at {address}: {error}; set metrics: to another address that is not in use"
            ) from error
        self._server.set_app(self._respond)
        self.address = f"{host}:{self._server.server_port}"
        self.waiting_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)  # readable while a request waits for figures
        self._waiting: queue.SimpleQueue[Future[RelayFigures]] = queue.SimpleQueue()
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def answer(self, figures: Callable[[], RelayFigures]) -> None:
        """Gives figures to the requests that wait. The broker's thread calls it."""
        os.eventfd_read(self.waiting_fd)
        now = figures()
        while not self._waiting.empty():
            self._waiting.get().set_result(now)

    def _ask(self) -> RelayFigures:
        asked: Future[RelayFigures] = Future()
        self._waiting.put(asked)
        os.eventfd_write(self.waiting_fd, 1)
        return asked.result(ANSWER_S)

    def _respond(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path not in ("/metrics", "/livez", "/readyz"):
            return _respond_json(start_response, "404 Not Found", {"error": f"there is no {path}; ask for {PATHS}"})
        try:
            figures = self._ask()
        except TimeoutError:
            error = f"the broker has not answered for {ANSWER_S:.0f} s"
            return _respond_json(start_response, "503 Service Unavailable", {"error": error})
        if path == "/livez":
            return _respond_json(start_response, "200 OK", {"live": True})
        if path == "/readyz":
            status = "503 Service Unavailable" if figures.blockers else "200 OK"
            return _respond_json(start_response, status, _readiness(figures))
        registry = CollectorRegistry()
        registry.register(_MadeFamilies(figures.families))
        response: Iterable[bytes] = make_wsgi_app(registry)(environ, start_response)
        return response


def _readiness(figures: RelayFigures) -> dict[str, object]:
    stages = {
        stage.name: {"ready": stage.ready, "desired": stage.replicas, "reason": figures.blockers.get(stage.name, "")}
        for stage in figures.stages
    }
    return {"ready": not figures.blockers, "stages": stages}


def _respond_json(start_response: StartResponse, status: str, content: dict[str, object]) -> list[bytes]:
    body = (json.dumps(content, ensure_ascii=False) + "\n").encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
