"""Cores that are shared: when the replicas ask for more than there are, their threads take turns.

The system spreads threads over cores as evenly as whole threads go. A replica of one thread gets its share on average.
One whose threads work together gets on as fast as the one of them that shares a core with the most others, for they
wait for one another.
"""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass, field

import simpy

DONE_S = 1e-7  # of work: what rounding leaves over


@dataclass(frozen=True)
class CoreDemand:
    """What a replica asks of the cores while it serves.

    `demand` is in cores, on average over its service: `threads` of them while they work together, and one else.
    `neighbours` is how much longer it takes when all other cores are busy (they share caches, memory and clock), as a
    share. `turns` is what having to take turns costs it beyond waiting for its slowest thread, as a share; below 0
    when it does not wait so long.
    """

    demand: float
    threads: int = 1
    neighbours: float = 0.0
    turns: float = 0.0

    def slowdown(self, total: float, cores: int) -> float:
        """How much longer it takes when the replicas together ask for `total` cores."""
        # of the cores that it does not use itself: how its own threads bear each other is in its time alone
        busy = max(0.0, min(total, cores) - self.demand) / (cores - 1) if cores > 1 else 0.0
        others = max(0.0, total - self.demand)
        together = max(0.0, self.demand - 1) / (self.threads - 1) if self.threads > 1 else 0.0
        all_at_work = _slowest(self.threads, (self.threads + others) / cores)
        one_at_work = _slowest(1, (min(1.0, self.demand) + others) / cores)
        waiting = together * all_at_work + (1 - together) * one_at_work
        if waiting > 1:
            waiting = max(1.0, waiting * (1 + self.turns))
        return (1 + self.neighbours * busy) * waiting


def _slowest(threads: int, per_core: float) -> float:
    """How much longer the slowest of so many threads takes when each core has `per_core` threads on average.

    Some cores have one thread more than others. One thread is on such a core as often as not, so that it gets an even
    share on average; the more threads, the surer is one of them there.
    """
    if per_core <= 1:
        return 1.0
    fewest = math.floor(per_core)
    return fewest + 1 - (fewest + 1 - per_core) ** threads


@dataclass(eq=False)
class _Group:
    """Tasks of the same load, which get on at the same speed.

    `progress_s` is the work that each has done since the group was made; a task is done when it reaches its mark.
    """

    load: CoreDemand
    progress_s: float = 0.0
    tasks: list[tuple[float, int, simpy.Event]] = field(default_factory=list)  # a heap by mark


class Cores:
    """`count` cores under processor sharing: each task advances at its own speed, which changes as others come and go.

    A GPU is one core on which every task has a demand of 1.
    """

    def __init__(self, env: simpy.Environment, count: int) -> None:
        self.busy_s = 0.0
        self._env, self._count = env, count
        self._groups: dict[CoreDemand, _Group] = {}
        self._numbers = itertools.count()
        self._seen_at = 0.0
        self._change = 0

    def run(self, seconds: float, load: CoreDemand) -> simpy.Event:
        """Does work that takes so long alone; the event comes when it is done."""
        self._advance()
        group = self._groups.setdefault(load, _Group(load))
        done = self._env.event()
        heapq.heappush(group.tasks, (group.progress_s + seconds, next(self._numbers), done))
        self._plan()
        return done

    def _total(self) -> float:
        return sum(len(group.tasks) * group.load.demand for group in self._groups.values())

    def _advance(self) -> None:
        passed_s, total = self._env.now - self._seen_at, self._total()
        self._seen_at = self._env.now
        self.busy_s += min(float(self._count), total) * passed_s
        for group in self._groups.values():
            if group.tasks:
                group.progress_s += passed_s / group.load.slowdown(total, self._count)

    def _plan(self) -> None:
        """Ends what is done and wakes again when the next task will be."""
        for group in self._groups.values():
            while group.tasks and group.tasks[0][0] - group.progress_s <= DONE_S:
                heapq.heappop(group.tasks)[2].succeed()
        self._change += 1
        change, total = self._change, self._total()
        waits = [
            (group.tasks[0][0] - group.progress_s) * group.load.slowdown(total, self._count)
            for group in self._groups.values()
            if group.tasks
        ]
        if waits:
            self._env.timeout(min(waits)).callbacks.append(lambda _: self._wake(change))

    def _wake(self, change: int) -> None:
        if change == self._change:  # nothing came or went meanwhile
            self._advance()
            self._plan()
