"""ESPnet's model zoo: its own client, and a server on loopback in the place of Zenodo."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from checkout import ROOT
from modules.weights.hub.espnet_zoo import in_zoo


@pytest.fixture
def zenodo(tmp_path: Path) -> Iterator[str]:
    """The address of a voice's archive."""
    with zipfile.ZipFile(tmp_path / "voice.zip", "w") as archive:
        archive.writestr("meta.yaml", "espnet: 202511")
        archive.writestr("exp/voice/train.pth", "weights")
        archive.writestr("../../outside.txt", "not here")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/voice.zip"
    server.shutdown()
    thread.join()
    server.server_close()


def test_names_of_the_zoo_are_known_without_importing_it():
    assert in_zoo("kan-bayashi/csmsc_tacotron2")
    assert not in_zoo("openai/whisper-large")
    assert "espnet_model_zoo" not in sys.modules


def test_an_archive_of_the_zoo_is_unpacked_below_its_folder_and_not_run(zenodo, tmp_path):
    folder = tmp_path / "here" / "voice"
    folder.mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "modules.weights.hub.espnet_zoo", zenodo, folder], cwd=ROOT, check=True)
    files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert files == {"meta.yaml", "exp/voice/train.pth", "outside.txt"}
    assert (folder / "exp/voice/train.pth").read_text() == "weights"
    assert not (tmp_path / "outside.txt").exists()
