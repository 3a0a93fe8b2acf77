"""Brings models from a hub, through huggingface_hub: what a module reads, and nothing that is code.

``<models>/.partial/OWNER/NAME/COMMIT`` holds a download that is not finished; the next run goes on from its last
byte. It is renamed to ``<models>/OWNER/NAME`` when all files are there. The hub's own variables apply: HF_ENDPOINT,
HF_TOKEN, HF_HUB_OFFLINE. Names that ESPnet's model zoo lists come from there (`modules.weights.hub.espnet_zoo`).

``python -m modules.weights.hub.download REPOSITORY COMMIT FOLDER SIZES`` downloads files, whose sizes are given as
JSON. It runs as a process of its own, so that it can be stopped, and so that its progress is what it has written.
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
from modules.weights.checksums import Checksum, check_file
from modules.weights.disk import disk_errors, require_space
from modules.weights.external_command import CommandFailed, run_command
from modules.weights.hub.espnet_zoo import in_zoo
from modules.weights.hub_id import HubId
from modules.weights.progress import Progress, SilentProgress, watched

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

# Weights for other runtimes, pictures, logs, and code, which is never run.
_UNUSED = (
    ".*", "*.md", "*.py", "*.msgpack", "*.h5", "*.ot", "*.tflite", "*.mlmodel", "*.gguf", "*.png", "*.jpg", "*.fp32*",
    "*.log", "*.tfevents*", "onnx/*", "openvino*", "coreml/*", "runs/*", "*/images/*", "*/att_ws/*",
)  # fmt: skip
# Weights that were pickled: only where the same are not there as safetensors.
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_PART = ".part"


def fetch_from_hub(model: HubId, to: Path | None = None, progress: Progress | None = None) -> Path:
    """Makes sure that a model of a hub is on this machine, and returns its folder.

    Args:
        model: which one.
        to: folder for the model folders, to be used with ``--weights``; the cache when None.
        progress: told what happens.

    Raises:
        ConfigError: the hub has no such model or revision, or does not show it to this user.
        WeightsError: no connection, or a full or read-only disk.
        CorruptWeights: a file has another sha256 than the hub says.
    """
    target = to.expanduser().absolute() if to else cache.models_folder()
    folder = target / str(model)
    partial = target / ".partial" / str(model)
    if folder.is_dir():
        return folder
    with disk_errors(target, 0):
        partial.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{partial}.lock"):
        if not folder.is_dir():  # another run may have brought it meanwhile
            bring = _bring_from_zoo if model.revision is None and in_zoo(model.repository) else _bring_from_hub
            whole = bring(model, partial, progress or SilentProgress())
            folder.parent.mkdir(parents=True, exist_ok=True)
            whole.rename(folder)
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def chosen(files: list[str]) -> list[str]:
    """Those of a repository's files that a module reads."""
    used = [file for file in files if not any(fnmatch(file, pattern) for pattern in _UNUSED)]
    if any(file.endswith(".safetensors") for file in used):
        used = [file for file in used if not any(fnmatch(file, pattern) for pattern in _PICKLED)]
    return used


def _bring_from_hub(model: HubId, partial: Path, progress: Progress) -> Path:
    commit, files = _listing(model)
    sizes = {name: file.size or 0 for name, file in files.items()}
    folder = partial / commit
    folder.mkdir(exist_ok=True)
    arguments = [model.repository, commit, str(folder), json.dumps(sizes)]
    _run("download", arguments, folder, model, sum(sizes.values()), progress)
    for name, file in files.items():
        if file.lfs is None:  # a small file; its size has been checked
            continue
        with watched(progress, f"checking {model}/{name}", sizes[name]) as update:
            try:
                check_file(folder / name, Checksum(bytes=sizes[name], sha256=file.lfs.sha256), update)
            except CorruptWeights as error:
                (folder / name).unlink()
                raise CorruptWeights(f"{error}, which the hub says; run the command again") from error
    return folder


def _bring_from_zoo(model: HubId, partial: Path, progress: Progress) -> Path:
    folder = partial / "zoo"
    shutil.rmtree(folder, ignore_errors=True)  # the zoo's client cannot go on from a part
    folder.mkdir()
    _run("espnet_zoo", [model.repository, str(folder)], folder, model, None, progress)
    return folder


def _run(
    module: str, arguments: list[str], folder: Path, model: HubId, total_bytes: int | None, progress: Progress
) -> None:
    """Runs ``python -m modules.weights.hub.MODULE ARGUMENTS``, which downloads the model to a folder."""
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
        raise WeightsError(f"{model} did not come: {error}; run the command again") from error


def _listing(model: HubId) -> tuple[str, dict[str, RepoSibling]]:
    """The commit that the model's revision stands for, and its files that a module reads."""
    from httpx2 import HTTPError  # what huggingface_hub speaks HTTP with
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError

    remedy = f"run `{cache.FETCH_COMMAND} {model} --to DIR` on a machine with a connection and bring DIR over"
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
    """Downloads what is not there yet. `snapshot_download` would begin each interrupted file again."""
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
