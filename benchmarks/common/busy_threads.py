"""Threads that only keep cores busy, for what they do to others; each is the one thread of a process."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator

from workers.processes.child import Child
from workers.processes.lifetime import die_with


@contextlib.contextmanager
def busy_threads(count: int) -> Iterator[None]:
    """Keeps so many threads computing meanwhile."""
    with contextlib.ExitStack() as running:
        for _ in range(count):
            running.callback(Child(__name__, [], log=None).close)
        yield


def main() -> None:
    """Computes until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parent", type=int, required=True, help="process id of the benchmark, to end with it")
    die_with(parser.parse_args().parent)
    while True:
        pass


if __name__ == "__main__":
    main()
