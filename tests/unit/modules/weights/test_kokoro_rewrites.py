"""A rewritten graph computes what it computed before, with other nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from modules.weights.conversion.blocked_convolutions import block_convolutions
from modules.weights.conversion.instance_norms import fuse_instance_norms

RANDOM = np.random.default_rng(0)
CHANNELS, FRAMES = 4, 50
SOUND = 3 + 2 * RANDOM.standard_normal((1, CHANNELS, FRAMES)).astype(np.float32)
STYLE = [RANDOM.standard_normal((1, CHANNELS, 1)).astype(np.float32) for _ in range(2)]


def tiny_model(nodes: Sequence[Any], constants: dict[str, np.ndarray], style_shape: Sequence[int] = (1, 4, 1)) -> Any:
    """``sound``, ``gamma`` and ``beta`` in, ``result`` out."""
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("sound", floats, [1, CHANNELS, "frames"]),
            helper.make_tensor_value_info("gamma", floats, style_shape),
            helper.make_tensor_value_info("beta", floats, style_shape),
        ],
        [helper.make_tensor_value_info("result", floats, ["batch", "channels", "length"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=8)


def run(model: Any, style: Sequence[np.ndarray] = STYLE) -> np.ndarray:
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"sound": SOUND, "gamma": style[0], "beta": style[1]})[0]


def kinds(model: Any) -> list[str]:
    return [node.op_type for node in model.graph.node]


def convolution(**attributes: Any) -> Any:
    weight = RANDOM.standard_normal((6, CHANNELS // attributes.get("group", 1), 3)).astype(np.float32)
    bias = RANDOM.standard_normal(6).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["sound", "weight", "bias"], ["convolved"], name="conv", **attributes),
        helper.make_node("Tanh", ["convolved"], ["result"]),
    ]
    return tiny_model(nodes, {"weight": weight, "bias": bias})


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"kernel_shape": [3], "pads": [1, 2]},
        {"strides": [2], "pads": [2, 0]},
        {"dilations": [5], "pads": [5, 5]},
        {"group": 2, "auto_pad": "NOTSET"},
    ],
    ids=str,
)
def test_convolution_with_a_height_of_one_gives_the_same(attributes: dict[str, Any]) -> None:
    model = convolution(**attributes)
    before = run(model)

    assert block_convolutions(model) == 1

    assert kinds(model) == ["Unsqueeze", "Conv", "Squeeze", "Tanh"]
    assert {each.name: len(each.dims) for each in model.graph.initializer}["weight_2d"] == 4
    np.testing.assert_allclose(run(model), before, atol=1e-5)


def test_convolution_that_pads_by_itself_is_left_as_it_is() -> None:
    model = convolution(auto_pad="SAME_UPPER")
    assert block_convolutions(model) == 0
    assert kinds(model) == ["Conv", "Tanh"]


def test_convolution_with_computed_weights_is_left_as_it_is() -> None:
    model = tiny_model([helper.make_node("Conv", ["sound", "gamma"], ["result"])], {})
    assert block_convolutions(model) == 0
    assert kinds(model) == ["Conv"]


def spelled_out_norm(
    axis: int = 2, centred_twice: str = "centred", swapped: bool = False, style_shape: Sequence[int] = (1, 4, 1)
) -> Any:
    """One adaptive instance norm, node by node; the arguments make other things of it."""
    node = helper.make_node

    def pair(first: str, second: str) -> list[str]:
        return [second, first] if swapped else [first, second]

    nodes = [
        node("ReduceMean", ["sound", "axes"], ["mean"]),
        node("Sub", ["sound", "mean"], ["centred"]),
        node("Mul", ["centred", centred_twice], ["squares"]),
        node("ReduceMean", ["squares", "axes"], ["variance"]),
        node("Add", pair("variance", "epsilon"), ["safe"]),
        node("Sqrt", ["safe"], ["deviation"]),
        node("Div", ["centred", "deviation"], ["normalised"]),
        node("Mul", pair("normalised", "gamma"), ["scaled"]),
        node("Add", pair("scaled", "beta"), ["result"]),
    ]
    return tiny_model(nodes, {"axes": np.array([axis]), "epsilon": np.array(0.1, np.float32)}, style_shape)


@pytest.mark.parametrize("swapped", [False, True])
def test_norm_in_one_node_gives_the_same(swapped: bool) -> None:
    model = spelled_out_norm(swapped=swapped)
    before = run(model)

    assert fuse_instance_norms(model) == 1

    assert kinds(model) == ["Reshape", "Reshape", "InstanceNormalization"]
    np.testing.assert_allclose(run(model), before, atol=1e-5)


def test_two_norms_of_one_sound_each_have_their_own_scale() -> None:
    model = spelled_out_norm()
    model.graph.node[-1].output[0] = "first"
    model.graph.node.extend(
        [
            helper.make_node("Mul", ["normalised", "beta"], ["scaled_2"]),
            helper.make_node("Add", ["scaled_2", "gamma"], ["second"]),
            helper.make_node("Concat", ["first", "second"], ["result"], axis=1),
        ]
    )
    before = run(model)

    assert fuse_instance_norms(model) == 2

    assert kinds(model) == ["Reshape", "Reshape", "InstanceNormalization"] * 2 + ["Concat"]
    np.testing.assert_allclose(run(model), before, atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [{"axis": 1}, {"centred_twice": "sound"}, {"style_shape": (1, 4, FRAMES)}, {"style_shape": (1, 1, 1)}],
    ids=str,
)
def test_what_only_looks_like_a_norm_is_left_as_it_is(changes: dict[str, Any]) -> None:
    model = spelled_out_norm(**changes)
    expected = kinds(model)
    style = [np.ones(changes.get("style_shape", (1, 4, 1)), np.float32)] * 2
    before = run(model, style)

    assert fuse_instance_norms(model) == 0

    assert kinds(model) == expected
    np.testing.assert_array_equal(run(model, style), before)
