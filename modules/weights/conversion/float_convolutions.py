"""Turns the quantised convolutions of an int8 ONNX model back into float convolutions.

ONNX Runtime has no fast ConvInteger on a CPU, so a quantised convolution is slower than the float one it was made from.
Dynamic quantisation writes a convolution as

    x → DynamicQuantizeLinear → ConvInteger → [Add bias] → Cast → Mul by (scale of x · scale of the weights)

One Conv with dequantised weights and the float bias replaces that chain. The matrix products, which have fast kernels,
stay as they are. Each weight is (int8 - zero point) · scale in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modules.weights.conversion.onnx_graph import Array, OnnxGraph, other_input


class _QuantisedConvolution:
    """The nodes of one quantised convolution, from its ConvInteger to the Mul whose output is float again.

    Attributes:
        source: name of the float input.
        result: name of the float output.
        weight: dequantised weights, float32.
        bias: name of the float bias, or None.

    Raises:
        ValueError: the nodes around the ConvInteger are not the chain that dynamic quantisation writes.
    """

    def __init__(self, graph: OnnxGraph, conv: Any) -> None:
        quantised, weight, _, zero_point = conv.input
        quantise = graph.producer[quantised]
        add = graph.only_reader(conv.output[0], "Add")
        cast = graph.only_reader((add or conv).output[0], "Cast")
        scale = graph.only_reader(cast.output[0], "Mul") if cast else None
        if quantise.op_type != "DynamicQuantizeLinear" or cast is None or scale is None:
            raise ValueError(f"{conv.name} is not followed by [Add,] Cast and Mul, as dynamic quantisation writes it")
        scales = graph.producer[other_input(scale, cast.output[0])]
        channels = (-1,) + (1,) * (graph.constants[weight].ndim - 1)
        self.source = quantise.input[0]
        self.result = scale.output[0]
        self.bias = _float_origin(graph, other_input(add, conv.output[0])) if add else None
        self.weight = _dequantise(
            graph.constants[weight],
            graph.constants[zero_point].reshape(channels),
            graph.constants[other_input(scales, quantise.output[1])].reshape(channels),
        )


def dequantise_convolutions(model: Any) -> int:
    """Replaces every quantised convolution in an ONNX ModelProto, in place. Returns their number.

    Raises:
        ValueError: a ConvInteger is not part of a chain that dynamic quantisation writes.
    """
    from onnx import helper

    graph = OnnxGraph(model.graph)
    constants: dict[str, Array] = {}
    replacements: dict[str, list[Any]] = {}
    for node in graph.nodes:
        if node.op_type != "ConvInteger":
            continue
        chain = _QuantisedConvolution(graph, node)
        weight = node.name + "_weight"
        constants[weight] = chain.weight
        inputs = [chain.source, weight, *([chain.bias] if chain.bias else [])]
        conv = helper.make_node("Conv", inputs, [chain.result], name=node.name + "_float")
        conv.attribute.extend(node.attribute)
        # The Conv takes the place of the chain's end, after everything that it reads.
        replacements[chain.result] = [conv]
    graph.rewrite(replacements, constants)
    return len(replacements)


def _float_origin(graph: OnnxGraph, name: str) -> str:
    """Finds the float32 constant of a bias that is quantised while the model runs."""
    while name not in graph.constants:
        node = graph.producer[name]
        constants = [each for each in node.input if each in graph.constants and _is_float(graph.constants[each])]
        name = constants[0] if constants else node.input[0]
    return name


def _is_float(array: Array) -> bool:
    return array.dtype == np.float32


def _dequantise(weight: Array, zero_point: Array, scale: Array) -> Array:
    return (weight.astype(np.float32) - zero_point.astype(np.float32)) * scale.astype(np.float32)
