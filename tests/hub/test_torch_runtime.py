from __future__ import annotations

import json
import os
import random

import numpy as np
import pytest

from errors import ConfigError, ModelError, WeightsError
from modules.contract.module import Compute
from modules.runtimes.pytorch import TorchRuntime


@pytest.fixture(scope="module")
def runtime() -> TorchRuntime:
    return TorchRuntime(Compute(threads=1, seed=3))


def draws(runtime: TorchRuntime) -> tuple[float, ...]:
    import torch

    with runtime.inference("drawing"):
        return torch.rand(1).item(), float(np.random.rand()), random.random()


def test_torch_keeps_to_the_threads_of_its_replica(runtime):
    import torch

    assert torch.get_num_threads() == 1
    assert torch.get_num_interop_threads() == 1
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_a_request_draws_the_same_whatever_was_drawn_before(runtime):
    first = draws(runtime)
    random.random()
    assert draws(runtime) == first
    assert set(draws(TorchRuntime(Compute(threads=1, seed=4)))).isdisjoint(first)


def test_what_torch_raises_ends_the_request_with_what_was_being_done(runtime):
    import torch

    with (
        pytest.raises(ModelError, match=r"the model failed while multiplying: .*shapes"),
        runtime.inference("multiplying"),
    ):
        torch.ones(2, 3) @ torch.ones(2, 3)


def test_a_gpu_that_torch_does_not_see_is_named(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="set device: cpu, or install a torch with CUDA"):
        TorchRuntime(Compute(device="cuda"))


def test_a_model_of_another_kind_is_named(runtime, checkpoint):
    from transformers import MarianMTModel, WhisperForConditionalGeneration

    assert runtime.load(MarianMTModel, checkpoint("marian")).training is False
    with pytest.raises(ConfigError, match="holds a model of type 'marian' where 'whisper' is needed"):
        runtime.load(WhisperForConditionalGeneration, checkpoint("marian"))


def test_weights_that_are_not_there_are_told(runtime, checkpoint, tmp_path, caplog):
    from safetensors.torch import load_file, save_file
    from transformers import MarianMTModel

    whole = load_file(checkpoint("marian") / "model.safetensors")
    lost = next(name for name in whole if "fc1.weight" in name)
    save_file(
        {name: each for name, each in whole.items() if name != lost}, tmp_path / "model.safetensors", {"format": "pt"}
    )
    (tmp_path / "config.json").write_bytes((checkpoint("marian") / "config.json").read_bytes())
    runtime.load(MarianMTModel, tmp_path)
    assert f"has no weights for {lost}: they are random" in caplog.text


class Bomb:
    """What a hostile checkpoint would hold: code that runs when it is unpickled."""

    def __init__(self, file: str) -> None:
        self.file = file

    def __reduce__(self):
        return os.mkdir, (self.file,)


def test_a_checkpoint_that_holds_code_is_refused_and_the_code_not_run(runtime, tmp_path):
    import torch
    from transformers import MarianMTModel

    (tmp_path / "config.json").write_text(json.dumps({"model_type": "marian"}))
    torch.save({"weights": Bomb(str(tmp_path / "exploded"))}, tmp_path / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="MarianMTModel cannot be read from"):
        runtime.load(MarianMTModel, tmp_path)
    assert not (tmp_path / "exploded").exists()


def test_a_folder_without_a_configuration_is_named(runtime, tmp_path):
    from transformers import MarianMTModel

    with pytest.raises(WeightsError, match=r"has no config\.json, which every transformers model has"):
        runtime.load(MarianMTModel, tmp_path)
