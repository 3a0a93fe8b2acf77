from __future__ import annotations

import sys

import pytest

from errors import ConfigError
from modules.contract.module import Compute
from modules.runtimes.pytorch import TorchRuntime


def test_without_torch_the_environment_that_has_it_is_named(monkeypatch):
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_VERBOSITY"):
        monkeypatch.setenv(name, "")  # put back afterwards, for this process goes on
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed

    with pytest.raises(ConfigError, match=r"on torch, which .* does not have; run `make hub`"):
        TorchRuntime(Compute())
