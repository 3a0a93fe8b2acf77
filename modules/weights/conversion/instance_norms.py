"""Replaces each instance norm that an ONNX model spells out with one InstanceNormalization.

The norms of StyleTTS 2 are adaptive (Huang and Belongie, 2017, https://arxiv.org/abs/1703.06868): scale γ and shift β
depend on the style. The export writes them as

    d = x - ReduceMean(x);    d / Sqrt(ReduceMean(d · d) + ε) · γ + β

where each of these nodes reads and writes the longest arrays of the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from modules.weights.conversion.onnx_graph import OnnxGraph, other_input

_TIME_AXIS = 2


@dataclass(frozen=True)
class _AdaptiveNorm:
    """The parts of a norm: names of the values x, γ and β, and ε itself."""

    source: str
    scale: str
    shift: str
    epsilon: float


def fuse_instance_norms(model: Any) -> int:
    """Rewrites the adaptive instance norms in an ONNX ModelProto, in place. Returns their number.

    A norm is left as it is if it has another form, is over another axis than the last of three, or has a γ or β that
    the graph does not record with the shape (1, channels, 1). If the graph records no shape for x, as after a
    convolution that was rewritten, such a γ implies that x has three axes as well.
    """
    from onnx import helper

    graph = OnnxGraph(model.graph)
    replacements: dict[str, list[Any]] = {}
    for last in graph.nodes:
        norm = _adaptive_norm(graph, last)
        if norm is None:
            continue
        result = last.output[0]
        scale, shift = result + "_scale", result + "_shift"
        replacements[result] = [
            helper.make_node("Reshape", [norm.scale, "flat"], [scale]),
            helper.make_node("Reshape", [norm.shift, "flat"], [shift]),
            helper.make_node("InstanceNormalization", [norm.source, scale, shift], [result], epsilon=norm.epsilon),
        ]
    graph.rewrite(replacements, {"flat": np.array([-1])})
    return len(replacements)


def _adaptive_norm(graph: OnnxGraph, last: Any) -> _AdaptiveNorm | None:
    """Finds the norm that ends with the node ``last``."""
    if last.op_type != "Add":
        return None
    for scaled in last.input:
        multiply = graph.produced_by(scaled, "Mul")
        for normalised in multiply.input if multiply else ():
            scale, shift = other_input(multiply, normalised), other_input(last, scaled)
            found = _source_and_epsilon(graph, normalised)
            if found and _is_per_channel(graph.shapes.get(scale)) and _is_per_channel(graph.shapes.get(shift)):
                return _AdaptiveNorm(found[0], scale, shift, found[1])
    return None


def _source_and_epsilon(graph: OnnxGraph, name: str) -> tuple[str, float] | None:
    """Finds the name of x, and ε, if a value is (x - mean) / sqrt(variance + ε)."""
    divide = graph.produced_by(name, "Div")
    centre = graph.produced_by(divide.input[0], "Sub") if divide else None
    if divide is None or centre is None:
        return None
    source, mean = centre.input
    shape = graph.shapes.get(source)
    if not _is_mean(graph, mean, source) or (shape is not None and len(shape) != 3):
        return None
    epsilon = _deviation_epsilon(graph, divide.input[1], divide.input[0])
    return None if epsilon is None else (source, epsilon)


def _deviation_epsilon(graph: OnnxGraph, name: str, centred: str) -> float | None:
    """Finds ε if a value is sqrt(mean(centred · centred) + ε)."""
    root = graph.produced_by(name, "Sqrt")
    add = graph.produced_by(root.input[0], "Add") if root else None
    for term in add.input if add else ():
        epsilon = graph.constants.get(other_input(add, term))
        mean = graph.produced_by(term, "ReduceMean")
        square = graph.produced_by(mean.input[0], "Mul") if mean else None
        if square is None or epsilon is None or epsilon.size != 1:
            continue
        if list(square.input) == [centred, centred] and _is_mean(graph, term, square.output[0]):
            return float(epsilon.item())
    return None


def _is_mean(graph: OnnxGraph, name: str, source: str) -> bool:
    """Tells whether a value is the mean of ``source`` over time, with the axis kept."""
    mean = graph.produced_by(name, "ReduceMean")
    if mean is None or mean.input[0] != source or len(mean.input) != 2:
        return False
    axes = graph.constants.get(mean.input[1])
    keeps = all(attribute.i == 1 for attribute in mean.attribute if attribute.name == "keepdims")
    return keeps and axes is not None and axes.tolist() == [_TIME_AXIS]


def _is_per_channel(shape: tuple[int | None, ...] | None) -> bool:
    """Tells whether a shape is (1, channels, 1) with several channels; a single one could be broadcast."""
    return shape is not None and len(shape) == 3 and shape[0] == shape[2] == 1 and shape[1] not in (None, 1)
