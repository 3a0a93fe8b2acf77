"""What an import brings along, seen from a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

from checkout import ROOT


def test_importing_and_locating_loads_no_heavy_library() -> None:
    code = (
        "import sys; from modules.weights import locate\n"
        "try: locate('whisper-base-ct2')\n"
        "except Exception: pass\n"
        "print(sorted({'numpy', 'onnx', 'gguf', 'ctranslate2', 'onnxruntime', 'tokenizers'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
