"""The float model computes what the quantised one approximates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from modules.weights.conversion.float_convolutions import dequantise_convolutions
from modules.weights.conversion.kokoro_graph import convert

RANDOM = np.random.default_rng(0)
WEIGHT = RANDOM.integers(0, 255, (4, 3, 5)).astype(np.uint8)
ZERO_POINT, SCALE = np.array(120, np.uint8), np.array(0.01, np.float32)
BIAS = RANDOM.standard_normal(4).astype(np.float32)
SOUND = RANDOM.standard_normal((1, 3, 40)).astype(np.float32)


def quantised_convolution(with_bias: bool, end: str = "Mul") -> Any:
    """One convolution as dynamic quantisation writes it; ``end`` is the node after its Cast."""
    node = helper.make_node
    nodes = [
        node("DynamicQuantizeLinear", ["sound"], ["q", "q_scale", "q_zero"]),
        node("Mul", ["q_scale", "scale"], ["scales"]),
        node("ConvInteger", ["q", "weight", "q_zero", "zero"], ["sum"], name="conv", pads=[2, 2]),
    ]
    last = "sum"
    if with_bias:
        nodes += [
            node("Div", ["bias", "scales"], ["b1"]),
            node("Floor", ["b1"], ["b2"]),
            node("Cast", ["b2"], ["b3"], to=TensorProto.INT32),
            node("Reshape", ["b3", "shape"], ["b4"]),
            node("Add", ["sum", "b4"], ["biased"]),
        ]
        last = "biased"
    nodes += [
        node("Cast", [last], ["cast"], to=TensorProto.FLOAT),
        node(end, ["cast", "scales"], ["convolved"]),
        node("Tanh", ["convolved"], ["result"]),
    ]
    constants = {"weight": WEIGHT, "zero": ZERO_POINT, "scale": SCALE, "bias": BIAS, "shape": np.array([1, 4, 1])}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("sound", TensorProto.FLOAT, [1, 3, 40])],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, [1, 4, 40])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model: Any) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"sound": SOUND})[0]


def float_convolution(bias: np.ndarray) -> np.ndarray:
    weight = (WEIGHT.astype(np.float32) - ZERO_POINT) * SCALE
    padded = np.pad(SOUND[0], ((0, 0), (2, 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 5, axis=1)
    return np.tanh(np.einsum("ock,ctk->ot", weight, windows) + bias[:, None])[None]


@pytest.mark.parametrize("with_bias", [True, False])
def test_float_model_equals_the_convolution_of_the_dequantised_weights(with_bias: bool) -> None:
    model = quantised_convolution(with_bias)
    quantised = run(model)

    assert dequantise_convolutions(model) == 1
    result = run(model)

    np.testing.assert_allclose(result, float_convolution(BIAS if with_bias else 0 * BIAS), atol=1e-5)
    np.testing.assert_allclose(result, quantised, atol=0.2)
    assert not np.array_equal(result, quantised)


def test_nothing_of_the_quantised_chain_is_left() -> None:
    model = quantised_convolution(with_bias=True)
    dequantise_convolutions(model)
    assert [node.op_type for node in model.graph.node] == ["Conv", "Tanh"]
    assert {each.name for each in model.graph.initializer} == {"conv_weight", "bias"}


def test_chain_of_another_form_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="conv is not followed by"):
        dequantise_convolutions(quantised_convolution(with_bias=True, end="Div"))


def test_converting_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    onnx.save(quantised_convolution(with_bias=True), tmp_path / "source.onnx")
    results = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        convert(tmp_path / "source.onnx", tmp_path / name)
        results.append((tmp_path / name / "model.onnx").read_bytes())
    assert results[0] == results[1]
