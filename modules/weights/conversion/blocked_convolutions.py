"""Gives the convolutions of an ONNX model a second axis, of height one.

On x86, ONNX Runtime has fast convolutions on blocks of channels, but uses them for two axes only
(https://onnxruntime.ai/docs/performance/model-optimizations/graph-optimizations.html, NCHWc). So

    x → Conv of k    becomes    x → Unsqueeze → Conv of 1 × k → Squeeze

which computes the same sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modules.weights.conversion.onnx_graph import Array, OnnxGraph

_HEIGHT_AXIS = 2


def block_convolutions(model: Any) -> int:
    """Rewrites every 1-D Conv with constant weights in an ONNX ModelProto, in place. Returns their number.

    A Conv that sets ``auto_pad`` is left as it is.
    """
    from onnx import helper

    graph = OnnxGraph(model.graph)
    constants: dict[str, Array] = {"height_axis": np.array([_HEIGHT_AXIS])}
    replacements: dict[str, list[Any]] = {}
    for conv in graph.nodes:
        attributes = {each.name: helper.get_attribute_value(each) for each in conv.attribute}
        if conv.op_type != "Conv" or attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
            continue
        weight, result = conv.input[1], conv.output[0]
        if weight not in graph.constants or graph.constants[weight].ndim != 3:
            continue
        constants[weight + "_2d"] = np.expand_dims(graph.constants[weight], _HEIGHT_AXIS)
        before, after = attributes.get("pads", [0, 0])
        wide = {
            "group": attributes.get("group", 1),
            "kernel_shape": [1, graph.constants[weight].shape[2]],
            "strides": [1, *attributes.get("strides", [1])],
            "dilations": [1, *attributes.get("dilations", [1])],
            "pads": [0, before, 0, after],
        }
        high, convolved = result + "_high", result + "_convolved"
        replacements[result] = [
            helper.make_node("Unsqueeze", [conv.input[0], "height_axis"], [high]),
            helper.make_node("Conv", [high, weight + "_2d", *conv.input[2:]], [convolved], name=conv.name, **wide),
            helper.make_node("Squeeze", [convolved, "height_axis"], [result]),
        ]
    graph.rewrite(replacements, constants)
    return len(replacements)
