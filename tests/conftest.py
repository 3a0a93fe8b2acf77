from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
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


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


@contextmanager
def leaving_no_process() -> Iterator[None]:
    """Kills the processes that the block leaves behind, and fails for them."""
    before = children()
    yield
    left = children() - before
    for process in left:
        process.kill()
    assert not left, f"processes were left behind: {left}"


@pytest.fixture(autouse=True)
def no_orphans() -> Iterator[None]:
    """Fails the test that leaves a process behind, other than those of a relay that the tests of its module share."""
    with leaving_no_process():
        yield


@pytest.fixture(scope="module", autouse=True)
def no_orphans_of_a_module() -> Iterator[None]:
    """Fails where a relay that tests share leaves a process behind."""
    with leaving_no_process():
        yield


def write_fake_config(
    folder: Path, stage_keys: dict[str, dict[str, Any]] | None = None, **options: dict[str, Any]
) -> Path:
    """Writes the configuration of a relay of stand-ins; options of each stage may be given by its name."""
    keys = {name: {"threads": "auto", **(stage_keys or {}).get(name, {})} for name in STAGES}
    stages = stand_in_stages("faulty", keys, **options)
    dead = str(folder / "dead")
    return write_configuration(folder / "fake.yaml", stages, name="fake", cores=4, dead_letters=dead)


@pytest.fixture
def fake_config(tmp_path: Path) -> Callable[..., Path]:
    """Writes the configuration of a relay of the test's own; see `write_fake_config`."""
    return partial(write_fake_config, tmp_path)


def clip(level: float = 0.5, seconds: float = 0.1) -> Audio:
    """A clip whose first sample tells which one it is."""
    return Audio(np.full(int(16000 * seconds), level, np.float32), 16000)


def until(seen: Callable[[], Any]) -> Any:
    """What `seen` returns once it is true, looked for until the test's own time is up."""
    while not (found := seen()):
        threading.Event().wait(0.05)
    return found
