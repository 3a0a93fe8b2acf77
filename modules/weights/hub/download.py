"""Brings models from a hub, through huggingface_hub: the files that a module reads, and no code.

``<models>/.partial/OWNER/NAME/COMMIT`` holds a download that is not finished; the next run goes on from its last
byte. It becomes ``<models>/OWNER/NAME`` when all files are there. The hub's own variables apply: HF_ENDPOINT,
HF_TOKEN, HF_HUB_OFFLINE. Names that ESPnet's model zoo lists come from there (`modules.weights.hub.espnet_zoo`).

``python -m modules.weights.hub.download REPOSITORY COMMIT FOLDER SIZES`` downloads files, whose sizes are given as
JSON. It runs as a process of its own, so that it can be stopped. Its progress is the size of what it has written.
"""

from __future__ import annotations

import json
import shutil
import sys
from fnmatch import fnmatch
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from filelock import FileLock

from checkout import ROOT
from errors import ConfigError, CorruptWeights, WeightsError
from modules.weights import cache
from modules.weights.checksums import checksum_of
from modules.weights.disk import disk_errors, require_space
from modules.weights.external_command import CommandFailed, run_command
from modules.weights.hub.espnet_zoo import in_zoo
from modules.weights.hub_id import HubId
from modules.weights.progress import Progress, SilentProgress, watched
from modules.weights.records import FolderRecord, folder_state, intact_files, link_file, read_record, write_record
from modules.weights.repair import WEIGHTS_COMMAND

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

# Weights for other runtimes, pictures, logs, and code, which is never run.
_UNUSED = (
    ".*", "*.md", "*.py", "*.msgpack", "*.h5", "*.ot", "*.tflite", "*.mlmodel", "*.gguf", "*.png", "*.jpg", "*.fp32*",
    "*.log", "*.tfevents*", "onnx/*", "openvino*", "coreml/*", "runs/*", "*/images/*", "*/att_ws/*",
)  # fmt: skip
# Pickled weights, which are taken only if there are no safetensors.
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_PART = ".part"


def fetch_from_hub(model: HubId, to: Path | None = None, progress: Progress | None = None) -> Path:
    """Makes sure that a model of a hub is on this machine and undamaged, and returns its folder.

    A damaged model is repaired: its undamaged files are used again if the hub still has the same commit.

    Args:
        model: which model.
        to: folder for the model folders, to be used with ``--weights``; the cache by default.
        progress: receives the progress.

    Raises:
        ConfigError: the hub has no such model or revision, or does not show it to this user.
        WeightsError: no connection, or a full or read-only disk.
        CorruptWeights: a file has another sha256 than the hub says.
    """
    target = to.expanduser().absolute() if to else cache.models_folder()
    folder = target / str(model)
    partial = target / ".partial" / str(model)
    if folder_state(folder).is_usable:
        return folder
    with disk_errors(target, 0):
        partial.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{partial}.lock"):
        if not folder_state(folder).is_usable:  # another run may have brought it meanwhile
            bring = _bring_from_zoo if model.revision is None and in_zoo(model.repository) else _bring_from_hub
            whole = bring(model, partial, folder, progress or SilentProgress())
            folder.parent.mkdir(parents=True, exist_ok=True)
            if folder.is_dir():
                folder.rename(partial / "damaged")
            whole.rename(folder)
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def chosen(files: list[str]) -> list[str]:
    """Selects the files of a repository that a module reads."""
    used = [file for file in files if not any(fnmatch(file, pattern) for pattern in _UNUSED)]
    if any(file.endswith(".safetensors") for file in used):
        used = [file for file in used if not any(fnmatch(file, pattern) for pattern in _PICKLED)]
    return used


