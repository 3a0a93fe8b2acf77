"""The offline models keep the contract that `check_module` holds users' own modules to."""

from __future__ import annotations

import pytest

from checkout import ROOT
from modules.contract.payloads import Text
from modules.contract.registry import module_class
from modules.testing import check_module
from modules.weights import locate


@pytest.mark.parametrize(
    ("module", "model"),
    [("whisper-ct2", "whisper-base-ct2"), ("qwen-ct2", "qwen2.5-coder-0.5b-ct2"), ("kokoro", "kokoro-82m-onnx")],
)
def test_an_offline_model_keeps_the_contract(module, model):
    from modules.audio.files import read_audio

    inputs = {
        "whisper-ct2": [read_audio(ROOT / "samples" / name) for name in ("01_farmacia.flac", "02_tren.flac")],
        "qwen-ct2": [Text("Good morning.", "en"), Text("The train leaves in ten minutes.", "en"), Text("Hola.", "es")],
        "kokoro": [Text("早上好。", "zh"), Text("火车十分钟后开。", "zh"), Text("Hello.", "en")],
    }
    check_module(module_class(module), inputs[module], model=locate(model), deterministic=module != "qwen-ct2")
