"""The recordings of a run: which can be opened, and which file each one's speech is written to."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from commands.options import make_folder
from commands.output import utf8
from errors import ConfigError, InputError, RelevoError
from modules.audio.files import write_wav
from workers.report import Clip


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One file to translate, the file for its speech, and its result."""

    path: Path
    target: Path
    clip: Clip

    @property
    def name(self) -> str:
        """Returns the name to show."""
        return utf8(self.path.name)

    def fail(self, error: Exception) -> None:
        """Records why it failed."""
        self.clip.error = utf8(str(error))

    def check(self) -> bool:
        """Returns whether the file can be opened; marks the recording as failed if not."""
        try:
            mode = self.path.stat().st_mode
        except OSError as error:
            self.fail(InputError(f"{self.path}: cannot be read ({error.strerror}); check the path"))
            return False
        if stat.S_ISDIR(mode):
            self.fail(InputError(f"{self.path}: is a folder; name the recordings in it"))
        elif not os.access(self.path, os.R_OK):
            self.fail(InputError(f"{self.path}: cannot be read; check its permissions"))
        return not self.clip.error

    def write_speech(self) -> None:
        """Writes the speech of its result, if there is any. If that fails, the recording has failed."""
        if self.clip.result is None or self.clip.result.audio is None:
            return
        try:
            write_wav(self.target, self.clip.result.audio)
        except (OSError, RelevoError) as error:
            self.fail(error)
        else:
            self.clip.wav = utf8(str(self.target))


def recordings_of(paths: Sequence[Path], folder: Path) -> list[Recording]:
    """Returns the recordings, with their speech in `folder`."""
    return [
        Recording(path, folder / name, Clip(utf8(str(path))))
        for path, name in zip(paths, output_names(paths), strict=True)
    ]


def output_names(paths: Sequence[Path]) -> list[str]:
    """Returns a file name for the speech of each recording; no two are alike.

    Recordings of the same name get their positions, and a further number where that name is taken.
    """
    stems = [path.stem for path in paths]
    alike = Counter(stems)
    taken = {stem for stem in stems if alike[stem] == 1}
    names = []
    for position, stem in enumerate(stems, start=1):
        name = stem
        if alike[stem] > 1:
            numbered = f"{stem}-{position}"
            candidates = chain([numbered], (f"{numbered}-{again}" for again in count(2)))
            name = next(candidate for candidate in candidates if candidate not in taken)
            taken.add(name)
        names.append(f"{name}.zh.wav")
    return names


def prepare_report(file: Path) -> None:
    """Makes the folder of a report, so that a run does not end without a place for it.

    Raises:
        ConfigError: the report cannot be written there.
    """
    if not file.exists():
        make_folder(file.parent, "--report")
    elif file.is_dir():
        raise ConfigError(f"--report {file} is a folder; name a file, such as {file / 'report.json'}")
    elif not os.access(file, os.W_OK):
        raise ConfigError(f"cannot write to --report {file}; name another file, or change its permissions")
