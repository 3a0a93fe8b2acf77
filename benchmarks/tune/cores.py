"""Cores that are shared: when the replicas ask for more than there are, all of them slow down alike."""

from __future__ import annotations

from dataclasses import dataclass

import simpy

DONE_S = 1e-9  # of work: what rounding leaves over


@dataclass(frozen=True)
class Load:
    """What a replica asks of the cores while it serves.

    `demand` is in cores. `neighbours` is how much longer it takes when all other cores are busy (they share caches,
    memory and clock), as a share. `turns` is what having to take turns costs it beyond that, as a share: threads
    that wait for one another wait longer.
    """

    demand: float
    neighbours: float = 0.0
    turns: float = 0.0

    def slowdown(self, total: float, cores: int) -> float:
        """How much longer it takes when the replicas together ask for `total` cores."""
        others = min(1.0, (total - self.demand) / (cores - 1)) if cores > 1 else 0.0
        taking_turns = max(1.0, total / cores)
        return (1 + self.neighbours * others) * taking_turns * (1 + (self.turns if taking_turns > 1 else 0.0))


@dataclass(eq=False)
class _Task:
    load: Load
    left_s: float
    done: simpy.Event


class Cores:
    """`count` cores under processor sharing: each task advances at its own speed, which changes as others come and go.

    A GPU is one core on which every task has a demand of 1.
    """

    def __init__(self, env: simpy.Environment, count: int) -> None:
        self.busy_s = 0.0
        self._env, self._count = env, count
        self._tasks: list[_Task] = []
        self._seen_at = 0.0
        self._change = 0

    def run(self, seconds: float, load: Load) -> simpy.Event:
        """Does work that takes so long alone; the event comes when it is done."""
        self._advance()
        task = _Task(load, seconds, self._env.event())
        self._tasks.append(task)
        self._plan()
        return task.done

    def _speed(self, task: _Task, total: float) -> float:
        return 1 / task.load.slowdown(total, self._count)

    def _advance(self) -> None:
        passed_s = self._env.now - self._seen_at
        self._seen_at = self._env.now
        total = sum(task.load.demand for task in self._tasks)
        self.busy_s += min(float(self._count), total) * passed_s
        for task in self._tasks:
            task.left_s -= passed_s * self._speed(task, total)

    def _plan(self) -> None:
        """Ends what is done and wakes again when the next task will be."""
        for task in [task for task in self._tasks if task.left_s <= DONE_S]:
            self._tasks.remove(task)
            task.done.succeed()
        self._change += 1
        if self._tasks:
            total = sum(task.load.demand for task in self._tasks)
            wait_s = min(task.left_s / self._speed(task, total) for task in self._tasks)
            change = self._change
            self._env.timeout(wait_s).callbacks.append(lambda _: self._wake(change))

    def _wake(self, change: int) -> None:
        if change == self._change:  # nothing came or went meanwhile
            self._advance()
            self._plan()
