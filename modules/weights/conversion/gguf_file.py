"""Reads the fields and tensors of a GGUF file.

The layout is that of the GGUF specification of the ggml project, version 3. The ``gguf`` package supplies the tensor
types and their dequantisation. Its own reader is not used: it makes several arrays of every string, and for the
hundreds of thousands of strings of a tokenizer that takes longer than the conversion of the weights.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC = b"GGUF"
VERSION = 3
DEFAULT_ALIGNMENT = 32
STRING, ARRAY = 8, 9
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a tensor is and how it is stored. The last axis of ``shape`` is contiguous."""

    shape: tuple[int, ...]
    kind: int
    offset: int


class GgufFile:
    """An open GGUF file; a context manager.

    Attributes:
        fields: values by key.
        tensors: where each tensor is, by its name. ``rows`` and ``vector`` read one.

    Raises:
        ValueError: the file is not GGUF of version 3, or uses a type that the specification does not have.
    """

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("rb")
        magic, version = self._file.read(4), self._scalar("I")
        if magic != MAGIC or version != VERSION:
            raise ValueError(f"{path} is not a GGUF file of version {VERSION} (it begins with {magic!r}, {version})")
        tensor_count, field_count = self._scalar("Q"), self._scalar("Q")
        self.fields: dict[str, Any] = {}
        for _ in range(field_count):
            key = self._string()
            self.fields[key] = self._value(self._scalar("I"))
        self.tensors: dict[str, Tensor] = {}
        for _ in range(tensor_count):
            name = self._string()
            sizes = [self._scalar("Q") for _ in range(self._scalar("I"))]
            # The specification lists the contiguous dimension first.
            self.tensors[name] = Tensor(tuple(reversed(sizes)), self._scalar("I"), self._scalar("Q"))
        alignment = self.fields.get("general.alignment", DEFAULT_ALIGNMENT)
        self._data_start = -(-self._file.tell() // alignment) * alignment

    def __enter__(self) -> GgufFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def rows(self, name: str, first: int, count: int) -> NDArray[np.float32]:
        """Reads rows of a matrix as float32 of shape (rows, columns): ``count`` of them, or fewer at its end."""
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
        from gguf.quants import dequantize

        tensor = self.tensors[name]
        kind = GGMLQuantizationType(tensor.kind)
        block_elements, block_bytes = GGML_QUANT_SIZES[kind]
        row_bytes = tensor.shape[-1] // block_elements * block_bytes
        count = min(count, tensor.shape[0] - first)
        self._file.seek(self._data_start + tensor.offset + first * row_bytes)
        stored = np.fromfile(self._file, np.uint8, count * row_bytes).reshape(count, row_bytes)
        values: NDArray[np.float32] = dequantize(stored, kind)
        return values

    def vector(self, name: str) -> NDArray[np.float32]:
        """Reads a tensor of one dimension that is stored as float32, of shape (n,)."""
        tensor = self.tensors[name]
        self._file.seek(self._data_start + tensor.offset)
        return np.fromfile(self._file, np.float32, tensor.shape[0])

    def _scalar(self, code: str) -> Any:
        return struct.unpack("<" + code, self._file.read(struct.calcsize(code)))[0]

    def _string(self) -> str:
        return self._file.read(self._scalar("Q")).decode("utf-8")

    def _value(self, kind: int) -> Any:
        if kind != ARRAY:
            return self._reader(kind)()
        read, count = self._reader(self._scalar("I")), self._scalar("Q")
        return [read() for _ in range(count)]

    def _reader(self, kind: int) -> Callable[[], Any]:
        if kind == STRING:
            return self._string
        if kind not in SCALARS:
            raise ValueError(f"the GGUF file has a field of type {kind}, which the specification does not have")
        return lambda: self._scalar(SCALARS[kind])
