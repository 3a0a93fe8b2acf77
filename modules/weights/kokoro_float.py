"""Gives an int8 ONNX model its convolutions back in float.

``python -m modules.weights.kokoro_float SOURCE.onnx FOLDER`` writes ``model.onnx`` to FOLDER. It runs as a process of
its own, so that its memory goes back to the system.

ONNX Runtime has no fast ConvInteger on a CPU, so that a convolution quantised for speed is slower than the float one
it came from. Dynamic quantisation writes a convolution as

    x → DynamicQuantizeLinear → ConvInteger → [Add bias] → Cast → Mul by (scale of x · scale of the weights)

and this puts one Conv with dequantised weights and the float bias in the place of that chain. The matrix products,
which do have fast kernels, stay as they are.

The result depends on the source alone: each weight is (int8 - zero point) · scale in float32.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Graph:
    """The nodes of an ONNX graph, by what they produce and by what they read."""

    def __init__(self, graph: Any) -> None:
        from onnx import numpy_helper

        self.constants: dict[str, Array] = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        self.producer = {output: node for node in graph.node for output in node.output}
        self.readers: dict[str, list[Any]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self.readers[name].append(node)

    def only_reader(self, node: Any, kind: str) -> Any | None:
        """The node of type ``kind`` that is alone in reading the first output of ``node``."""
        readers = self.readers[node.output[0]]
        return readers[0] if len(readers) == 1 and readers[0].op_type == kind else None


class Chain:
    """One quantised convolution, from its ConvInteger to the Mul whose output is float again.

    Attributes:
        source: name of the float input.
        result: name of the float output.
        weight: dequantised weights, float32.
        bias: name of the float bias, or None.

    Raises:
        ValueError: the nodes around the ConvInteger are not the chain that dynamic quantisation writes.
    """

    def __init__(self, graph: Graph, conv: Any) -> None:
        quantised, weight, _, zero_point = conv.input
        quantise = graph.producer[quantised]
        add = graph.only_reader(conv, "Add")
        cast = graph.only_reader(add or conv, "Cast")
        scale = graph.only_reader(cast, "Mul") if cast else None
        if quantise.op_type != "DynamicQuantizeLinear" or cast is None or scale is None:
            raise ValueError(f"{conv.name} is not followed by [Add,] Cast and Mul, as dynamic quantisation writes it")
        scales = graph.producer[_other(scale, cast.output[0])]
        channels = (-1,) + (1,) * (graph.constants[weight].ndim - 1)
        self.node = conv
        self.replaced = [node for node in (conv, add, cast, scale) if node]
        self.source = quantise.input[0]
        self.result = scale.output[0]
        self.bias = _float_origin(graph, _other(add, conv.output[0])) if add else None
        self.weight = _dequantise(
            graph.constants[weight],
            graph.constants[zero_point].reshape(channels),
            graph.constants[_other(scales, quantise.output[1])].reshape(channels),
        )


def convert(source: Path, folder: Path) -> None:
    """Writes ``model.onnx`` to ``folder``, which must exist.

    Raises:
        ValueError: a ConvInteger is not part of a chain that dynamic quantisation writes.
    """
    import onnx

    model = onnx.load(str(source))
    dequantise_convolutions(model)
    onnx.save(model, str(folder / "model.onnx"))


def dequantise_convolutions(model: Any) -> int:
    """Replaces every quantised convolution of an ONNX ModelProto in place; returns how many there were.

    Raises:
        ValueError: a ConvInteger is not part of a chain that dynamic quantisation writes.
    """
    from onnx import helper, numpy_helper

    graph = Graph(model.graph)
    chains = [Chain(graph, node) for node in model.graph.node if node.op_type == "ConvInteger"]
    replacement: dict[str, Any] = {}
    replaced: set[str] = set()
    for chain in chains:
        weight = chain.node.name + "_weight"
        model.graph.initializer.append(numpy_helper.from_array(chain.weight, weight))
        inputs = [chain.source, weight, *([chain.bias] if chain.bias else [])]
        conv = helper.make_node("Conv", inputs, [chain.result], name=chain.node.name + "_float")
        conv.attribute.extend(chain.node.attribute)
        replacement[chain.result] = conv
        replaced.update(node.output[0] for node in chain.replaced)
    # Each Conv stands where its chain ended: everything it reads has been computed by then.
    nodes = [
        replacement.get(node.output[0], node)
        for node in model.graph.node
        if node.output[0] not in replaced or node.output[0] in replacement
    ]
    _keep_what_is_read(model.graph, nodes)
    return len(chains)


def _other(node: Any, name: str) -> str:
    """The input of a node of two inputs that is not ``name``."""
    first, second = node.input
    return str(second if first == name else first)


def _float_origin(graph: Graph, name: str) -> str:
    """The float32 constant that a bias, quantised while the model runs, was made from."""
    while name not in graph.constants:
        node = graph.producer[name]
        constants = [each for each in node.input if each in graph.constants and _is_float(graph.constants[each])]
        name = constants[0] if constants else node.input[0]
    return name


def _is_float(array: Array) -> bool:
    return array.dtype == np.float32


def _dequantise(weight: Array, zero_point: Array, scale: Array) -> Array:
    return (weight.astype(np.float32) - zero_point.astype(np.float32)) * scale.astype(np.float32)


def _keep_what_is_read(graph: Any, nodes: list[Any]) -> None:
    """Makes ``nodes`` the nodes of a graph without sub-graphs, less those, and the constants, that nothing reads."""
    read = {output.name for output in graph.output}
    kept = []
    for node in reversed(nodes):
        if any(output in read for output in node.output):
            kept.append(node)
            read.update(node.input)
    constants = [each for each in graph.initializer if each.name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(constants)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
