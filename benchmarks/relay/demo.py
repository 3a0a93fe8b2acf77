"""Measures how long a new user waits: `make demo` in a fresh clone with an empty cache, and the same again.

    python -m benchmarks.relay.demo

Clones the last commit into a temporary folder, with a cache of weights beside it, and removes both at the end.
Downloads about 1 GB. Prints one line of JSON with wall seconds, seconds until the relay was ready, peak resident memory
of all processes and the number of clips that went well, for the first run and the second.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common.command_line import measurement_parser, run_measurement
from benchmarks.common.output import print_record
from benchmarks.common.process_tree import PeakMemory
from checkout import ROOT


def timed_demo(clone: Path, cache: Path) -> dict[str, float]:
    """Runs `make demo` in the clone; wall seconds, and the largest sum of resident memory of all its processes."""
    with PeakMemory() as memory:
        began = time.monotonic()
        subprocess.run(
            ["make", "demo"], cwd=clone, env={**os.environ, "RELEVO_CACHE": str(cache)}, stdout=sys.stderr, check=True
        )
        wall_s = time.monotonic() - began
    report = json.loads((clone / "output" / "report.json").read_text(encoding="utf-8"))
    return {
        "wall_s": round(wall_s, 1),
        "peak_rss_mib": round(memory.rss_bytes / 2**20),
        "ready_s": round(report["ready_s"], 1),
        "clips_ok": sum(clip["outcome"] == "ok" for clip in report["clips"]),
    }


def main() -> int:
    """Measures, and prints one line of JSON."""
    measurement_parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="relevo-demo-") as folder:
        clone, cache = Path(folder) / "clone", Path(folder) / "cache"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        first, again = timed_demo(clone, cache), timed_demo(clone, cache)
    print_record({"first": first, "again": again})
    return 0


if __name__ == "__main__":
    run_measurement(main)
