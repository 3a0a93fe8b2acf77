"""An ONNX graph that can be asked who writes and who reads a value, and rewritten piece by piece."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


class OnnxGraph:
    """A graph without sub-graphs.

    Attributes:
        nodes: its NodeProtos, each behind those whose outputs it reads.
        constants: its initializers, by name.
        producer: the node that writes a value; inputs and constants have none.
        readers: the nodes that read a value.
        shapes: what the graph records about the shape of a value; None stands for an axis of variable length.
    """

    def __init__(self, graph: Any) -> None:
        from onnx import numpy_helper

        self._graph = graph
        self.nodes: list[Any] = list(graph.node)
        self.constants: dict[str, Array] = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        self.producer = {output: node for node in self.nodes for output in node.output}
        self.readers: dict[str, list[Any]] = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                self.readers[name].append(node)
        self.shapes = {each.name: _shape(each.type.tensor_type) for each in [*graph.input, *graph.value_info]}

    def produced_by(self, name: str, kind: str) -> Any | None:
        """The node of type ``kind`` that writes the value ``name``."""
        node = self.producer.get(name)
        return node if node is not None and node.op_type == kind else None

    def only_reader(self, name: str, kind: str) -> Any | None:
        """The node of type ``kind`` that is alone in reading the value ``name``."""
        readers = self.readers[name]
        return readers[0] if len(readers) == 1 and readers[0].op_type == kind else None

    def rewrite(self, replacements: Mapping[str, Sequence[Any]], constants: Mapping[str, Array]) -> None:
        """Changes the graph itself; this view of it is out of date afterwards.

        Args:
            replacements: by the first output of a node, the nodes to put in its place, which write the same value.
                Nodes, and constants, that nothing reads any more are left out.
            constants: what the new nodes read, by new names.
        """
        from onnx import numpy_helper

        self._graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
        read = {output.name for output in self._graph.output}
        kept = []
        for node in reversed([new for old in self.nodes for new in replacements.get(old.output[0], [old])]):
            if any(output in read for output in node.output):
                kept.append(node)
                read.update(node.input)
        initializers = [each for each in self._graph.initializer if each.name in read]
        del self._graph.node[:], self._graph.initializer[:]
        self._graph.node.extend(reversed(kept))
        self._graph.initializer.extend(initializers)


def other_input(node: Any, name: str) -> str:
    """The input of a node of two inputs that is not ``name``."""
    first, second = node.input
    return str(second if first == name else first)


def _shape(tensor: Any) -> tuple[int | None, ...] | None:
    if not tensor.HasField("shape"):
        return None
    return tuple(axis.dim_value if axis.HasField("dim_value") else None for axis in tensor.shape.dim)
