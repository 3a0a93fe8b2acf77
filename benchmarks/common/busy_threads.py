"""Processes of one thread that only keep cores busy, to measure what that costs their neighbours.

python -m benchmarks.common.busy_threads --parent PID  (one such process; started by `busy_threads`)
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from benchmarks.common.command_line import measurement_parser
from workers.processes.child import Child
from workers.processes.lifetime import die_with


@contextlib.contextmanager
def busy_threads(count: int) -> Iterator[None]:
    """Keeps `count` threads computing while its `with` block runs."""
    with contextlib.ExitStack() as running:
        for _ in range(count):
            running.callback(Child(__name__, [], log=None).close)
        yield


def main() -> None:
    """Computes until it is killed."""
    parser = measurement_parser(__doc__)
    parser.add_argument("--parent", type=int, required=True, help="process id of the benchmark, to end with it")
    die_with(parser.parse_args().parent)
    while True:
        pass


if __name__ == "__main__":
    main()
