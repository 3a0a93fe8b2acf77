"""Bringing models from a hub: a server on loopback that speaks as much of the hub's protocol as the client asks for."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from errors import ConfigError, CorruptWeights, MissingWeights, WeightsError
from modules.weights import HubId, fetch_from_hub, locate

CLIENT_WRITES = 10 << 20  # bytes at once
COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = "model.safetensors"
FILES = {
    "config.json": b'{"model_type": "ear"}',
    LARGE: bytes(range(256)) * 50_000,
    "pytorch_model.bin": b"a pickle",
    "flax_model.msgpack": b"for another runtime",
    "modeling_ear.py": b"print('code')",
}


class FakeHub(ThreadingHTTPServer):
    """One repository, some/ear; remembers which files were asked for, and from which byte on."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, int]] = []
        self.damages = False
        self.breaks_at: int | None = None  # a byte of every file


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        if path in (f"/api/models/some/ear/revision/{name}" for name in ("main", "v1", COMMIT)) or (
            path == "/api/models/some/ear"
        ):
            files: list[dict[str, Any]] = [{"rfilename": name, "size": len(content)} for name, content in FILES.items()]
            sha256 = hashlib.sha256(FILES[LARGE]).hexdigest()
            files[1]["lfs"] = {"sha256": sha256, "size": len(FILES[LARGE]), "pointerSize": 134}
            self._json({"id": "some/ear", "sha": COMMIT, "siblings": files})
        elif path.startswith(f"/some/ear/resolve/{COMMIT}/"):
            self._file(path.rpartition("/")[2], body)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _json(self, answer: Any) -> None:
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _file(self, name: str, body: bool) -> None:
        content = bytes(len(FILES[name])) if self.server.damages else FILES[name]
        ranged = self.headers.get("Range")
        begin = int(ranged.removeprefix("bytes=").partition("-")[0]) if ranged else 0
        self.send_response(206 if ranged else 200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content) - begin))
        if ranged:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if not body:
            return
        self.server.asked.append((name, begin))
        end = len(content) if self.server.breaks_at is None else min(len(content), self.server.breaks_at)
        self.wfile.write(content[begin:end])
        self.close_connection = end < len(content)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    server = FakeHub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    _point_to(monkeypatch, f"http://127.0.0.1:{server.server_port}", tmp_path)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _point_to(monkeypatch: pytest.MonkeyPatch, endpoint: str, tmp_path: Path) -> None:
    import huggingface_hub.constants as constants

    for name, value in {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}.items():
        monkeypatch.setenv(name, value)  # for the process that downloads …
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)  # … and for this one, which has read its environment
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setenv("RELEVO_CACHE", str(tmp_path / "relevo"))


def test_a_model_of_a_hub_comes_without_pickles_code_and_other_runtimes(hub, tmp_path):
    folder = fetch_from_hub(HubId("some/ear", None), tmp_path / "usb")
    assert folder == tmp_path / "usb" / "some" / "ear"
    assert {file.name for file in folder.iterdir()} == {"config.json", "model.safetensors", "relevo.json"}
    assert (folder / "model.safetensors").read_bytes() == FILES[LARGE]
    assert locate("some/ear", tmp_path / "usb") == folder
    asked = list(hub.asked)
    assert fetch_from_hub(HubId("some/ear", None), tmp_path / "usb") == folder
    assert hub.asked == asked


def test_a_pinned_revision_has_a_folder_of_its_own(hub, tmp_path):
    folder = fetch_from_hub(HubId("some/ear", "v1"))
    assert folder == locate("some/ear@v1") == tmp_path / "relevo" / "models" / "some" / "ear@v1"
    with pytest.raises(MissingWeights, match="some/ear is not on this machine"):
        locate("some/ear")


def test_what_the_hub_does_not_have_is_named(hub):
    with pytest.raises(ConfigError, match="the hub shows no model some/nose"):
        fetch_from_hub(HubId("some/nose", None))


def test_an_interrupted_download_goes_on_where_it_ended(hub, tmp_path):
    hub.breaks_at = CLIENT_WRITES + 1000
    with pytest.raises(WeightsError, match="run the command again"):
        fetch_from_hub(HubId("some/ear", None))
    with pytest.raises(MissingWeights):
        locate("some/ear")
    assert ("config.json", 0) in hub.asked
    hub.breaks_at = None
    hub.asked.clear()
    folder = fetch_from_hub(HubId("some/ear", None))
    assert (folder / "model.safetensors").read_bytes() == FILES[LARGE]
    assert hub.asked == [(LARGE, CLIENT_WRITES)]


def test_a_file_with_another_sum_than_the_hub_says_is_no_model(hub):
    hub.damages = True
    with pytest.raises(CorruptWeights, match=r"model\.safetensors has sha256 .* instead of .*; run the command again"):
        fetch_from_hub(HubId("some/ear", None))
    hub.damages = False
    assert (fetch_from_hub(HubId("some/ear", None)) / LARGE).read_bytes() == FILES[LARGE]


def test_hub_offline_is_obeyed(hub, monkeypatch):
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE is set and some/ear is not here"):
        fetch_from_hub(HubId("some/ear", None))
    assert not hub.asked


def test_without_a_connection_the_command_for_another_machine_is_told(tmp_path, monkeypatch):
    _point_to(monkeypatch, "http://127.0.0.1:9", tmp_path)
    command = "`relevo weights fetch some/ear --to DIR`"
    with pytest.raises(WeightsError, match="no hub answers") as caught:
        fetch_from_hub(HubId("some/ear", None))
    assert command in str(caught.value)
    with pytest.raises(MissingWeights, match=r"`relevo weights fetch some/ear`, or with `--to DIR`"):
        locate("some/ear")


def test_the_cache_of_the_hubs_own_libraries_is_used(tmp_path, monkeypatch):
    _point_to(monkeypatch, "http://127.0.0.1:9", tmp_path)
    repository = tmp_path / "hf" / "hub" / "models--some--ear"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    (snapshot / "config.json").write_text("{}")
    with pytest.raises(MissingWeights):  # a folder that never got its weights is no model
        locate("some/ear")
    (snapshot / "model.safetensors").write_bytes(b"")
    assert locate("some/ear") == locate(f"some/ear@{COMMIT}") == snapshot
