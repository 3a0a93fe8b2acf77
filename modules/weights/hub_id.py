"""Names of models of a hub, ``owner/name`` or ``owner/name@revision``, and their place in the hub's own cache."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_FORM = re.compile(r"(?P<owner>\w[\w.-]*)/(?P<name>\w[\w.-]*)(@(?P<revision>[\w.-]+))?", re.ASCII)
_DEFAULT_REVISION = "main"
_WEIGHTS = {".safetensors", ".bin", ".pth", ".pt", ".onnx"}


@dataclass(frozen=True, slots=True)
class HubId:
    """A model of a hub. ``revision`` is a branch, tag or commit; None is the newest."""

    repository: str
    revision: str | None

    @classmethod
    def parse(cls, model: str) -> HubId | None:
        """Reads a name; returns None for a name of another form, and for the path of an existing folder."""
        form = _FORM.fullmatch(model)
        if form is None or Path(model).is_dir():
            return None
        return cls(f"{form['owner']}/{form['name']}", form["revision"])

    def __str__(self) -> str:
        return self.repository if self.revision is None else f"{self.repository}@{self.revision}"

    def in_hub_cache(self) -> Path | None:
        """Finds the model's folder, with weights in it, in the cache of the hub's own libraries; otherwise None."""
        if find_spec("huggingface_hub") is None:  # an environment may have the packages of one replica only
            return None
        from huggingface_hub.constants import HF_HUB_CACHE

        repository = Path(HF_HUB_CACHE) / f"models--{self.repository.replace('/', '--')}"
        revision = self.revision or _DEFAULT_REVISION
        reference = repository / "refs" / revision
        snapshot = repository / "snapshots" / (reference.read_text().strip() if reference.is_file() else revision)
        return snapshot if any(file.suffix in _WEIGHTS for file in snapshot.rglob("*")) else None
