"""A view of an ONNX graph that finds the writer and the readers of a value, and replaces nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


class OnnxGraph:
    """A graph without sub-graphs.

    Attributes:
        nodes: its NodeProtos, each after those whose outputs it reads.
        constants: its initializers, by name.
        producer: the node that writes a value, by the value's name; inputs and constants have none.
        readers: the nodes that read a value, by the value's name.
        shapes: the recorded shape of a value, by its name; None stands for an axis of variable length.
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
        """Finds the node that writes the value ``name``, if it is of type ``kind``."""
        node = self.producer.get(name)
        return node if node is not None and node.op_type == kind else None

    def only_reader(self, name: str, kind: str) -> Any | None:
        """Finds the only node that reads the value ``name``, if it is of type ``kind``."""
        readers = self.readers[name]
        return readers[0] if len(readers) == 1 and readers[0].op_type == kind else None

    def rewrite(self, replacements: Mapping[str, Sequence[Any]], constants: Mapping[str, Array]) -> None:
        """Changes the graph. This view is out of date afterwards.

        Nodes and constants that nothing reads any more are removed.

        Args:
            replacements: nodes to put in the place of a node, by the first output of that, which they write too.
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
    """Returns the other input of a node with two inputs, one of which is ``name``."""
    first, second = node.input
    return str(second if first == name else first)


def _shape(tensor: Any) -> tuple[int | None, ...] | None:
    if not tensor.HasField("shape"):
        return None
    return tuple(axis.dim_value if axis.HasField("dim_value") else None for axis in tensor.shape.dim)
