"""Processor sharing: when replicas ask for more cores than there are, their threads take turns."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.tune.model.core_demand import CoreDemand

if TYPE_CHECKING:
    import simpy

DONE_S = 1e-7  # of work: what rounding leaves over


@dataclass(eq=False)
class _Group:
    """Tasks of the same demand, which advance at the same speed.

    `progress_s` is the work that each task has done since the group was made. A task is done when that reaches its
    mark.
    """

    demand: CoreDemand
    progress_s: float = 0.0
    tasks: list[tuple[float, int, simpy.Event]] = field(default_factory=list)  # a heap by mark


class SharedCores:
    """`count` cores under processor sharing: the speed of each task changes as other tasks come and go.

    A GPU is one such core on which every task has a demand of 1. `busy_s` is how many core-seconds were used so far.
    """

    def __init__(self, env: simpy.Environment, count: int) -> None:
        self.busy_s = 0.0
        self._env, self._count = env, count
        self._groups: dict[CoreDemand, _Group] = {}
        self._numbers = itertools.count()
        self._seen_at = 0.0
        self._change = 0

    def run(self, seconds: float, demand: CoreDemand) -> simpy.Event:
        """Begins a task that takes so many seconds alone; returns an event that comes when it is done."""
        self._advance()
        group = self._groups.setdefault(demand, _Group(demand))
        done = self._env.event()
        heapq.heappush(group.tasks, (group.progress_s + seconds, next(self._numbers), done))
        self._plan()
        return done

    def _total(self) -> float:
        return sum(len(group.tasks) * group.demand.demand for group in self._groups.values())

    def _advance(self) -> None:
        passed_s, total = self._env.now - self._seen_at, self._total()
        self._seen_at = self._env.now
        self.busy_s += min(float(self._count), total) * passed_s
        for group in self._groups.values():
            if group.tasks:
                group.progress_s += passed_s / group.demand.slowdown(total, self._count)

    def _plan(self) -> None:
        """Ends the tasks that are done, and wakes again when the next one will be."""
        for group in self._groups.values():
            while group.tasks and group.tasks[0][0] - group.progress_s <= DONE_S:
                heapq.heappop(group.tasks)[2].succeed()
        self._change += 1
        change, total = self._change, self._total()
        waits = [
            (group.tasks[0][0] - group.progress_s) * group.demand.slowdown(total, self._count)
            for group in self._groups.values()
            if group.tasks
        ]
        if waits:
            self._env.timeout(min(waits)).callbacks.append(lambda _: self._wake(change))

    def _wake(self, change: int) -> None:
        if change == self._change:  # nothing came or went meanwhile
            self._advance()
            self._plan()
