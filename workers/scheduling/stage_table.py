"""The stages of a relay in their order, and what is known of them together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workers.scheduling.stage import Stage, StagePlan
from workers.wire.messages import StageInfo, StageLoad


class StageTable:
    """The stages, by place and by name, and the stage that each replica serves."""

    def __init__(self, plans: Iterable[StagePlan]) -> None:
        self._stages = [Stage(plan) for plan in plans]
        self._places = {stage.plan.name: place for place, stage in enumerate(self._stages)}
        self._by_replica: dict[str, Stage] = {}

    def __len__(self) -> int:
        return len(self._stages)

    def __iter__(self) -> Iterator[Stage]:
        return iter(self._stages)

    def __getitem__(self, place: int) -> Stage:
        return self._stages[place]

    def find(self, name: str) -> Stage | None:
        """The stage of this name, or None."""
        place = self._places.get(name)
        return None if place is None else self._stages[place]

    def place(self, name: str) -> int:
        """The place of the stage of this name, from 0.

        Raises:
            KeyError: there is no such stage.
        """
        return self._places[name]

    def name(self, place: int) -> str:
        """The name of the stage at a place."""
        return self._stages[place].plan.name

    # replicas

    def join(self, replica: str, stage: str) -> None:
        """Adds a warm and idle replica to a stage."""
        served = self._by_replica[replica] = self._stages[self.place(stage)]
        served.replicas.join(replica)

    def leave(self, replica: str) -> Stage | None:
        """Forgets which stage a replica serves; returns that stage, or None when the replica is unknown."""
        return self._by_replica.pop(replica, None)

    def of_replica(self, replica: str) -> Stage | None:
        """The stage that a replica serves, or None when the replica is unknown."""
        return self._by_replica.get(replica)

    def busy_replicas(self) -> set[str]:
        """The replicas that have jobs leased."""
        return {name for stage in self._stages for name in stage.replicas.busy()}

    def leased_before(self, replica: str, then: float) -> bool:
        """Whether a job has been leased to a replica since before `then`."""
        stage = self._by_replica.get(replica)
        return stage is not None and stage.replicas.leased_before(replica, then)

    # the relay as a whole

    @property
    def all_ready(self) -> bool:
        """Whether every stage has a warm replica."""
        return all(stage.replicas.warm for stage in self._stages)

    def has_room_after(self, place: int) -> bool:
        """Whether the stage behind takes one more job beside those that this stage may still send it."""
        if place + 1 == len(self._stages):
            return True
        return self._stages[place + 1].has_room(arriving=self._stages[place].replicas.in_service)

    def infos(self, desired: dict[str, int]) -> tuple[StageInfo, ...]:
        """What a client may know of each stage, with the number of replicas that the supervisor wants."""
        return tuple(stage.info(desired.get(stage.plan.name, 0)) for stage in self._stages)

    def loads(self, now: float) -> tuple[StageLoad, ...]:
        """What the autoscaler needs to know of each stage."""
        return tuple(stage.load(now) for stage in self._stages)
