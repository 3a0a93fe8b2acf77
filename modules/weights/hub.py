"""Brings models from a hub, through huggingface_hub: what a module reads, once, and nothing that is code.

``<models>/.partial/OWNER/NAME`` holds a download that is not finished, whose whole files are left to the next run; it
is renamed to ``<models>/OWNER/NAME`` when all are there. The hub's own variables apply: HF_ENDPOINT, HF_TOKEN,
HF_HUB_OFFLINE.

``python -m modules.weights.hub REPOSITORY COMMIT FOLDER FILE …`` downloads the files. It runs as a process of its own,
so that it can be stopped, and so that its progress is what it has written.
"""

from __future__ import annotations

import shutil
import sys
from fnmatch import fnmatch
from pathlib import Path
from threading import Event

from filelock import FileLock

from errors import ConfigError, WeightsError
from modules.weights import cache, child
from modules.weights.disk import disk_errors, require_space
from modules.weights.hub_id import HubId
from modules.weights.progress import Progress, Silent, watched

CHECKOUT = Path(__file__).parents[2]
# Weights for other runtimes, pictures, logs, and code, which is never run.
_UNUSED = (
    ".*", "*.md", "*.py", "*.msgpack", "*.h5", "*.ot", "*.tflite", "*.mlmodel", "*.gguf", "*.png", "*.jpg", "*.fp32*",
    "*.log", "*.tfevents*", "onnx/*", "openvino*", "coreml/*", "runs/*", "*/images/*", "*/att_ws/*",
)  # fmt: skip
# Weights that were pickled: only where the same are not there as safetensors.
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def fetch_from_hub(model: HubId, to: Path | None = None, progress: Progress | None = None) -> Path:
    """Makes sure that a model of a hub is on this machine, and returns its folder.

    Args:
        model: which one.
        to: folder for the model folders, to be used with ``--weights``; the cache when None.
        progress: told what happens.

    Raises:
        ConfigError: the hub has no such model or revision, or does not show it to this user.
        WeightsError: no connection, or a full or read-only disk.
    """
    target = to.expanduser().absolute() if to else cache.models_folder()
    folder = target / str(model)
    partial = target / ".partial" / str(model)
    if folder.is_dir():
        return folder
    progress = progress or Silent()
    with disk_errors(target, 0):
        partial.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{partial}.lock"):
        if not folder.is_dir():  # another run may have brought it meanwhile
            commit, sizes = _listing(model)
            total = sum(sizes.values())
            require_space({target: total})
            command = [sys.executable, "-m", "modules.weights.hub", model.repository, commit, str(partial), *sizes]
            try:
                with watched(progress, f"downloading {model}", total) as update:
                    child.run(
                        command,
                        partial,
                        needed_bytes=total,
                        stop=Event(),
                        cwd=CHECKOUT,
                        watch=lambda size: update(min(size, total)),
                    )
            except child.ChildFailed as error:
                raise WeightsError(f"{model} did not come from the hub: {error}; run the command again") from error
            shutil.rmtree(partial / ".cache")  # the client's own notes
            folder.parent.mkdir(parents=True, exist_ok=True)
            partial.rename(folder)
    return folder


def chosen(files: list[str]) -> list[str]:
    """Those of a repository's files that a module reads."""
    used = [file for file in files if not any(fnmatch(file, pattern) for pattern in _UNUSED)]
    if any(file.endswith(".safetensors") for file in used):
        used = [file for file in used if not any(fnmatch(file, pattern) for pattern in _PICKLED)]
    return used


def _listing(model: HubId) -> tuple[str, dict[str, int]]:
    """The commit that the model's revision stands for, and its files that a module reads, with their sizes."""
    from httpx2 import HTTPError  # what huggingface_hub speaks HTTP with
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError

    remedy = f"run `{cache.FETCH_COMMAND} {model} --to DIR` on a machine with a connection and bring DIR over"
    try:
        info = HfApi().model_info(model.repository, revision=model.revision, files_metadata=True)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise ConfigError(
            f"the hub shows no model {model}; check the name, and set HF_TOKEN if it is not public"
        ) from error
    except OfflineModeIsEnabled as error:
        raise WeightsError(f"HF_HUB_OFFLINE is set and {model} is not here; unset it, or {remedy}") from error
    except (HTTPError, OSError) as error:
        raise WeightsError(f"no hub answers for {model} ({error}); {remedy}") from error
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    return str(info.sha), {file: sizes[file] for file in chosen(list(sizes))}


def _download(repository: str, commit: str, folder: str, *files: str) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download(repository, revision=commit, local_dir=folder, allow_patterns=list(files))


if __name__ == "__main__":
    _download(*sys.argv[1:])
