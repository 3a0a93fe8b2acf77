"""Rewrites the int8 Kokoro network so that ONNX Runtime computes it fast on a CPU.

``python -m modules.weights.conversion.kokoro_graph SOURCE.onnx FOLDER`` writes ``model.onnx`` to FOLDER. The same
source gives the same bytes every time.
"""

from __future__ import annotations

import sys
from pathlib import Path

from modules.weights.conversion.blocked_convolutions import block_convolutions
from modules.weights.conversion.float_convolutions import dequantise_convolutions
from modules.weights.conversion.instance_norms import fuse_instance_norms


def convert(source: Path, folder: Path) -> None:
    """Writes ``model.onnx`` to ``folder``, which must exist.

    Raises:
        ValueError: a ConvInteger is not part of a chain that dynamic quantisation writes.
    """
    import onnx

    model = onnx.load(str(source))
    for rewrite in (dequantise_convolutions, fuse_instance_norms, block_convolutions):
        rewrite(model)
    onnx.save(model, str(folder / "model.onnx"))


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