def _bring_from_hub(model: HubId, partial: Path, replaced: Path, progress: Progress) -> Path:
    commit, files = _listing(model)
    sizes = {name: file.size or 0 for name, file in files.items()}
    upstream = f"{model.repository}@{commit}"
    folder = partial / commit
    folder.mkdir(exist_ok=True)
    old = read_record(replaced)
    if old and old.upstream == upstream:
        for name in intact_files(replaced, {name: old.files[name] for name in sizes if name in old.files}):
            if not (folder / name).exists():
                link_file(replaced / name, folder / name)
    arguments = [model.repository, commit, str(folder), json.dumps(sizes)]
    _run("download", arguments, folder, model, sum(sizes.values()), progress)
    sums = {}
    for name, file in files.items():
        with watched(progress, f"checking {model}/{name}", sizes[name]):
            sums[name] = checksum_of(folder / name)
        # A small file has no sha256 on the hub; its size was checked when it arrived.
        if file.lfs is not None and sums[name].sha256 != file.lfs.sha256:
            (folder / name).unlink()
            raise CorruptWeights(
                f"{folder / name} has sha256 {sums[name].sha256} instead of {file.lfs.sha256}, which the hub says; "
                "run the command again"
            )
    write_record(folder, FolderRecord(model=str(model), upstream=upstream, files=sums))
    return folder


def _bring_from_zoo(model: HubId, partial: Path, _replaced: Path, progress: Progress) -> Path:
    folder = partial / "zoo"
    shutil.rmtree(folder, ignore_errors=True)  # the zoo's client cannot go on from a part
    folder.mkdir()
    _run("espnet_zoo", [model.repository, str(folder)], folder, model, None, progress)
    sums = {str(file.relative_to(folder)): checksum_of(file) for file in folder.rglob("*") if file.is_file()}
    write_record(folder, FolderRecord(model=str(model), upstream=model.repository, files=sums))
    return folder


def _run(
    module: str, arguments: list[str], folder: Path, model: HubId, total_bytes: int | None, progress: Progress
) -> None:
    """Runs ``python -m modules.weights.hub.MODULE ARGUMENTS``, which downloads a model to a folder."""
    if total_bytes is not None:
        require_space({folder: total_bytes})
    try:
        with watched(progress, f"downloading {model}", total_bytes) as update:
            run_command(
                [sys.executable, "-m", f"modules.weights.hub.{module}", *arguments],
                folder,
                needed_bytes=total_bytes or 0,
                stop=Event(),
                cwd=ROOT,
                watch=update,
            )
    except CommandFailed as error:
        raise WeightsError(f"{model} cannot be downloaded: {error}; run the command again") from error


def _listing(model: HubId) -> tuple[str, dict[str, RepoSibling]]:
    """Asks the hub for the commit of the model's revision, and for the files of it that a module reads."""
    from httpx2 import HTTPError  # huggingface_hub's HTTP client
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError

    remedy = f"run `{WEIGHTS_COMMAND} fetch {model} --to DIR` on a machine with a connection and copy DIR here"
    try:
        info = HfApi().model_info(model.repository, revision=model.revision, files_metadata=True)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise ConfigError(
            f"the hub shows no model {model}; check the name, set HF_TOKEN if it is not public, and run this with "
            ".venv-hub/bin/python (make hub) if it is of ESPnet's model zoo"
        ) from error
    except OfflineModeIsEnabled as error:
        raise WeightsError(f"HF_HUB_OFFLINE is set and {model} is not here; unset it, or {remedy}") from error
    except (HTTPError, OSError) as error:
        raise WeightsError(f"no hub answers for {model} ({error}); {remedy}") from error
    files = {file.rfilename: file for file in info.siblings or ()}
    return str(info.sha), {name: files[name] for name in chosen(list(files))}


def _download(repository: str, commit: str, folder: Path, sizes: dict[str, int]) -> None:
    """Downloads the files that are not there yet. `snapshot_download` would begin an interrupted file again."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    for name, size in sizes.items():
        whole = folder / name
        if whole.is_file():
            continue
        part = whole.with_name(whole.name + _PART)
        part.parent.mkdir(parents=True, exist_ok=True)
        url = hf_hub_url(repository, name, revision=commit)
        with part.open("ab") as file:
            http_get(url, file, resume_size=file.tell(), headers=build_hf_headers(), expected_size=size)
        part.rename(whole)


if __name__ == "__main__":
    _download(sys.argv[1], sys.argv[2], Path(sys.argv[3]), json.loads(sys.argv[4]))
