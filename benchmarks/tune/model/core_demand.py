"""How much of the cores a replica asks for, and how much longer it takes when others ask too.

The operating system spreads threads over cores as evenly as whole threads go. A replica of one thread gets its share on
average. A replica whose threads work together advances as fast as the one of them that shares its core with the most
others, because the threads wait for one another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class CoreDemand:
    """The cores that a replica asks for while it serves.

    `demand` is in cores, on average over its service: all `threads` while they work together, otherwise one.
    `neighbours` is how much longer it takes, as a share, when all other cores are busy (they share caches, memory and
    clock). `turns` is the cost of taking turns on a core beyond waiting for the slowest thread, as a share; it is
    negative when the replica waits less than that.
    """

    demand: float
    threads: int = 1
    neighbours: float = 0.0
    turns: float = 0.0

    def slowdown(self, total: float, cores: int) -> float:
        """Returns how many times longer the replica takes when all replicas together ask for `total` cores."""
        # of the cores that it does not use itself: its time alone already contains how its own threads slow each other
        busy = max(0.0, min(total, cores) - self.demand) / (cores - 1) if cores > 1 else 0.0
        others = max(0.0, total - self.demand)
        together = max(0.0, self.demand - 1) / (self.threads - 1) if self.threads > 1 else 0.0
        with_all_threads = _slowest(self.threads, (self.threads + others) / cores)
        with_one_thread = _slowest(1, (min(1.0, self.demand) + others) / cores)
        waiting = together * with_all_threads + (1 - together) * with_one_thread
        if waiting > 1:
            waiting = max(1.0, waiting * (1 + self.turns))
        return (1 + self.neighbours * busy) * waiting


def _slowest(threads: int, per_core: float) -> float:
    """Returns how many times longer the slowest thread takes when each core has `per_core` threads on average.

    Some cores have one thread more than others. A single thread is on such a core about as often as not, and so gets
    an even share on average; with more threads it becomes certain that one of them is.
    """
    if per_core <= 1:
        return 1.0
    fewest = math.floor(per_core)
    return fewest + 1 - (fewest + 1 - per_core) ** threads
