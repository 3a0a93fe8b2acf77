"""Brings models of ESPnet's model zoo, which are zip archives on Zenodo, through espnet_model_zoo (``make hub``).

``python -m modules.weights.hub.espnet_zoo NAME FOLDER`` downloads and unpacks one. It runs as a process of its own,
because espnet_model_zoo imports half of ESPnet. Its ``download_and_unpack`` is not used, because that writes paths of
this machine into the model's configuration.
"""

from __future__ import annotations

import csv
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile


def in_zoo(name: str) -> bool:
    """Tells whether the zoo's table lists a name, such as kan-bayashi/csmsc_tacotron2; False without its package."""
    package = find_spec("espnet_model_zoo")
    if package is None or package.origin is None:
        return False
    with Path(package.origin).with_name("table.csv").open(encoding="utf-8", newline="") as table:
        return any(row["name"] == name for row in csv.DictReader(table))


def _download(name: str, folder: Path) -> None:
    from espnet_model_zoo.downloader import ModelDownloader

    downloads = folder / ".zoo"
    archive = ModelDownloader(downloads).download(name, quiet=True)
    with ZipFile(archive) as box:
        box.extractall(folder)  # writes plain files below the folder only, whatever names and links the archive has
    shutil.rmtree(downloads)


if __name__ == "__main__":
    _download(sys.argv[1], Path(sys.argv[2]))
