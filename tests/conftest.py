from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, settings

from modules.contract.payloads import Audio
from modules.testing import stand_in_stages, write_configuration
from modules.testing.configuration import STAGES

pytest_plugins = ["tests.fake_registry"]

# No test depends on how fast the machine is, nor on chance: the same examples every time.
settings.register_profile("relevo", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("relevo")


@pytest.fixture(autouse=True)
def no_orphans() -> Iterator[None]:
    """Fails the test that leaves a process behind."""
    yield
    left = psutil.Process().children(recursive=True)
    for process in left:
        process.kill()
    assert not left, f"the test left processes behind: {left}"


@pytest.fixture
def fake_config(tmp_path: Path) -> Callable[..., Path]:
    """Writes the configuration of a relay of stand-ins; options of each stage may be given by its name."""

    def write(stage_keys: dict[str, dict[str, Any]] | None = None, **options: dict[str, Any]) -> Path:
        keys = {name: {"threads": "auto", **(stage_keys or {}).get(name, {})} for name in STAGES}
        stages = stand_in_stages("faulty", keys, **options)
        dead = str(tmp_path / "dead")
        return write_configuration(tmp_path / "fake.yaml", stages, name="fake", cores=4, dead_letters=dead)

    return write


def clip(level: float = 0.5, seconds: float = 0.1) -> Audio:
    """A clip whose first sample tells which one it is."""
    return Audio(np.full(int(16000 * seconds), level, np.float32), 16000)


def until(seen: Callable[[], Any]) -> Any:
    """What `seen` returns once it is true, looked for until the test's own time is up."""
    while not (found := seen()):
        threading.Event().wait(0.05)
    return found
