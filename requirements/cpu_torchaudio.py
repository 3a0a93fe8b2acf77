"""Makes torchaudio importable beside a torch without CUDA: ``python requirements/cpu_torchaudio.py [SITE_PACKAGES]``.

The registry's torchaudio has native libraries that are linked to CUDA, and beside the CPU build of torch its import
fails on them. Without them it falls back to Python, which is all that ESPnet and transformers need of it. Where torch
has CUDA nothing is touched.
"""

from __future__ import annotations

import runpy
import sys
import sysconfig
from pathlib import Path


def remove_cuda_libraries(packages: Path) -> list[Path]:
    """Removes torchaudio's native libraries from a folder of packages if its torch has no CUDA; returns them."""
    # Read without importing torch, which takes seconds.
    if runpy.run_path(str(packages / "torch" / "version.py"))["cuda"] is not None:
        return []
    libraries = sorted((packages / "torchaudio" / "lib").glob("*.so"))
    for library in libraries:
        library.unlink()
    return libraries


if __name__ == "__main__":
    site_packages = Path(sys.argv[1] if len(sys.argv) > 1 else sysconfig.get_path("purelib"))
    for removed in remove_cuda_libraries(site_packages):
        print(f"removed {removed}: it needs CUDA and this torch has none")
