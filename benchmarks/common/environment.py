"""The machine, commit and versions of a measurement, kept beside its numbers."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from checkout import ROOT
from workers.processes.budget import available_cores

PACKAGES = ("ctranslate2", "faster-whisper", "msgspec", "numpy", "onnxruntime", "pyzmq")


def environment() -> dict[str, object]:
    """Returns commit, machine and versions. `modified` tells whether the checkout differs from the commit."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "--short", "HEAD"),
        "modified": bool(_git("status", "--porcelain")),
        "cpu": _cpu_model(),
        "cores": available_cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def environment_line() -> str:
    """Returns commit and machine in one line, to be printed under a table."""
    found = environment()
    commit = f"commit {found['commit'] or 'unknown'}{', modified' if found['modified'] else ''}"
    return f"{found['at']}, {commit}, {found['cores']} cores of {found['cpu']}, Python {found['python']}"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
